"""Regions as a map of equal bins, and bins as regions: between RegionSnapshots and Recording."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hotkit.core.record import Floats, Recording, cut
from hotkit.core.regions import NO_AGE, Intervals, RegionSnapshots, Target, pieces
from hotkit.core.units import PAGE_BYTES

BINS, STEPS = 256, 1000
# Of a map's bins at most one in so many may be a range of its own.
_BINS_PER_RANGE = 4
# In how many checks a share is told to DAMON's tools: its resolution is a hundredth.
_CHECKS = 100


def recording_of(record: RegionSnapshots, *, bins: int = BINS, steps: int = STEPS) -> Recording:
    """The record as heat over address and time, in at most about `bins` bins and `steps` steps.

    A bin's share is the mean of those of its regions, weighted by bytes, a step's that of its
    snapshots, weighted by duration: where regions or snapshots overlap, nothing counts twice. What
    no region covers was not looked at. ValueError for a record without regions.
    """
    ranges = pieces(record, max(1, bins // _BINS_PER_RANGE))
    if not ranges:
        raise ValueError("there is no region in it")
    size = sum(end - start for start, end in ranges)
    bin_bytes = max(1, -(-size // (bins * PAGE_BYTES))) * PAGE_BYTES
    cuts = cut(ranges, bin_bytes)
    group = max(1, -(-record.snapshots // steps))
    columns = -(-record.snapshots // group)
    heat = np.zeros((columns, len(cuts)))
    looked = np.zeros((columns, len(cuts)))
    base = ranges[0][0]
    edges = np.array([(float(a - base), float(b - base)) for a, b in cuts])
    # Of a snapshot of which nobody knows how long it took there is still something to be seen.
    since_ns = np.minimum(record.since_ns, record.at_ns - 1)
    weights = record.at_ns - since_ns
    for number in range(record.snapshots):
        part = slice(record.first[number], record.first[number + 1])
        if part.start == part.stop:
            continue
        low, high = (
            (edge[part] - np.uint64(base)).astype(np.float64) for edge in (record.start, record.end)
        )
        share = np.minimum(record.accesses[part] / record.full[number], 1.0)
        low, high, share = _disjoint(low, high, share)
        step = number // group
        heat[step] += weights[number] * _within(low, high, share * (high - low), edges)
        looked[step] += weights[number] * _within(low, high, high - low, edges)
    share = np.full(heat.shape, np.nan)
    np.divide(heat, looked, out=share, where=looked > 0)
    begin = np.arange(0, record.snapshots, group)
    last = np.minimum(begin + group, record.snapshots) - 1
    return Recording(
        bins=cuts,
        since_ns=since_ns[begin],
        at_ns=record.at_ns[last],
        # What the sums above round is not to decide whether a bin is hot.
        share=np.round(share, 12).T,
    )


def _within(low: Floats, high: Floats, mass: Floats, edges: Floats) -> Floats:
    """How much of the mass, spread evenly over [low, high), lies in each of the bins `edges`."""
    ends = np.cumsum(mass)
    places = np.empty(2 * len(low))
    places[0::2], places[1::2] = low, high
    sums = np.empty(2 * len(low))
    # Where a region begins is the very sum at which the one before ends, so that none is negative.
    sums[0], sums[2::2], sums[1::2] = 0, ends[:-1], ends
    found: Floats = np.interp(edges[:, 1], places, sums) - np.interp(edges[:, 0], places, sums)
    return found


def _disjoint(low: Floats, high: Floats, share: Floats) -> tuple[Floats, Floats, Floats]:
    """The same in order of address; where regions overlap, their mean."""
    if bool((low[1:] >= high[:-1]).all()):
        return low, high, share
    places = np.unique(np.concatenate([low, high]))
    begin, end = np.searchsorted(places, low), np.searchsorted(places, high)
    total, count = np.zeros(len(places) - 1), np.zeros(len(places) - 1)
    for first, last, value in zip(begin, end, share, strict=True):
        total[first:last] += value
        count[first:last] += 1
    there = count > 0
    return places[:-1][there], places[1:][there], total[there] / count[there]


def regions_of(recording: Recording, target: Target | None = None) -> RegionSnapshots:
    """A recording as DAMON would tell it: a snapshot per step, adjacent bins of one share a region.

    A share becomes accesses out of 100 checks; what is not 0 stays so. What nobody looked at is in
    no region.
    """
    took_us = (recording.at_ns - recording.since_ns) / 1000
    # Whole microseconds, as DAMON's are.
    sample_us = np.maximum(np.round(took_us / _CHECKS), 1.0)
    low, high = np.array(recording.bins, dtype=np.uint64).T
    start, end, accesses, first = [], [], [], [0]
    for step in range(recording.steps):
        share = recording.share[:, step]
        looked = ~np.isnan(share)
        count = np.maximum(np.ceil(share * _CHECKS - 0.5), share > 0)
        new = _runs(low, high, count)
        last = np.append(new[1:], len(low)) - 1
        there = looked[new]
        start.append(low[new][there])
        end.append(high[last][there])
        accesses.append(count[new][there])
        first.append(first[-1] + int(there.sum()))
    regions = first[-1]
    usual = float(np.round(np.median(sample_us)))
    return RegionSnapshots(
        target=target or Target(),
        since_ns=recording.since_ns,
        at_ns=recording.at_ns,
        sample_us=sample_us,
        aggr_us=sample_us * _CHECKS,
        full=np.full(recording.steps, float(_CHECKS)),
        first=np.array(first),
        start=np.concatenate(start),
        end=np.concatenate(end),
        accesses=np.concatenate(accesses).astype(np.uint32),
        age=np.full(regions, NO_AGE),
        intervals=Intervals(sample_us=usual, aggr_us=usual * _CHECKS),
    )


def _runs(low: NDArray[np.uint64], high: NDArray[np.uint64], count: Floats) -> NDArray[np.int64]:
    """Where a bin begins another region than the one before it."""
    other = (count[1:] != count[:-1]) | (low[1:] != high[:-1])
    return np.flatnonzero(np.concatenate([[True], other]))
