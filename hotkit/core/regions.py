"""What region-based trackers record: snapshots, each a list of regions with an access count.

DAMON's own form (Documentation/mm/damon/design.rst), and the one into which the records of other
tools are read. Addresses in bytes, [start, end); times in ns of the recorder's clock. Kept in
columns: a record has millions of regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hotkit.core.record import Floats

Ints = NDArray[np.int64]
Addresses = NDArray[np.uint64]
Counts = NDArray[np.uint32]

# Of an age that was not recorded.
NO_AGE = -1


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Target:
    """Whose memory: a DAMON target (`kind` "target") by its number, or a process ("pid").

    `scheme` is the DAMOS scheme that recorded it; -1 where none did. The default sorts first.
    """

    kdamond: int = 0
    context: int = 0
    scheme: int = -1
    kind: str = "target"
    number: int = 0

    def __str__(self) -> str:
        words = [f"{self.kind} {self.number}"]
        if self.scheme >= 0:
            words.insert(0, f"scheme {self.scheme}")
        if self.context:
            words.insert(0, f"context {self.context}")
        if self.kdamond:
            words.insert(0, f"kdamond {self.kdamond}")
        return ", ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """DAMON's intervals as they were asked for, in microseconds; `goal` of their tuning, if any.

    The goal is (access_bp, aggrs, min_sample_us, max_sample_us); tuning keeps aggr / sample.
    """

    sample_us: float
    aggr_us: float
    update_us: float = 1_000_000
    goal: tuple[float, float, float, float] | None = None

    @property
    def checks(self) -> float:
        """How often a region is checked in an aggregation interval."""
        return self.aggr_us / self.sample_us


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionSnapshots:
    """All snapshots of one target, in order of their end. Region i of snapshot s: first[s] + i.

    `accesses` are out of `full[s]`, which makes a share of 1; where `relative`, nobody told what
    that is and it is the most that was seen. `sample_us` and `aggr_us` are those of the snapshot
    (tuning changes them), NaN where not known. `age` is in aggregation intervals, NO_AGE where not
    recorded. `passed`: bytes of each region that passed the scheme's filters, where recorded.
    `lost` counts regions that were there and are not in the file.
    """

    target: Target
    since_ns: Ints
    at_ns: Ints
    sample_us: Floats
    aggr_us: Floats
    full: Floats
    first: Ints
    start: Addresses
    end: Addresses
    accesses: Counts
    age: Ints
    relative: bool = False
    intervals: Intervals | None = None
    passed: Addresses | None = None
    lost: int = 0

    def __post_init__(self) -> None:
        number, regions = len(self.at_ns), len(self.start)
        times = (self.since_ns, self.sample_us, self.aggr_us, self.full)
        if number < 1 or any(len(column) != number for column in times):
            raise ValueError("a record has at least one snapshot, and each has its times")
        if len(self.first) != number + 1 or self.first[0] != 0 or self.first[-1] != regions:
            raise ValueError("the snapshots do not hold all regions")
        if any(len(column) != regions for column in (self.end, self.accesses, self.age)):
            raise ValueError("each region has an end, accesses and an age")
        if (self.end <= self.start).any():
            raise ValueError("a region ends behind its start")

    @property
    def snapshots(self) -> int:
        return len(self.at_ns)

    @property
    def regions(self) -> int:
        return len(self.start)

    @property
    def duration_s(self) -> float:
        return float(self.at_ns[-1] - self.since_ns.min()) / 1e9

    @property
    def sizes(self) -> Addresses:
        return self.end - self.start

    @property
    def snapshot_of(self) -> Ints:
        """The snapshot that each region belongs to."""
        return np.repeat(np.arange(self.snapshots), np.diff(self.first))

    @property
    def most_hz(self) -> float | None:
        """How often a second an access can be found at most: one per check. None if not known."""
        known = self.sample_us[self.sample_us > 0]
        return 1e6 / float(known.min()) if len(known) else None


def shares(record: RegionSnapshots) -> Floats:
    """Per region: the share of the checks that found it accessed, 0 to 1."""
    full = record.full[record.snapshot_of]
    return np.minimum(record.accesses / full, 1.0)


def accessed_bytes(record: RegionSnapshots, at_least: int = 1) -> Ints:
    """Per snapshot: bytes of the regions with so many accesses or more; damo's working set."""
    size = np.where(record.accesses >= at_least, record.sizes, np.uint64(0))
    before = np.concatenate([np.zeros(1, np.uint64), np.cumsum(size, dtype=np.uint64)])
    found: Ints = np.diff(before[record.first]).astype(np.int64)
    return found


def frequency_hz(record: RegionSnapshots) -> Floats:
    """Per region: accesses found a second; NaN where the aggregation interval is not known."""
    seconds = record.aggr_us[record.snapshot_of] / 1e6
    found = np.full(record.regions, np.nan)
    np.divide(record.accesses, seconds, out=found, where=seconds > 0)
    return found


def pieces(record: RegionSnapshots, most: int) -> list[tuple[int, int]]:
    """The memory that regions were in, [start, end) each; gaps are bridged, the smallest first,
    until there are at most `most` ranges."""
    if not record.regions:
        return []
    order = np.argsort(record.start, kind="stable")
    start = record.start[order]
    end = np.maximum.accumulate(record.end[order])
    apart = np.flatnonzero(start[1:] > end[:-1])
    gaps = start[apart + 1] - end[apart]
    if len(gaps) >= most:
        # Of equal gaps the first ones are bridged.
        kept = np.argsort(gaps, kind="stable")[len(gaps) - most + 1 :]
        apart = apart[np.sort(kept)]
    begins = [int(start[0]), *(int(start[i + 1]) for i in apart)]
    ends = [*(int(end[i]) for i in apart), int(end[-1])]
    return list(zip(begins, ends, strict=True))


def merged(parts: Sequence[RegionSnapshots]) -> RegionSnapshots:
    """The snapshots of one target that stood in several places, by the time of their end."""
    if len(parts) == 1:
        return parts[0]
    at = np.concatenate([part.at_ns for part in parts])
    order = np.argsort(at, kind="stable")
    sizes = np.concatenate([np.diff(part.first) for part in parts])
    first = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.concatenate([np.arange(first[i], first[i + 1]) for i in order]).astype(np.int64)

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    columns: dict[str, Any] = {name: column(name)[order] for name in SNAPSHOT_COLUMNS}
    columns |= {name: column(name)[rows] for name in REGION_COLUMNS}
    passed = None
    if all(part.passed is not None for part in parts):
        passed = column("passed")[rows]
    return RegionSnapshots(
        target=parts[0].target,
        **columns,
        first=np.concatenate([[0], np.cumsum(sizes[order])]),
        relative=any(part.relative for part in parts),
        intervals=parts[0].intervals,
        passed=passed,
        lost=sum(part.lost for part in parts),
    )


# What a snapshot has once, and what it has per region.
SNAPSHOT_COLUMNS = ("since_ns", "at_ns", "sample_us", "aggr_us", "full")
REGION_COLUMNS = ("start", "end", "accesses", "age")
