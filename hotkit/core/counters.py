"""Counters that moved: what the kernel counted with a tracker on, against the off runs beside it.

Shows where to look, proves nothing: a machine has a hundred counters, and at 95 % five of those
move by chance. Units: what the counter counts, per run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hotkit.core.analysis import RunResult
from hotkit.core.deltas import Deltas
from hotkit.core.design import OFF
from hotkit.core.distributions import t_quantile
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
    beside = _OffMeans.of(off)
    return {
        arm: _moved([run for run in members if run.block in off], beside)[:most]
        for arm, members in on.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _OffMeans:
    """The counters that all off runs have: their mean in each block, a row per block.

    `moves` has the columns that are not 0 in every run: those of most counters are.
    """

    names: Sequence[str]
    row_of: Mapping[int, int]
    table: Array
    moves: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, off: Mapping[int, Sequence[RunResult]]) -> _OffMeans:
        runs = [run for members in off.values() for run in members]
        names = _names_of_all(runs)
        sizes = np.array([len(members) for members in off.values()])
        # A block's runs follow one another.
        begins = np.cumsum(sizes) - sizes
        counted = _table(runs, names)
        moves = np.asarray(counted.any(axis=0))
        table = np.zeros((len(off), len(names)))
        if moves.any():
            table[:, moves] = np.add.reduceat(counted[:, moves], begins) / sizes[:, None]
        return cls(
            names=names,
            row_of={block: row for row, block in enumerate(off)},
            table=table,
            moves=moves,
        )


def _moved(on: Sequence[RunResult], off: _OffMeans) -> tuple[CounterChange, ...]:
    n = len(on)
    if n < 2:
        return ()
    names = _names_of_all(on, off.names)
    counted = _table(on, names)
    columns = np.array([off.names.index(name) for name in names], dtype=int)
    moves = counted.any(axis=0) | off.moves[columns]
    if not moves.any():
        return ()
    names = [name for name, moved in zip(names, moves, strict=True) if moved]
    with_tracker = counted[:, moves]
    without = off.table[np.ix_([off.row_of[run.block] for run in on], columns[moves])]
    change = with_tracker - without
    mean = change.mean(axis=0)
    half = t_quantile(0.5 + CONFIDENCE / 2, n - 1) * change.std(axis=0, ddof=1) / np.sqrt(n)
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


def _names_of_all(runs: Sequence[RunResult], among: Sequence[str] | None = None) -> list[str]:
    """The counters that every run has (of those `among`), in the order of the first one."""
    if not runs:
        return []
    # Packed ones share a tuple of names, so that 100,000 runs have one or two to look at.
    packed = [run.deltas for run in runs if isinstance(run.deltas, Deltas)]
    kinds = [*{id(deltas.names): deltas.names for deltas in packed}.values()]
    kinds += {tuple(run.deltas) for run in runs if not isinstance(run.deltas, Deltas)}
    names = list(runs[0].deltas if among is None else among)
    for kind in kinds:
        names = [name for name in names if name in kind]
    return names


def _table(runs: Sequence[RunResult], names: Sequence[str]) -> npt.NDArray[Any]:
    """One row per run, one column per name."""
    packed = [run.deltas for run in runs if isinstance(run.deltas, Deltas)]
    alike = {id(deltas.names): deltas.names for deltas in packed}
    if len(packed) == len(runs) and list(alike.values()) == [tuple(names)]:
        rows = b"".join([deltas.packed for deltas in packed])
        return np.frombuffer(rows, dtype=np.int64).reshape(len(runs), len(names))
    rows_of = [[run.deltas[name] for name in names] for run in runs]
    return np.array(rows_of, dtype=float).reshape(len(runs), len(names))
