"""A sweep of several parts: what its boots and hosts say together, layout by layout.

A part is one boot of one host in one layout with one workload. Of each (layout, workload) the boots
and hosts are put together, as estimates and never as blocks; layouts and workloads never are.
Figures: slow-downs as fractions of the off time, per sample in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hotkit.core.comparison import ArmCell, Session, arm_cell
from hotkit.core.groupparts import LeftOut, Part, alike, that_count
from hotkit.core.labels import Label, machine_label
from hotkit.core.stats import Ratio, difference
from hotkit.core.stats_compare import Equivalence, equivalence, holm
from hotkit.core.stats_session import Outer, over


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFigure:
    """One arm in one part; the intervals of `cell` are over the blocks of that boot alone."""

    part: Part
    cell: ArmCell


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFigure:
    """One arm over the boots of one of several hosts: a statement about that host."""

    host: str
    slowdown: Outer
    per_examined: Outer


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOver:
    """One arm over the boots of a host, or over hosts (of each the mean of its boots).

    `each` are the estimates that it is made of, `hosts` what each of several hosts says by itself.
    `scope` is guest or host where the workload is in a guest.
    `p_holm` (paired t over boots or hosts, corrected for the arms that have one) and `equivalence`
    are those of its only boot, over its blocks, when there is one boot.
    """

    arm: str
    tracker: str | None
    unit: str | None
    each: tuple[BootFigure, ...]
    scope: str
    slowdown: Outer
    per_examined: Outer
    hosts: tuple[HostFigure, ...]
    left_out: tuple[LeftOut, ...]
    p_holm: float | None = None
    equivalence: Equivalence | None = None

    @property
    def per_host(self) -> dict[str, list[float]]:
        """The slow-downs of each host, one per boot."""
        return _per_host(self.each, _slowdown)

    @property
    def only(self) -> BootFigure | None:
        """The one boot that there is; its figures say nothing about another."""
        return self.each[0] if len(self.each) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One (layout, workload): the parts that count, what its arms cost, what was left out and why.

    `label` is that of the parts that count, None when none does; `margin` the smallest effect of
    interest, a fraction.
    """

    layout: str | None
    workload: str
    label: Label | None
    margin: float | None
    parts: tuple[Part, ...]
    counted: tuple[Part, ...]
    arms: tuple[ArmOver, ...]
    left_out: tuple[LeftOut, ...]


def combine(parts: Sequence[Part]) -> tuple[Column, ...]:
    """One column for each (layout, workload), in the order of the parts."""
    groups: dict[tuple[str | None, str], list[Part]] = {}
    for part in parts:
        groups.setdefault((part.layout, part.workload), []).append(part)
    sessions = [part.session for part in parts if part.session]
    order = dict.fromkeys(arm.arm for session in sessions for arm in session.analysis.arms)
    return tuple(_column(members, list(order)) for members in groups.values())


def _column(members: Sequence[Part], order: Sequence[str]) -> Column:
    """The column of these parts, its arms in this order: a session has its own, drawn one."""
    hosts, left_out = that_count(members)
    counted = [(part, session) for boots in hosts for part, session in boots]
    label = margin = None
    arms: tuple[ArmOver, ...] = ()
    if counted:
        first = counted[0][1]
        label, margin = machine_label(first.manifest["machine"]), first.analysis.sesoi_fraction
        names = {arm.arm for _, session in counted for arm in session.analysis.arms}
        found = [_arm(name, counted) for name in order if name in names]
        arms = _answered(found, counted, margin)
    return Column(
        layout=members[0].layout,
        workload=members[0].workload,
        label=label,
        margin=margin,
        parts=tuple(members),
        counted=tuple(part for part, _ in counted),
        arms=arms,
        left_out=tuple(left_out),
    )


def _arm(name: str, counted: Sequence[tuple[Part, Session]]) -> ArmOver:
    """The arm where it has figures, with the same tracker, settings and unit."""
    found, left_out = [], []
    for part, session in counted:
        cell = arm_cell(name, session)
        if cell.slowdown is None:
            reason = cell.reason or "no figure"
            left_out.append(LeftOut(part=part.name, arm=name, reason=reason))
        else:
            found.append(BootFigure(part=part, cell=cell))
    each, others = alike(found, _another_arm)
    left_out += [LeftOut(part=one.part.name, arm=name, reason=why) for one, why in others]
    by_host: dict[str, list[BootFigure]] = {}
    for one in each:
        by_host.setdefault(one.part.host, []).append(one)
    return ArmOver(
        arm=name,
        tracker=each[0].cell.tracker if each else None,
        unit=each[0].cell.unit if each else None,
        each=tuple(each),
        scope=each[0].cell.scope if each else "",
        slowdown=_outer(_per_host(each, _slowdown)),
        per_examined=_outer(_per_host(each, _per_examined)),
        hosts=tuple(
            HostFigure(
                host=host,
                slowdown=_outer(_per_host(boots, _slowdown)),
                per_examined=_outer(_per_host(boots, _per_examined)),
            )
            for host, boots in by_host.items()
        )
        if len(by_host) > 1
        else (),
        left_out=tuple(left_out),
    )


def _another_arm(one: BootFigure, other: BootFigure) -> str | None:
    """What makes an arm of the same name another one; None when nothing does."""
    pairs = (
        ("tracker", one.cell.tracker, other.cell.tracker),
        ("settings", one.cell.settings, other.cell.settings),
        ("unit", one.cell.unit, other.cell.unit),
    )
    found = [f"{what} {mine}, not {theirs}" for what, mine, theirs in pairs if mine != theirs]
    return "; ".join(found) or None


def _per_host(
    each: Sequence[BootFigure], ratio_of: Callable[[ArmCell], Ratio | None]
) -> dict[str, list[float]]:
    """The estimates of each host, one per boot."""
    found: dict[str, list[float]] = {}
    for one in each:
        ratio = ratio_of(one.cell)
        if ratio is not None and ratio.estimate is not None:
            found.setdefault(one.part.host, []).append(ratio.estimate)
    return found


def _outer_values(per_host: Mapping[str, list[float]]) -> tuple[str, list[float]]:
    """The outermost level that there is, and one value for each of its members.

    Several hosts: the mean of each one's boots, so that a host counts once however often it booted.
    """
    if len(per_host) > 1:
        return "host", [float(np.mean(values)) for values in per_host.values()]
    return "boot", [value for values in per_host.values() for value in values]


def _outer(per_host: Mapping[str, list[float]]) -> Outer:
    return over(*_outer_values(per_host))


def _slowdown(cell: ArmCell) -> Ratio | None:
    return cell.slowdown


def _per_examined(cell: ArmCell) -> Ratio | None:
    return cell.per_examined


def _answered(
    arms: Sequence[ArmOver], counted: Sequence[tuple[Part, Session]], margin: float
) -> tuple[ArmOver, ...]:
    """The arms with p-values, which need all of them, and the word against the margin."""
    values = [np.array(_outer_values(arm.per_host)[1]) for arm in arms]
    adjusted = holm(
        [
            difference(mine).p_t if arm.slowdown.interval else None
            for arm, mine in zip(arms, values, strict=True)
        ]
    )
    sessions = {part.name: session for part, session in counted}
    found = []
    for arm, mine, p in zip(arms, values, adjusted, strict=True):
        if arm.slowdown.interval:
            word = equivalence(mine, np.ones(len(mine)), margin=margin, p_different=p)
            arm = replace(arm, p_holm=p, equivalence=word)
        elif arm.only:
            analysis = sessions[arm.only.part.name].analysis
            own = next(one for one in analysis.arms if one.arm == arm.arm)
            arm = replace(arm, p_holm=own.p_holm, equivalence=own.equivalence)
        found.append(arm)
    return tuple(found)
