"""A recording: which part of each bin of memory a tracker found accessed, over time.

Addresses in bytes, times in ns of the measured machine's CLOCK_MONOTONIC_RAW, shares from 0 to 1.
NaN means that nobody looked: it is never taken for cold. What is summed over bins or steps is
weighted by bytes and by duration, since the last bin of a range and a late round differ in size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A bin counts as hot from this share on, unless the caller says otherwise.
HOT_SHARE = 0.5
PERCENTILES = (0, 25, 50, 75, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Ground truth: from `since_ns` on the workload's hot range is where this says."""

    since_ns: int
    hot_start: int
    hot_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HotRange:
    """Adjacent hot bins [start, end); `share` is their mean over bytes and time."""

    start: int
    end: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """`share[bin, step]` was found accessed between `since_ns[step]` and `at_ns[step]`.

    `bins` are [start, end), in address order; where one does not begin at the end of the one
    before, there is a gap. Steps are in order of time and at least one.
    """

    bins: tuple[tuple[int, int], ...]
    since_ns: NDArray[np.int64]
    at_ns: NDArray[np.int64]
    share: Floats
    phases: tuple[Phase, ...] = ()

    def __post_init__(self) -> None:
        if not self.bins or not len(self.at_ns):
            raise ValueError("a recording has at least one bin and one step")
        if self.share.shape != (len(self.bins), len(self.at_ns)):
            raise ValueError(
                f"{self.share.shape} shares for {len(self.bins)} bins and {len(self.at_ns)} steps"
            )

    @property
    def steps(self) -> int:
        return len(self.at_ns)

    @property
    def bin_bytes(self) -> Floats:
        return np.array([end - start for start, end in self.bins], dtype=np.float64)

    @property
    def size_bytes(self) -> int:
        return sum(end - start for start, end in self.bins)

    @property
    def step_s(self) -> Floats:
        return (self.at_ns - self.since_ns) / 1e9

    @property
    def duration_s(self) -> float:
        return float(self.at_ns[-1] - self.since_ns[0]) / 1e9

    @property
    def looked_fraction(self) -> float:
        """Which part of memory and time was looked at, 0 to 1."""
        looked = ~np.isnan(self.share)
        weights = np.outer(self.bin_bytes, self.step_s)
        whole = float(weights.sum())
        return float((weights * looked).sum()) / whole if whole else float(looked.mean())

    @property
    def heat_seen(self) -> bool:
        """Whether anything was found accessed at all."""
        return bool(np.nansum(self.share) > 0)


def cut(ranges: Sequence[Sequence[int]], bin_bytes: int) -> tuple[tuple[int, int], ...]:
    """Ranges [start, end) in bins of that size; the last bin of a range may be shorter."""
    return tuple(
        (start, min(start + bin_bytes, end))
        for begin, end in ranges
        for start in range(begin, end, bin_bytes)
    )


def truth(recording: Recording) -> Floats:
    """Which part of each bin lies in the hot range, per step; NaN where no phase is known.

    A step belongs to the phase that is in force at its middle.
    """
    found = np.full(recording.share.shape, np.nan)
    middle = (recording.since_ns + recording.at_ns) / 2
    low, high = np.array(recording.bins, dtype=np.float64).T
    # The last one that has begun counts; the first one also counts before it began: its memory is
    # what the workload was made with.
    for number, phase in enumerate(sorted(recording.phases, key=lambda phase: phase.since_ns)):
        columns = middle >= phase.since_ns if number else np.full(recording.steps, True)
        inside = np.minimum(high, phase.hot_start + phase.hot_bytes)
        inside = np.maximum(inside - np.maximum(low, phase.hot_start), 0)
        found[:, columns] = (inside / recording.bin_bytes)[:, None]
    return found


def working_set(recording: Recording) -> Floats:
    """Bytes found accessed in each step, as far as was looked at; NaN where nothing was."""
    looked = ~np.isnan(recording.share)
    size = (np.nan_to_num(recording.share) * recording.bin_bytes[:, None]).sum(axis=0)
    return np.where(looked.any(axis=0), size, np.nan)


def working_set_percentiles(
    recording: Recording, wanted: Sequence[int] = PERCENTILES
) -> dict[int, float]:
    """Percentile over the steps -> bytes. Empty when no step was looked at."""
    sizes = working_set(recording)
    sizes = sizes[~np.isnan(sizes)]
    if not len(sizes):
        return {}
    return {
        key: float(value) for key, value in zip(wanted, np.percentile(sizes, wanted), strict=True)
    }


def mean_share(recording: Recording) -> Floats:
    """Per bin, over the time in which it was looked at; NaN for one that never was."""
    return _mean(recording.share.T, recording.step_s)


def hot_ranges(recording: Recording, at_least: float = HOT_SHARE) -> tuple[HotRange, ...]:
    """Adjacent bins whose mean share is at least `at_least`, put together, in address order."""
    found: list[HotRange] = []
    for (start, end), share in zip(recording.bins, mean_share(recording), strict=True):
        if not share >= at_least:  # NaN is not hot
            continue
        last = found[-1] if found else None
        if last is None or last.end != start:
            found.append(HotRange(start=start, end=end, share=float(share)))
            continue
        before, size = last.end - last.start, end - start
        mean = (last.share * before + float(share) * size) / (before + size)
        found[-1] = HotRange(start=last.start, end=end, share=mean)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Agreement:
    """Per step, 0 to 1, by bytes of the bins that were looked at; NaN where undefined.

    `found`: which part of the truly hot memory lies in bins called hot. `right`: which part of the
    bins called hot is truly hot. `inside` and `outside`: the share accessed of what is truly hot
    and of the rest; they need no threshold, and equal ones mean that the tracker tells nothing.
    """

    found: Floats
    right: Floats
    inside: Floats
    outside: Floats


def agreement(recording: Recording, at_least: float = HOT_SHARE) -> Agreement | None:
    """What was seen against the ground truth, step by step; None when there is none."""
    if not recording.phases:
        return None
    size = recording.bin_bytes[:, None]
    hot = truth(recording) * size
    looked = ~np.isnan(recording.share)
    hot = np.where(looked, hot, 0.0)
    cold = np.where(looked, size - hot, 0.0)
    called = looked & (np.nan_to_num(recording.share) >= at_least)
    share = np.nan_to_num(recording.share)
    return Agreement(
        found=_ratio((hot * called).sum(axis=0), hot.sum(axis=0)),
        right=_ratio((hot * called).sum(axis=0), (size * called).sum(axis=0)),
        inside=_ratio((hot * share).sum(axis=0), hot.sum(axis=0)),
        outside=_ratio((cold * share).sum(axis=0), cold.sum(axis=0)),
    )


def noticed_s(
    recording: Recording, at_least: float = HOT_SHARE, found_share: float = 0.5
) -> tuple[float | None, ...]:
    """For each move of the hot set, the seconds until the tracker had noticed it.

    Noticed: the end of the first step, begun after the move, in which `found_share` of the new hot
    memory lies in bins called hot. None when that did not happen before the next move or the end.
    """
    seen = agreement(recording, at_least)
    if seen is None:
        return ()
    phases = sorted(recording.phases, key=lambda phase: phase.since_ns)
    ends = [phase.since_ns for phase in phases[1:]] + [int(recording.at_ns[-1])]
    times: list[float | None] = []
    for phase, end in list(zip(phases, ends, strict=True))[1:]:
        within = (recording.since_ns >= phase.since_ns) & (recording.at_ns <= end)
        steps = np.flatnonzero(within & (np.nan_to_num(seen.found) >= found_share))
        first = recording.at_ns[steps[0]] - phase.since_ns if len(steps) else None
        times.append(None if first is None else float(first) / 1e9)
    return tuple(times)


def over_time(values: Floats, recording: Recording) -> float:
    """The mean of a value per step, weighted by duration; NaN when it is defined nowhere."""
    return float(_mean(values[:, None], recording.step_s)[0])


def grid(
    recording: Recording,
    values: Floats,
    *,
    rows: int,
    columns: int,
    until_ns: int | None = None,
) -> Floats:
    """`values[bin, step]` (its shares or its truth) as a picture of rows x columns.

    Each cell is the mean over the bytes and the time that it covers; NaN where nothing was looked
    at. Addresses grow downwards, without the gaps between ranges. Time runs from the first step
    to `until_ns` (the end of the last step): what lies behind that end is NaN.
    """
    edges = np.concatenate([[0.0], np.cumsum(recording.bin_bytes)])
    down = _overlap(edges[:-1], edges[1:], np.linspace(0, edges[-1], rows + 1))
    begin = int(recording.since_ns[0])
    # Relative to the start: a float cannot hold ns since boot after some months.
    end = max(1, (until_ns or int(recording.at_ns[-1])) - begin)
    across = _overlap(
        (recording.since_ns - begin).astype(np.float64),
        (recording.at_ns - begin).astype(np.float64),
        np.linspace(0, end, columns + 1),
    )
    looked = ~np.isnan(values)
    weight = down.T @ looked @ across
    return _ratio(down.T @ np.nan_to_num(values) @ across, weight)


def address_at(recording: Recording, offset_bytes: float) -> int:
    """The address that many bytes into the recorded memory, gaps between ranges left out."""
    left = int(offset_bytes)
    for start, end in recording.bins:
        if left < end - start:
            return start + left
        left -= end - start
    return recording.bins[-1][1]


def pieces(recording: Recording) -> list[tuple[int, int]]:
    """The recorded memory without its cuts into bins: [start, end) of each connected range."""
    found: list[tuple[int, int]] = []
    for start, end in recording.bins:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _overlap(starts: Floats, ends: Floats, edges: Floats) -> Floats:
    """[i, j]: how much of [starts[i], ends[i]) lies in [edges[j], edges[j + 1])."""
    low = np.maximum(starts[:, None], edges[None, :-1])
    high = np.minimum(ends[:, None], edges[None, 1:])
    overlap: Floats = np.maximum(high - low, 0)
    return overlap


def _mean(values: Floats, weights: Floats) -> Floats:
    """Weighted mean over the first axis, without NaN."""
    weight = np.where(np.isnan(values), 0.0, weights[:, None])
    return _ratio((np.nan_to_num(values) * weight).sum(axis=0), weight.sum(axis=0))


def _ratio(above: Floats, below: Floats) -> Floats:
    """above / below, NaN where there is nothing to divide by."""
    found = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=found, where=below > 0)
    return found
