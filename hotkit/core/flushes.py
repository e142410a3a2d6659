"""How often TLBs were flushed in the runs of each arm, by whom, and how long the runs took.

Whoever clears an A bit without a flush is blind to what stays in a TLB, and whoever flushes pays
for it: a table of both, arm by arm, is what comparisons of trackers in host and guest come down to.
Counters are those of a whole machine (of KVM: of all its VMs), so that the off runs stand beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hotkit.core.armcheck import GUEST
from hotkit.core.design import OFF, SCOPES
from hotkit.core.distributions import t_quantile
from hotkit.core.runresult import RunResult
from hotkit.core.stats import CONFIDENCE, Interval

_REMOTE = ("vmstat.nr_tlb_remote_flush",)
_LOCAL = ("vmstat.nr_tlb_local_flush_all", "vmstat.nr_tlb_local_flush_one")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushKind:
    """One column: the sum of these counters. `whose` is kvm, host or guest: who must count it."""

    key: str
    title: str
    whose: str
    counters: tuple[str, ...]


KINDS = (
    FlushKind(key="kvm_tlb_flush", title="kvm tlb_flush", whose="kvm",
              counters=("kvm.tlb_flush",)),
    FlushKind(key="kvm_remote_tlb_flush", title="kvm remote_tlb_flush", whose="kvm",
              counters=("kvm.remote_tlb_flush",)),
    FlushKind(key="host_remote", title="host remote", whose="host", counters=_REMOTE),
    FlushKind(key="host_local", title="host local", whose="host", counters=_LOCAL),
    FlushKind(key="guest_remote", title="guest remote", whose="guest",
              counters=tuple(GUEST + name for name in _REMOTE)),
    FlushKind(key="guest_local", title="guest local", whose="guest",
              counters=tuple(GUEST + name for name in _LOCAL)),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Mean and standard deviation over `runs` runs (None of a single one), and how it differs from
    off: the mean of (on - mean off) per block, with its 95 % interval by t over the blocks.

    `difference` is None of off itself; `interval` too where all blocks show the same.
    """

    runs: int
    mean: float
    sd: float | None
    difference: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushRow:
    """One arm. `flush` is the setting of that name, None of a tracker without it; `counts` has
    None for what nobody counted; `elapsed` is in seconds, None of an arm that is no result."""

    arm: str
    tracker: str
    scope: str
    flush: str | None
    counts: Mapping[str, Figure | None]
    elapsed: Figure | None
    errors: tuple[str, ...] = ()


def flush_rows(runs: Sequence[RunResult]) -> tuple[FlushRow, ...]:
    """A row per arm: off, then what ran in the guest, then what ran in the host.

    Of the blocks in which there is an off run, as counters.py takes them.
    """
    by_arm: dict[str, list[RunResult]] = {OFF: []}
    for run in runs:
        by_arm.setdefault(run.arm, []).append(run)
    off = by_arm.pop(OFF)
    blocks = {run.block for run in off}
    found = [
        _row(members, off)
        for arm in by_arm.values()
        if (members := [run for run in arm if run.block in blocks])
    ]
    found.sort(key=lambda row: SCOPES.index(row.scope) if row.scope else -1)
    return (*([_row(off, ())] if off else []), *found)


def counted_kinds(rows: Sequence[FlushRow]) -> list[FlushKind]:
    """The kinds that some arm has a count of."""
    return [kind for kind in KINDS if any(row.counts[kind.key] for row in rows)]


def _row(members: Sequence[RunResult], off: Sequence[RunResult]) -> FlushRow:
    first = members[0]
    errors = tuple(dict.fromkeys(error for run in members for error in run.errors))
    return FlushRow(
        arm=first.arm,
        tracker=first.tracker,
        scope=first.scope,
        flush=first.flush,
        counts={kind.key: _figure(_counted(members, kind), _counted(off, kind)) for kind in KINDS},
        elapsed=None
        if errors
        else _figure(
            [(run.block, run.duration) for run in members],
            [(run.block, run.duration) for run in off],
        ),
        errors=errors,
    )


def _counted(runs: Sequence[RunResult], kind: FlushKind) -> list[tuple[int, float]]:
    """(block, count) of the runs that have all of its counters."""
    return [
        (run.block, float(sum(run.deltas[name] for name in kind.counters)))
        for run in runs
        if all(name in run.deltas for name in kind.counters)
    ]


def _figure(on: Sequence[tuple[int, float]], off: Sequence[tuple[int, float]]) -> Figure | None:
    if not on:
        return None
    values = np.array([value for _, value in on])
    beside: dict[int, list[float]] = {}
    for block, value in off:
        beside.setdefault(block, []).append(value)
    changes = np.array(
        [value - sum(beside[block]) / len(beside[block]) for block, value in on if block in beside]
    )
    interval, n = None, len(changes)
    if n > 1 and (sd := float(changes.std(ddof=1))) > 0:
        half = t_quantile(0.5 + CONFIDENCE / 2, n - 1) * sd / np.sqrt(n)
        middle = float(changes.mean())
        interval = Interval(low=middle - float(half), high=middle + float(half))
    return Figure(
        runs=len(values),
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)) if len(values) > 1 else None,
        difference=float(changes.mean()) if n else None,
        interval=interval,
    )
