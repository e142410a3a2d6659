"""Half-open physical address ranges, and sets of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Bytes [start, end) of the physical address space; never empty, never negative.

    The kernel prints inclusive ends ("[mem 0x1000-0x1fff]"): add one when parsing.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"not a range: [{self.start:#x}, {self.end:#x})")

    @property
    def size_bytes(self) -> int:
        return self.end - self.start

    def intersect(self, other: Range) -> Range | None:
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Range(start, end) if start < end else None

    def __str__(self) -> str:
        return f"[mem {self.start:#x}-{self.end - 1:#x}]"


@dataclass(frozen=True, slots=True)
class RangeSet:
    """An ordered set of disjoint, non-adjacent ranges: build it with `RangeSet.of`."""

    ranges: tuple[Range, ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[Range]) -> RangeSet:
        """Merge overlapping and touching ranges, in address order."""
        merged: list[Range] = []
        for item in sorted(ranges):
            if merged and item.start <= merged[-1].end:
                merged[-1] = Range(merged[-1].start, max(merged[-1].end, item.end))
            else:
                merged.append(item)
        return cls(tuple(merged))

    @property
    def size_bytes(self) -> int:
        return sum(item.size_bytes for item in self.ranges)

    def __iter__(self) -> Iterator[Range]:
        return iter(self.ranges)

    def __len__(self) -> int:
        return len(self.ranges)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def union(self, other: RangeSet) -> RangeSet:
        return RangeSet.of((*self.ranges, *other.ranges))

    def intersect(self, other: RangeSet) -> RangeSet:
        found = (a.intersect(b) for a in self.ranges for b in other.ranges)
        return RangeSet.of(item for item in found if item is not None)

    def subtract(self, other: RangeSet) -> RangeSet:
        left = list(self.ranges)
        for hole in other.ranges:
            left = [piece for item in left for piece in _cut(item, hole)]
        return RangeSet.of(left)


def _cut(item: Range, hole: Range) -> Iterator[Range]:
    if hole.end <= item.start or item.end <= hole.start:
        yield item
        return
    if item.start < hole.start:
        yield Range(item.start, hole.start)
    if hole.end < item.end:
        yield Range(hole.end, item.end)


def align_down(value: int, alignment: int) -> int:
    return value - value % alignment


def align_up(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
