"""From the runs of a sweep to its figures: blocks, A/A verdict, overhead per sample of each arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hotkit.core.accuracy import Accuracy, mean_accuracy
from hotkit.core.design import OFF, OFF_RUNS_PER_BLOCK, Setting
from hotkit.core.doubts import A_A_LEVEL as A_A_LEVEL
from hotkit.core.doubts import doubts
from hotkit.core.inguest import InGuest, VmOver, clock_check, facts_over, steal_of, vm_over
from hotkit.core.reruns import Rerun, SessionGates
from hotkit.core.runresult import RunResult as RunResult
from hotkit.core.stats import (
    Array,
    Difference,
    Ratio,
    blocks_needed,
    difference,
    noise_of_a_pair,
    ratio,
    smallest_effect,
)
from hotkit.core.stats_compare import Equivalence, equivalence, holm
from hotkit.core.stats_dose import DoseResponse, dose_response
from hotkit.core.stats_session import Drift, drift, far_blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class PerSample:
    """Overhead in seconds per sample of one unit, differential beside direct."""

    unit: str
    samples: int
    differential: Ratio
    direct: float | None
    mde: float | None

    @property
    def undefined(self) -> str | None:
        return self.differential.undefined


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutFar:
    """The figures of an arm without the blocks that OUTLIER_RULE flags: beside, never instead."""

    blocks: tuple[int, ...]
    slowdown: Ratio
    per_examined: Ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """One on arm against off. `slowdown` is a fraction (0.01 = 1 %); the rest is in seconds.

    `p_holm` is the paired t's p-value corrected for the arms that have figures; `equivalence` says
    equivalent, different or inconclusive; `without_far` is None when no block is far from the rest.
    `scope` is "" when the workload is in no guest; `facts` says by name how the tracker worked.
    `unseen_blocks` are those whose run examined nothing though runs of other blocks did.
    """

    arm: str
    tracker: str
    runs: int
    overhead: Difference
    slowdown: Ratio
    per_examined: PerSample
    per_positive: PerSample
    mde_fraction: float | None
    blocks_needed: int | None
    accuracy: Accuracy | None
    errors: tuple[str, ...]
    p_holm: float | None = None
    equivalence: Equivalence | None = None
    without_far: WithoutFar | None = None
    unseen_blocks: tuple[int, ...] = ()
    scope: str = ""
    vm: VmOver | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def undefined(self) -> str | None:
        """Why the arm has no figure, if so."""
        if self.errors:
            return f"no result: {self.errors[0]}"
        return self.slowdown.undefined or self.per_examined.undefined


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerDose:
    """Fixed and per-sample cost of a tracker, from arms that differ in numbers only."""

    tracker: str
    unit: str
    arms: tuple[str, ...]
    response: DoseResponse
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """All figures of one session on one host. `untrusted` holds one sentence per reason.

    `reruns`: attempts at blocks that do not count; `gates` is None when none were looked at, and
    `in_guest` when the workload was in no guest.
    """

    blocks: int
    incomplete_blocks: tuple[int, ...]
    a_a: Difference
    off_mean: float
    sesoi_fraction: float
    arms: tuple[ArmResult, ...]
    untrusted: tuple[str, ...]
    drift: Drift
    doses: tuple[TrackerDose, ...]
    reruns: tuple[Rerun, ...] = ()
    gates: SessionGates | None = None
    in_guest: InGuest | None = None

    @property
    def trusted(self) -> bool:
        return not self.untrusted

    @property
    def defined(self) -> bool:
        return all(arm.undefined is None for arm in self.arms)


def analyse(
    runs: Sequence[RunResult],
    *,
    blocks: int,
    sesoi_fraction: float,
    settings: Mapping[str, Mapping[str, Setting]] | None = None,
    reruns: Sequence[Rerun] = (),
    gates: SessionGates | None = None,
) -> Analysis:
    """The figures of all complete blocks; `blocks` is the number that was planned.

    A block counts when both off runs and every on arm are there. `sesoi_fraction` is the smallest
    effect of interest as a fraction of the off time; `settings` are those of each arm, by its name.
    `runs` are those that count: none of an attempt that is in `reruns` is among them.
    Raises ValueError without a complete block.
    """
    arms = list(dict.fromkeys(run.arm for run in runs if run.arm != OFF))
    by_block = _whole_blocks(runs, arms)
    # In the order of the session, whatever the order of the journal: the drift is a line over it.
    whole = [by_block[number] for number in sorted(by_block)]
    incomplete = tuple(number for number in range(blocks) if number not in by_block)
    if not whole or not arms:
        raise ValueError("no block is complete: nothing to compare")
    off = np.array([[members[twin].duration for twin in (0, 1)] for members in whole])
    a_a = difference(off[:, 0] - off[:, 1])
    level = off.mean(axis=1)
    on = {arm: [members[arm] for members in whole] for arm in arms}
    results = [_arm(on[arm], level, a_a, sesoi_fraction) for arm in arms]
    return Analysis(
        blocks=len(whole),
        incomplete_blocks=incomplete,
        a_a=a_a,
        off_mean=float(off.mean()),
        sesoi_fraction=sesoi_fraction,
        arms=_answered(results, on, level, sesoi_fraction),
        untrusted=doubts(runs, len(whole), incomplete, a_a, reruns),
        drift=drift(level),
        doses=_doses([on[arm.arm] for arm in results if not arm.errors], level, settings or {}),
        reruns=tuple(reruns),
        gates=gates,
        in_guest=_in_guest(runs) if any(arm.scope for arm in results) else None,
    )


def _in_guest(runs: Sequence[RunResult]) -> InGuest:
    stolen = [(run.arm, run.deltas["guest.steal_ns"]) for run in runs
              if "guest.steal_ns" in run.deltas]  # fmt: skip
    return InGuest(
        clocks=clock_check([run.clocks for run in runs if run.clocks]),
        steal=steal_of(stolen),
    )


def _whole_blocks(
    runs: Sequence[RunResult], arms: Sequence[str]
) -> dict[int, dict[str | int | None, RunResult]]:
    """The blocks of which every run is there, once: off runs by their twin, others by their arm."""
    wanted = {*range(OFF_RUNS_PER_BLOCK), *arms}
    found: dict[int, dict[str | int | None, RunResult]] = {}
    doubled = set()
    for run in runs:
        members = found.setdefault(run.block, {})
        place = run.twin if run.arm == OFF else run.arm
        if place in members:
            doubled.add(run.block)
        members[place] = run
    return {
        block: members
        for block, members in found.items()
        if members.keys() == wanted and block not in doubled
    }


def _arm(on: Sequence[RunResult], off: Array, a_a: Difference, sesoi_fraction: float) -> ArmResult:
    times = np.array([run.duration for run in on])
    extra = times - off
    n = len(on)
    noise = noise_of_a_pair(a_a.sd)
    mde = smallest_effect(noise, n) if n >= 2 and noise > 0 else None
    overhead = difference(extra)
    direct = sum(run.self_cpu for run in on)

    def per(unit: str, counts: Sequence[int]) -> PerSample:
        total = sum(counts)
        return PerSample(
            unit=unit,
            samples=total,
            differential=ratio(extra, [float(count) for count in counts]),
            direct=direct / total if total else None,
            mde=mde * n / total if mde is not None and total else None,
        )

    units = on[0].units
    return ArmResult(
        arm=on[0].arm,
        tracker=on[0].tracker,
        runs=n,
        overhead=overhead,
        slowdown=ratio(extra, off),
        per_examined=per(units.get("examined", "sample"), [run.examined for run in on]),
        per_positive=per(units.get("positive", "sample"), [run.positive for run in on]),
        mde_fraction=mde / float(off.mean()) if mde is not None else None,
        blocks_needed=blocks_needed(overhead.sd, sesoi_fraction * float(off.mean())),
        accuracy=mean_accuracy([run.accuracy for run in on if run.accuracy]),
        errors=tuple(dict.fromkeys(error for run in on for error in run.errors)),
        without_far=_without_far(on, extra, off),
        unseen_blocks=_unseen(on),
        scope=on[0].scope,
        vm=vm_over([run.vm for run in on if run.vm]),
        facts=facts_over([run.facts for run in on if run.facts]),
    )


def _unseen(on: Sequence[RunResult]) -> tuple[int, ...]:
    unseen = tuple(run.block for run in on if not run.examined)
    return unseen if len(unseen) < len(on) else ()


def _without_far(on: Sequence[RunResult], extra: Array, off: Array) -> WithoutFar | None:
    far = far_blocks(extra)
    if not far:
        return None
    samples = np.array([float(run.examined) for run in on])
    extra, off, samples = (np.delete(values, far) for values in (extra, off, samples))
    return WithoutFar(
        blocks=tuple(on[place].block for place in far),
        slowdown=ratio(extra, off, cross_check=False),
        per_examined=ratio(extra, samples, cross_check=False),
    )


def _answered(
    arms: Sequence[ArmResult],
    on: Mapping[str, Sequence[RunResult]],
    off: Array,
    sesoi_fraction: float,
) -> tuple[ArmResult, ...]:
    """The arms with what needs all of them: an arm that is no result is no member of the family."""
    adjusted = holm([None if arm.errors else arm.overhead.p_t for arm in arms])
    return tuple(
        replace(
            arm,
            p_holm=p,
            equivalence=equivalence(
                np.array([run.duration for run in on[arm.arm]]) - off,
                off,
                margin=sesoi_fraction,
                p_different=p,
            ),
        )
        for arm, p in zip(arms, adjusted, strict=True)
    )


def _doses(
    arms: Sequence[Sequence[RunResult]],
    off: Array,
    settings: Mapping[str, Mapping[str, Setting]],
) -> tuple[TrackerDose, ...]:
    """One entry per tracker that has several arms with one unit of what is examined.

    Settings that are numbers (an interval, a period) are doses. A word or a yes/no (flush or not,
    process or node) makes a sample another thing: such arms are not put on one line.
    """
    groups: dict[tuple[object, ...], list[Sequence[RunResult]]] = {}
    for on in arms:
        kinds = frozenset(
            (key, value)
            for key, value in settings.get(on[0].arm, {}).items()
            if isinstance(value, str | bool)
        )
        unit = on[0].units.get("examined", "sample")
        groups.setdefault((on[0].tracker, unit, kinds), []).append(on)
    return tuple(
        TrackerDose(
            tracker=group[0][0].tracker,
            unit=group[0][0].units.get("examined", "sample"),
            arms=tuple(on[0].arm for on in group),
            scope=group[0][0].scope,
            response=dose_response(
                np.array([[run.duration for run in on] for on in group]).T,
                off,
                np.array([[float(run.examined) for run in on] for on in group]).T,
            ),
        )
        for group in groups.values()
        if len(group) > 1
    )
