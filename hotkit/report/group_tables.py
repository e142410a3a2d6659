"""Tables of a sweep of several parts: who was measured, side by side, and over boots and hosts.

Arms are rows, each (layout, workload) a column: layouts and workloads are never put together. Every
title carries the label, or each heading does where they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from rich.table import Table
from rich.text import Text

from hotkit.core.comparison import ArmCell
from hotkit.core.group import ArmOver, Column, HostFigure
from hotkit.core.labels import Label
from hotkit.core.stats import Ratio
from hotkit.core.stats_session import Outer
from hotkit.report.sweep_more import FullResult
from hotkit.report.sweep_tables import add_where, nanoseconds, p_value, percent, span, where
from hotkit.report.sweep_verdict import verdict_of

Form = Callable[[float | None], str]


class PartLike(Protocol):
    """What is needed of a GroupPart (hotkit/sweep/group.py)."""

    @property
    def part(self) -> Mapping[str, Any]: ...
    @property
    def name(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def result(self) -> FullResult | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def trusted(self) -> bool: ...
    @property
    def defined(self) -> bool: ...


class GroupLike(Protocol):
    """What is needed of a SweepGroup."""

    @property
    def folder(self) -> Path: ...
    @property
    def document(self) -> Mapping[str, Any] | None: ...
    @property
    def parts(self) -> Sequence[PartLike]: ...
    @property
    def columns(self) -> Sequence[Column]: ...
    @property
    def trusted(self) -> bool: ...
    @property
    def defined(self) -> bool: ...


def labels_of(group: GroupLike) -> list[Label]:
    """The labels of all parts that were measured, each once."""
    found = {str(part.result.label): part.result.label for part in group.parts if part.result}
    return list(found.values())


def label_text(group: GroupLike) -> str:
    """One label, or all of them; "nothing measured" before there is one."""
    return " / ".join(str(label) for label in labels_of(group)) or "nothing measured"


def head(column: Column) -> str:
    """What a column is: 4C16G-remote / hotset."""
    return f"{column.layout or 'no layout'} / {column.workload}"


def label_of(column: Column) -> str:
    return str(column.label) if column.label else "nothing that counts"


def parts_table(group: GroupLike) -> Table:
    """One row per part: where it was measured, and whether it can be trusted."""
    table = Table(title=f"The parts ({label_text(group)})", title_justify="left")
    table.add_column("part", overflow="fold")
    for name in ("host", "layout", "boot", "workload", "label", "blocks", "verdict"):
        table.add_column(name, justify="right" if name in ("boot", "blocks") else "left")
    for part in group.parts:
        where, result = part.part, part.result
        # As text: what stands in a file is no markup.
        table.add_row(
            Text(part.name),
            Text(str(where["host"])),
            Text(str(where["layout"] or "-")),
            Text(str(where["boot"])),
            Text(str(where["workload"])),
            str(result.label) if result else "-",
            str(result.analysis.blocks) if result else "-",
            verdict_of(result).title if result else "nothing measured",
        )
    return table


def slowdown_matrix(group: GroupLike, columns: Sequence[Column]) -> Table:
    """Slow-downs: rows arms; `columns` are those of the group, or some of them."""
    return _matrix(
        group,
        columns,
        f"Slow-down against off, 95 % intervals ({label_text(group)})",
        [(arm, None) for arm in _arms(columns)],
        lambda column, arm, _: slowdown_cell(column, arm),
    )


def sample_matrix(group: GroupLike, columns: Sequence[Column]) -> Table:
    """Overhead per sample; samples of different units never share a row."""
    rows = [
        (name, unit)
        for name in _arms(columns)
        for unit in dict.fromkeys(
            arm.unit for column in columns for arm in column.arms if arm.arm == name and arm.unit
        )
    ]
    return _matrix(
        group,
        columns,
        f"Overhead, ns per sample of the unit, 95 % intervals ({label_text(group)})",
        rows,
        lambda column, arm, unit: (
            "-" if arm.unit != unit else _figure(arm, arm.per_examined, _per_examined, nanoseconds)
        ),
    )


def _arms(columns: Sequence[Column]) -> list[str]:
    return list(dict.fromkeys(arm.arm for column in columns for arm in column.arms))


def scopes_of(columns: Sequence[Column]) -> dict[str, str]:
    """Where each arm's tracker ran; empty when no workload was in a guest."""
    return {arm.arm: arm.scope for column in columns for arm in column.arms if arm.scope}


def _matrix(
    group: GroupLike,
    columns: Sequence[Column],
    title: str,
    rows: Sequence[tuple[str, str | None]],
    cell: Callable[[Column, ArmOver, str | None], str],
) -> Table:
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column("arm", overflow="fold")
    scopes = scopes_of(columns)
    add_where(table, bool(scopes))
    units = any(unit for _, unit in rows)
    if units:
        table.add_column("unit", overflow="fold")
    several = len(labels_of(group)) > 1
    for column in columns:
        label = f" [{label_of(column)}]" if several else ""
        table.add_column(Text(head(column) + label), justify="right")
    for name, unit in rows:
        cells = []
        for column in columns:
            arm = next((it for it in column.arms if it.arm == name), None)
            cells.append("-" if arm is None else cell(column, arm, unit))
        place = where(scopes.get(name, ""), bool(scopes))
        table.add_row(name, *place, *([unit or "-"] if units else []), *cells)
    return table


def slowdown_cell(column: Column, arm: ArmOver) -> str:
    """Estimate, interval, and what they are over; the word against the smallest effect."""
    shown = _figure(arm, arm.slowdown, _slowdown, percent)
    answer = arm.equivalence.answer if arm.equivalence else None
    return f"{shown}; {answer}" if answer else shown


def _figure(
    arm: ArmOver, outer: Outer, ratio_of: Callable[[ArmCell], Ratio | None], form: Form
) -> str:
    """Over boots or hosts where that can be told, otherwise each of them by itself."""
    if outer.interval:
        return f"{form(outer.mean)}\n{span(outer.interval, form)}\n{count(outer)}"
    found = [(one.part, ratio) for one in arm.each if (ratio := ratio_of(one.cell))]
    if not found:
        return "no figure"
    if len(found) == 1:
        ((_, ratio),) = found
        return f"{form(ratio.estimate)}\n{span(ratio.interval, form)}\n1 boot"
    if outer.level == "host":
        lines = [
            f"{host} {form(fmean(it.estimate or 0.0 for part, it in found if part.host == host))}"
            for host in dict.fromkeys(part.host for part, _ in found)
        ]
    else:
        lines = [f"boot {part.boot} {form(ratio.estimate)}" for part, ratio in found]
    return "\n".join([*lines, f"{count(outer)}: no interval"])


def count(outer: Outer) -> str:
    """3 boots, 1 host."""
    return f"{outer.n} {outer.level}{'' if outer.n == 1 else 's'}"


def over_tables(column: Column) -> list[Table]:
    """Slow-down and overhead per sample over boots and hosts; none where there is no interval."""
    slow = Table(
        title=Text(f"{head(column)}: slow-down over boots and hosts ({label_of(column)})"),
        title_justify="left",
    )
    per = Table(
        title=Text(f"{head(column)}: overhead over boots and hosts ({label_of(column)})"),
        title_justify="left",
    )
    there = bool(scopes_of([column]))
    for table in (slow, per):
        table.add_column("arm", overflow="fold")
        add_where(table, there)
    slow.add_column("over", overflow="fold")
    for name in ("slow-down", "95 %", "p (Holm)"):
        slow.add_column(name, justify="right")
    slow.add_column(f"against {100 * (column.margin or 0):g} %", no_wrap=True)
    for name in ("unit", "over"):
        per.add_column(name, overflow="fold")
    for name in ("ns per sample", "95 %"):
        per.add_column(name, justify="right")
    for arm in column.arms:
        for over, outer, whole in _levels(arm, lambda it: it.slowdown):
            answer = arm.equivalence.answer if whole and arm.equivalence else None
            p = p_value(arm.p_holm).removeprefix("= ") if whole and arm.p_holm is not None else "-"
            slow.add_row(
                arm.arm, *where(arm.scope, there), Text(over), percent(outer.mean),
                span(outer.interval, percent), p, str(answer or "-"),
            )  # fmt: skip
        for over, outer, _ in _levels(arm, lambda it: it.per_examined):
            per.add_row(
                arm.arm, *where(arm.scope, there), f"ns per {arm.unit}", Text(over),
                nanoseconds(outer.mean), span(outer.interval, nanoseconds),
            )  # fmt: skip
    return [table for table in (slow, per) if table.row_count]


def _levels(
    arm: ArmOver, outer_of: Callable[[ArmOver | HostFigure], Outer]
) -> list[tuple[str, Outer, bool]]:
    """What a figure with an interval is over, the figure, and whether it is that of the whole."""
    hosts = dict.fromkeys(one.part.host for one in arm.each)
    whose = f" of {next(iter(hosts))}" if len(hosts) == 1 else ""
    found = [(count(outer_of(arm)) + whose, outer_of(arm), True)]
    found += [(f"{count(outer_of(one))} of {one.host}", outer_of(one), False) for one in arm.hosts]
    return [row for row in found if row[1].interval]


def each_table(column: Column) -> Table | None:
    """One estimate per boot, of which the figures over boots are made; None for a single one."""
    if len(column.counted) < 2:
        return None
    title = Text(f"{head(column)}: each boot by itself, 95 % over its blocks ({label_of(column)})")
    table = Table(title=title, title_justify="left")
    there = bool(scopes_of([column]))
    table.add_column("arm", overflow="fold")
    add_where(table, there)
    table.add_column("host", overflow="fold")
    for name in ("boot", "slow-down", "95 %", "ns per sample", "95 %"):
        table.add_column(name, justify="right")
    table.add_column("unit", overflow="fold")
    for arm in column.arms:
        for one in arm.each:
            slow, per = one.cell.slowdown, one.cell.per_examined
            table.add_row(
                arm.arm, *where(arm.scope, there), Text(one.part.host), str(one.part.boot),
                percent(slow.estimate if slow else None),
                span(slow.interval if slow else None, percent),
                nanoseconds(per.estimate if per else None),
                span(per.interval if per else None, nanoseconds), arm.unit or "-",
            )  # fmt: skip
    return table


def _slowdown(cell: ArmCell) -> Ratio | None:
    return cell.slowdown


def _per_examined(cell: ArmCell) -> Ratio | None:
    return cell.per_examined
