"""A guest's RAM in three address spaces: guest virtual, guest physical, and the VM process's.

The guest knows which guest frame a page of its workload has (pagemap); the host knows which address
of the VM's process stands for a guest-physical address (QEMU's `gpa2hva`, or a guess that is
checked). Trackers in the host speak of the process's addresses, the truth is in the guest's: what a
host saw is looked up page by page.
"""

from __future__ import annotations

import bisect
from array import array
from collections.abc import Callable, Iterable

from hotkit.agent.heat import HeatRange
from hotkit.agent.protocol import AgentError

PAGE_BYTES = 4096
FOUR_GIB = 1 << 32
# Firmware keeps a little at the end of low memory: the backing goes on to such a border.
_BORDER = 1 << 20

Segment = tuple[int, int, int]


class RamMap:
    """Segments (gpa, size_bytes, hva): contiguous in both address spaces, in the order of gpa."""

    def __init__(self, segments: Iterable[Segment]):
        self.segments: list[Segment] = sorted(segments)
        self._starts = [segment[0] for segment in self.segments]

    def hva(self, gpa: int) -> int | None:
        """The process's address of a guest-physical address; None outside of the RAM."""
        at = bisect.bisect_right(self._starts, gpa) - 1
        if at < 0:
            return None
        start, size, hva = self.segments[at]
        return hva + gpa - start if gpa < start + size else None

    def ranges(self) -> list[list[int]]:
        """The process's [start, end) ranges, sorted, neighbours joined."""
        return _merged((hva, hva + size) for _, size, hva in self.segments)

    def behind(self, frames: Iterable[int]) -> list[list[int]]:
        """The process's ranges that stand for guest frames (0: none), sorted, neighbours joined."""
        pages = (self.hva(frame * PAGE_BYTES) for frame in frames if frame)
        return _merged({(hva, hva + PAGE_BYTES) for hva in pages if hva is not None})

    def pages(self) -> int:
        return sum(size for _, size, _ in self.segments) // PAGE_BYTES


def guest_ram(ram: list[list[int]]) -> list[tuple[int, int]]:
    """[start, end) of a guest's RAM from its /proc/iomem: below and above 4 GiB.

    Holes that firmware keeps within are RAM of the VM all the same.
    """
    low = max((end for start, end in ram if start < FOUR_GIB), default=0)
    high = max((end for start, end in ram if start >= FOUR_GIB), default=0)
    found = [(0, -(-low // _BORDER) * _BORDER)] if low else []
    return found + ([(FOUR_GIB, -(-high // _BORDER) * _BORDER)] if high else [])


def map_by_asking(ram: list[tuple[int, int]], hva_of: Callable[[int], int]) -> RamMap:
    """The map where every address can be asked for: where both ends fit, all between does."""
    segments: list[Segment] = []

    def split(start: int, end: int, first: int, last: int) -> None:
        # `first` and `last`: the process's addresses of the first and of the last page.
        if last - first == end - PAGE_BYTES - start:
            segments.append((start, end - start, first))
            return
        middle = (start + end) // 2 // PAGE_BYTES * PAGE_BYTES
        split(start, middle, first, hva_of(middle - PAGE_BYTES))
        split(middle, end, hva_of(middle), last)

    for start, end in ram:
        split(start, end, hva_of(start), hva_of(end - PAGE_BYTES))
    return RamMap(_joined(segments))


def map_by_guessing(
    ram: list[tuple[int, int]],
    mappings: list[tuple[int, int]],
    holds: Callable[[int, int, int], bool],
) -> RamMap:
    """The map of a VM that cannot be asked, as most monitors lay it out.

    Either one mapping holds all RAM, what is above 4 GiB behind what is below, or each part has a
    mapping of its own. `holds(start, end, hva)`: whether what the guest has in [start, end) is seen
    from that address on.
    """
    segments: list[Segment] = []
    behind = 0
    for start, end in ram:
        size = end - start
        for first, last in sorted(mappings, key=lambda part: part[0] - part[1]):
            hva = next(
                (
                    first + offset
                    for offset in (behind, 0)
                    if first + offset + size <= last and holds(start, end, first + offset)
                ),
                None,
            )
            if hva is not None:
                segments.append((start, size, hva))
                break
        else:
            raise AgentError(
                f"where the VM's process has the guest's RAM from {start:#x} on cannot be told",
                "qmp: the path of its control socket, among the guest's keys in the inventory",
            )
        behind += size
    return RamMap(segments)


def _merged(parts: Iterable[tuple[int, int]]) -> list[list[int]]:
    """[start, end) ranges, sorted, those that touch as one."""
    found: list[list[int]] = []
    for start, end in sorted(parts):
        if found and found[-1][1] == start:
            found[-1][1] = end
        else:
            found.append([start, end])
    return found


def _joined(segments: list[Segment]) -> list[Segment]:
    found: list[Segment] = []
    for gpa, size, hva in segments:
        if found and found[-1][0] + found[-1][1] == gpa and found[-1][2] + found[-1][1] == hva:
            found[-1] = (found[-1][0], found[-1][1] + size, found[-1][2])
        else:
            found.append((gpa, size, hva))
    return found


class Seen:
    """What a tracker in the host saw, in the addresses of the guest's workload.

    `heat`: a HeatRange per range of the workload. `pages`: those that have a guest frame, before
    and after. `moved`: those whose frame is another one now; they count as not found, since nobody
    can say when they moved. `elsewhere_pages`, `elsewhere_hot`: pages of the VM outside of the
    workload that were looked at, and those found accessed at least once.
    """

    def __init__(
        self,
        ranges: list[list[int]],
        before: array[int],
        after: array[int],
        ram: RamMap,
        hot: list[HeatRange],
    ):
        found = sorted(hot, key=lambda part: part.start)
        starts = [part.start for part in found]
        possible = max((part.possible for part in found), default=0)
        self.pages = self.moved = 0
        self.heat: list[HeatRange] = []
        inside: set[int] = set()
        at = 0
        for start, end in ranges:
            count = (end - start) // PAGE_BYTES
            heat = bytearray(count)
            for page in range(count):
                frame = before[at + page]
                if not frame:
                    continue
                self.pages += 1
                hva = ram.hva(frame * PAGE_BYTES)
                if hva is None:
                    continue
                inside.add(hva)
                if after[at + page] != frame:
                    self.moved += 1
                    continue
                heat[page] = _heat_at(found, starts, hva) or 0
            self.heat.append(HeatRange(start, PAGE_BYTES, bytes(heat), possible))
            at += count
        self.elsewhere_pages, self.elsewhere_hot = _elsewhere(found, starts, inside)

    def as_json(self) -> dict[str, int]:
        return {
            "pages": self.pages,
            "moved": self.moved,
            "elsewhere_pages": self.elsewhere_pages,
            "elsewhere_hot": self.elsewhere_hot,
        }


def _heat_at(found: list[HeatRange], starts: list[int], hva: int) -> int | None:
    """The heat of the page at an address; None where nobody looked. `starts`: of `found`."""
    number = bisect.bisect_right(starts, hva) - 1
    if number < 0:
        return None
    part = found[number]
    index = (hva - part.start) // part.page_bytes
    return part.heat[index] if index < len(part.heat) else None


def _elsewhere(found: list[HeatRange], starts: list[int], inside: set[int]) -> tuple[int, int]:
    pages = hot = 0
    for part in found:
        small = part.page_bytes // PAGE_BYTES
        pages += len(part.heat) * small
        hot += (len(part.heat) - part.heat.count(0)) * small
    for hva in inside:
        heat = _heat_at(found, starts, hva)
        if heat is not None:
            pages -= 1
            hot -= heat > 0
    return pages, hot
