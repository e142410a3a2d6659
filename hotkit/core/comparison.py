"""Two or more sweeps side by side: what differs, what may be compared, what may be merged.

A statement over sessions is made of one estimate per session (stats_session.over), never of their
blocks put together. Figures: slow-downs as fractions of the off time, per sample in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hotkit.core.analysis import Analysis, ArmResult
from hotkit.core.design import settings_of_arms
from hotkit.core.sessionfacts import Fact, Weight, facts_of
from hotkit.core.stats import Ratio
from hotkit.core.stats_session import Outer, over


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sweep: its manifest and what was found. `work` is the checksum that all runs share."""

    name: str
    manifest: Mapping[str, Any]
    analysis: Analysis
    work: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCell:
    """One arm in one session; `reason` says why there are no figures, then both are None.

    `scope` is guest or host where the workload is in a guest.
    """

    settings: str | None = None
    tracker: str | None = None
    unit: str | None = None
    slowdown: Ratio | None = None
    per_examined: Ratio | None = None
    reason: str | None = None
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmComparison:
    """One arm over all sessions, one cell each. `marks` say what makes it another arm elsewhere.

    `slowdown` and `per_examined` are over the sessions that have figures; None where sessions may
    not be merged. `slowdown` without interval says why (too few).
    """

    arm: str
    cells: tuple[ArmCell, ...]
    marks: tuple[str, ...]
    slowdown: Outer | None = None
    per_examined: Outer | None = None

    @property
    def compared(self) -> bool:
        """Whether at least two sessions have figures of one tracker in one unit."""
        known = [(cell.tracker, cell.unit) for cell in self.cells if cell.slowdown]
        return any(known.count(kind) > 1 for kind in known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`refused`: why nothing may be compared (then `arms` is empty); `blocked`: why nothing may be
    merged, though it stands side by side. `level` is what the merged figures are over."""

    names: tuple[str, ...]
    facts: tuple[Fact, ...]
    arms: tuple[ArmComparison, ...]
    refused: tuple[str, ...]
    blocked: tuple[str, ...]
    level: str


def compare(sessions: Sequence[Session]) -> Comparison:
    """Compare sessions, the first being the one that others are held against.

    Raises ValueError for fewer than two.
    """
    if len(sessions) < 2:
        raise ValueError(f"{len(sessions)} session(s): a comparison needs two")
    facts = facts_of(
        [session.manifest for session in sessions], [session.work for session in sessions]
    )
    refused = [
        f"{fact.name} differs: {fact.why}"
        for fact in facts
        if fact.weight is Weight.REFUSES and not fact.agrees
    ]
    blocked = [
        f"{fact.name} {'was not recorded everywhere' if None in fact.values else 'differs'}"
        for fact in facts
        if fact.weight is Weight.BLOCKS and not fact.agrees
    ]
    trusted = sum(session.analysis.trusted for session in sessions)
    if trusted < 2:
        refused.append(f"{trusted} of {len(sessions)} sessions can be trusted: two are the least")
    level = _level([session for session in sessions if session.analysis.trusted])
    arms: tuple[ArmComparison, ...] = ()
    if not refused:
        names = dict.fromkeys(arm.arm for one in sessions for arm in one.analysis.arms)
        arms = tuple(_arm(name, sessions, level, merge=not blocked) for name in names)
        if not any(arm.compared for arm in arms):
            refused.append("no arm has figures of one tracker and unit in two of the sessions")
            arms = ()
    return Comparison(
        names=tuple(session.name for session in sessions),
        facts=facts,
        arms=arms,
        refused=tuple(refused),
        blocked=tuple(blocked),
        level=level,
    )


def _level(sessions: Sequence[Session]) -> str:
    """What one estimate stands for: a boot when each of these sessions had one of its own."""
    boots = [session.manifest["machine"].get("boot_id") for session in sessions]
    own = None not in boots and len(set(boots)) == len(boots)
    return "boot" if own else "session"


def _arm(name: str, sessions: Sequence[Session], level: str, *, merge: bool) -> ArmComparison:
    cells = tuple(arm_cell(name, session) for session in sessions)
    there = [cell for cell in cells if cell.tracker is not None]
    marks = tuple(
        f"{what} differ"
        for what, values in (
            ("trackers", {cell.tracker for cell in there}),
            ("settings", {cell.settings for cell in there}),
            ("units", {cell.unit for cell in there if cell.unit}),
        )
        if len(values) > 1
    )
    found = ArmComparison(arm=name, cells=cells, marks=marks)
    if not merge or marks or not found.compared:
        return found
    return replace(
        found,
        slowdown=over(level, _estimates(cell.slowdown for cell in cells)),
        per_examined=over(level, _estimates(cell.per_examined for cell in cells)),
    )


def _estimates(ratios: Any) -> list[float]:
    return [ratio.estimate for ratio in ratios if ratio is not None and ratio.estimate is not None]


def arm_cell(name: str, session: Session) -> ArmCell:
    """One arm of one session: its figures, or why there are none."""
    found: ArmResult | None = next((arm for arm in session.analysis.arms if arm.arm == name), None)
    if found is None:
        return ArmCell(reason="no such arm")
    described = settings_of_arms(session.manifest["schedule"]["runs"])
    settings = ", ".join(f"{key}={value}" for key, value in sorted(described[name].items()))
    reason = None if session.analysis.trusted else "withheld: not trustworthy"
    if found.errors or found.slowdown.undefined:
        reason = reason or found.undefined
    known = ArmCell(
        settings=settings,
        tracker=found.tracker,
        unit=found.per_examined.unit,
        reason=reason,
        scope=found.scope,
    )
    if reason:
        return known
    per = found.per_examined.differential
    return replace(known, slowdown=found.slowdown, per_examined=None if per.undefined else per)
