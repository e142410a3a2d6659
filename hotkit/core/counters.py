"""Counters that moved: what the kernel counted with a tracker on, against the off runs beside it.

Shows where to look, proves nothing: a machine has a hundred counters, and at 95 % five of those
move by chance. Units: what the counter counts, per run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats as sps

from hotkit.core.analysis import RunResult
from hotkit.core.deltas import Deltas
from hotkit.core.design import OFF
from hotkit.core.stats import CONFIDENCE, Array, Interval

MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterChange:
    """One counter in the runs of one arm: means per run with tracking on and off, over `blocks`.

    `change` is the mean of (on - mean off) per block with its paired t interval; the interval is
    None when every block shows the same change.
    """

    counter: str
    blocks: int
    on: float
    off: float
    change: float
    interval: Interval | None

    @property
    def unit(self) -> str:
        return unit_of(self.counter)


def unit_of(counter: str) -> str:
    """Told by the name's ending, as the agent names them: ns, us, bytes, else events."""
    ending = counter.rpartition("_")[2]
    return ending if ending in ("ns", "us", "bytes") else "events"


def counters_moved(
    runs: Sequence[RunResult], most: int = MOST
) -> dict[str, tuple[CounterChange, ...]]:
    """For each arm the counters whose 95 % paired interval excludes 0, the most telling first.

    In order of |on - off| / max(on, off): a counter that stands still without the tracker tells
    more than one that is always busy; among equals the larger change goes first. A counter that is
    not in every run of the comparison is left out. Arms without such a counter have an empty tuple.
    """
    off: dict[int, list[RunResult]] = {}
    on: dict[str, list[RunResult]] = {}
    for run in runs:
        if run.arm == OFF:
            off.setdefault(run.block, []).append(run)
        else:
            on.setdefault(run.arm, []).append(run)
    return {
        arm: _moved([run for run in members if run.block in off], off)[:most]
        for arm, members in on.items()
    }


def _moved(on: Sequence[RunResult], off: dict[int, list[RunResult]]) -> tuple[CounterChange, ...]:
    n = len(on)
    if n < 2:
        return ()
    beside = [off[run.block] for run in on]
    names = _names_of_all([*on, *(run for members in beside for run in members)])
    if not names:
        return ()
    with_tracker = _table(on, names)
    # The mean of each block's off runs: their rows follow one another.
    table = _table([run for members in beside for run in members], names)
    sizes = np.array([len(members) for members in beside])
    without = np.add.reduceat(table, np.cumsum(sizes) - sizes) / sizes[:, None]
    change = with_tracker - without
    mean = change.mean(axis=0)
    half = float(sps.t.ppf(0.5 + CONFIDENCE / 2, n - 1)) * change.std(axis=0, ddof=1) / np.sqrt(n)
    high, low = with_tracker.mean(axis=0), without.mean(axis=0)
    share: Array = np.abs(mean) / np.maximum(np.maximum(high, low), 1e-300)
    told = [place for place in range(len(names)) if abs(mean[place]) > half[place]]
    told.sort(key=lambda place: (-round(float(share[place]), 2), -abs(float(mean[place]))))
    return tuple(
        CounterChange(
            counter=names[place],
            blocks=n,
            on=float(high[place]),
            off=float(low[place]),
            change=float(mean[place]),
            interval=Interval(
                low=float(mean[place] - half[place]), high=float(mean[place] + half[place])
            )
            if half[place]
            else None,
        )
        for place in told
    )


def _names_of_all(runs: Sequence[RunResult]) -> list[str]:
    """The counters that every run has, in the order of the first one."""
    names = list(runs[0].deltas)
    for kind in {_names(run) for run in runs}:
        names = [name for name in names if name in kind]
    return names


def _names(run: RunResult) -> tuple[str, ...]:
    return run.deltas.names if isinstance(run.deltas, Deltas) else tuple(run.deltas)


def _table(runs: Sequence[RunResult], names: Sequence[str]) -> Array:
    """One row per run, one column per name."""
    wanted = tuple(names)
    packed = [run.deltas for run in runs if isinstance(run.deltas, Deltas)]
    if len(packed) == len(runs) and all(deltas.names == wanted for deltas in packed):
        rows = b"".join([deltas.values_in_order for deltas in packed])
        return np.frombuffer(rows, dtype=np.int64).reshape(len(runs), -1).astype(float)
    return np.array([[run.deltas[name] for name in names] for run in runs], dtype=float)
