"""Rows of regions, one after another as a tracer saw them -> snapshots.

A snapshot's regions come in the order of their addresses and at about one time, so one ends where
the address goes back, where the number of regions is another, or where time has passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hotkit.core.regions import Intervals, RegionSnapshots, Target

_COUNT_MAX = (1 << 32) - 1


@dataclass(slots=True)
class Rows:
    """Rows in order of time, in pieces: time in ns, regions of the snapshot (0: not told), start,
    end, accesses, age."""

    parts: list[tuple[NDArray[Any], ...]] = field(default_factory=list)

    def add(self, *columns: NDArray[Any]) -> None:
        if len(columns[0]):
            self.parts.append(columns)


def snapshots_of(
    target: Target,
    rows: Rows,
    known: Intervals | None,
    tuned: Sequence[tuple[int, float]] = (),
    *,
    made_up_ns: int | None = None,
) -> RegionSnapshots:
    """The snapshots of one target. Only their ends are known: each begins where the one before it
    ended, and the first took as long as they do usually, a single one as long as one that is made
    up behind it and ends at `made_up_ns`.

    `tuned` are times and the sampling interval from then on. At least one row is needed.
    """
    times, count, start, end, accesses, age = (
        np.concatenate(column) for column in zip(*rows.parts, strict=True)
    )
    if (np.diff(times) < 0).any():
        order = np.argsort(times, kind="stable")
        times, count, start, end, accesses, age = (
            one[order] for one in (times, count, start, end, accesses, age)
        )
    first = _borders(times, count, start, end)
    at = times[first]
    lost = int(np.clip(count[first] - np.diff(np.append(first, len(times))), 0, None).sum())
    usual = int(np.median(np.diff(at))) if len(at) > 1 else 0
    if not usual and made_up_ns is not None:
        usual = max(0, made_up_ns - int(at[0]))
    usual = usual or round(1000 * known.aggr_us if known else 0)
    since = np.concatenate([[at[0] - usual], at[:-1]])
    sample_us = aggr_us = np.full(len(at), np.nan)
    full = np.full(len(at), max(1.0, float(accesses.max())))
    if known is not None:
        sample_us = np.full(len(at), known.sample_us)
        full = np.full(len(at), known.checks)
    if len(tuned):
        changes, values = zip(*sorted(tuned), strict=True)
        # The last one that came before the end of the snapshot.
        place = np.searchsorted(np.array(changes), at, side="right") - 1
        sample_us = np.where(place >= 0, np.array(values)[place], sample_us)
    if known is not None:
        aggr_us = sample_us * known.checks
    return RegionSnapshots(
        target=target,
        since_ns=since,
        at_ns=at,
        sample_us=sample_us,
        aggr_us=aggr_us,
        full=full,
        first=np.append(first, len(times)),
        start=start,
        end=end,
        accesses=np.clip(accesses, 0, _COUNT_MAX).astype(np.uint32),
        age=age,
        relative=known is None,
        intervals=known,
        lost=lost,
    )


def _borders(
    times: NDArray[Any],
    count: NDArray[Any],
    start: NDArray[Any],
    end: NDArray[Any],
) -> NDArray[Any]:
    """Where snapshots begin."""
    new = np.ones(len(times), dtype=bool)
    new[1:] = (start[1:] < end[:-1]) | (count[1:] != count[:-1])
    # A snapshot that has all of its regions is over, wherever the next address is.
    begins = np.flatnonzero(new)
    place = np.arange(len(times)) - np.repeat(begins, np.diff(np.append(begins, len(times))))
    new |= (count > 0) & (place % np.maximum(count, 1) == 0)
    # Where one lost its end and the next its beginning, the address does not go back.
    apart = np.diff(times[new])
    if len(apart):
        new[1:] |= np.diff(times) > np.median(apart) / 2
    return np.flatnonzero(new)
