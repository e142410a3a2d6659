"""Sweeps side by side on the terminal and as JSON: `hotkit compare`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hotkit.core.comparison import ArmCell, ArmComparison, Comparison
from hotkit.core.sessionfacts import Fact, Weight
from hotkit.core.stats import Ratio
from hotkit.core.stats_session import Outer
from hotkit.report.sweep_tables import Result, add_where, nanoseconds, percent, span, where
from hotkit.report.sweep_verdict import verdict_of


def letters(count: int) -> list[str]:
    """Short names for the columns: A, B, ... Z, then S27, S28."""
    return [chr(ord("A") + n) if n < 26 else f"S{n + 1}" for n in range(count)]


def label_of_all(results: Sequence[Result]) -> str:
    """The labels of all sessions; one where they agree."""
    return " / ".join(dict.fromkeys(str(result.label) for result in results))


def print_comparison(found: Comparison, results: Sequence[Result], console: Console) -> None:
    """Who is who, what differs, then figures side by side, then what they say together."""
    label = label_of_all(results)
    for letter, result in zip(letters(len(results)), results, strict=True):
        verdict = verdict_of(result)
        console.print(
            Text(
                f"{letter}  {result.folder}: {verdict.title} [{result.label}], host {result.host},"
                f" seed {result.manifest['seed']}, {result.analysis.blocks} blocks"
            ),
            soft_wrap=True,
        )
    console.print()
    console.print(_facts_table(found.facts, label))
    if same := _same(found.facts):
        _say(console, [f"the same in all: {', '.join(same)}"])
    if found.refused:
        console.print(Text("\nNOTHING MAY BE COMPARED", style="bold red"))
        _say(console, [f"- {reason}" for reason in found.refused])
        return
    console.print()
    console.print(_side_by_side(found, "Slow-down against off", label, _slowdown, percent))
    console.print()
    console.print(
        _side_by_side(
            found, "Overhead, ns per sample of the unit", label, _per_examined, nanoseconds
        )
    )
    _say(console, [f"{arm.arm}: not the same arm: {', '.join(arm.marks)}" for arm in found.arms
                   if arm.marks])  # fmt: skip
    _say(console, ["intervals are of each session alone; that two overlap is no test"])
    console.print()
    if found.blocked:
        console.print(Text(f"NOT MERGED ({label})", style="bold"))
        _say(console, [f"- {reason}" for reason in found.blocked])
    elif merged := [arm for arm in found.arms if arm.slowdown]:
        if any(arm.slowdown.interval for arm in merged if arm.slowdown):
            console.print(_merged_table(found, merged, label))
        _say(console, merged_lines(found, merged))


def merged_lines(found: Comparison, merged: Sequence[ArmComparison]) -> list[str]:
    """What the merged figures are, or why there are none."""
    told = [arm.slowdown for arm in merged if arm.slowdown]
    why = dict.fromkeys(outer.undefined for outer in told if outer.undefined)
    lines = [f"no merged figure: {reason}" for reason in why]
    if not any(outer.interval for outer in told):
        return lines
    lines.append(
        f"merged: the mean of one estimate per {found.level}, with t over {found.level}s; intervals"
        " are not corrected for the number of arms"
    )
    if found.level == "session":
        lines.append(
            "some sessions share a boot: what a boot fixes is the same in them, so the merged"
            " figures say nothing about the next boot"
        )
    return lines


def to_dict(found: Comparison, results: Sequence[Result]) -> dict[str, Any]:
    """The `--json` document: slow-downs as fractions, per-sample figures in ns."""
    return {
        "schema_version": 1,
        "sessions": [
            {
                "folder": str(result.folder),
                "label": result.label.to_dict(),
                "trusted": result.analysis.trusted,
                "doubts": list(result.analysis.untrusted),
            }
            for result in results
        ],
        "facts": [
            {
                "name": fact.name,
                "agrees": fact.agrees,
                "difference": str(fact.weight),
                "values": list(fact.values),
            }
            for fact in found.facts
        ],
        "refused": list(found.refused),
        "not_merged": list(found.blocked),
        "level": found.level,
        "arms": [
            {
                "arm": arm.arm,
                "marks": list(arm.marks),
                "sessions": [_cell_dict(cell) for cell in arm.cells],
                "merged_slowdown": _outer_dict(arm.slowdown, 1.0),
                "merged_per_examined_ns": _outer_dict(arm.per_examined, 1e9),
            }
            for arm in found.arms
        ],
    }


def _same(facts: Sequence[Fact]) -> list[str]:
    """Names of what agrees; a description's keys and the knobs in one word where all of them do."""
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        kind = fact.name.partition(" ")[0] if fact.weight is not Weight.FREE else fact.name
        groups.setdefault(kind if kind in ("workload", "knob") else fact.name, []).append(fact)
    found = []
    for name, members in groups.items():
        if all(fact.agrees for fact in members):
            found.append("knobs" if name == "knob" else name)
        elif len(members) > 1:
            found += [fact.name for fact in members if fact.agrees]
    return found


def _facts_table(facts: Sequence[Fact], label: str) -> Table:
    """Only what differs, or cannot be shown to agree."""
    table = Table(title=f"What differs ({label})", title_justify="left")
    table.add_column("what", overflow="fold")
    table.add_column("then")
    for letter in letters(len(facts[0].values)):
        table.add_column(letter, overflow="fold")
    order = list(Weight)
    for fact in sorted(facts, key=lambda fact: order.index(fact.weight)):
        if not fact.agrees:
            values = ["not recorded" if value is None else value for value in fact.values]
            table.add_row(fact.name, str(fact.weight), *map(Text, values))
    return table


def _side_by_side(
    found: Comparison,
    title: str,
    label: str,
    ratio_of: Callable[[ArmCell], Ratio | None],
    form: Callable[[float | None], str],
) -> Table:
    table = Table(title=f"{title}, 95 % intervals ({label})", title_justify="left")
    table.add_column("arm", overflow="fold")
    there = any(_scope(arm) for arm in found.arms)
    add_where(table, there)
    table.add_column("unit", overflow="fold")
    for letter in letters(len(found.names)):
        table.add_column(letter, justify="right")
    for arm in found.arms:
        # Samples of different units never share a row.
        units = dict.fromkeys(cell.unit for cell in arm.cells if cell.unit)
        shown = ["of the off time"] if ratio_of is _slowdown else list(units)
        for unit in shown:
            cells = [
                _figure(cell, ratio_of(cell), form)
                if ratio_of is _slowdown or cell.unit == unit or cell.unit is None
                else "-"
                for cell in arm.cells
            ]
            name = arm.arm + (" *" if arm.marks else "")
            table.add_row(name, *where(_scope(arm), there), unit, *cells)
    return table


def _figure(cell: ArmCell, ratio: Ratio | None, form: Callable[[float | None], str]) -> str:
    if ratio is None:
        return cell.reason or "undefined"
    return f"{form(ratio.estimate)}\n{span(ratio.interval, form)}"


def _merged_table(found: Comparison, merged: Sequence[ArmComparison], label: str) -> Table:
    table = Table(title=f"Over {found.level}s ({label})", title_justify="left")
    table.add_column("arm", overflow="fold")
    there = any(_scope(arm) for arm in found.arms)
    add_where(table, there)
    for name in (f"{found.level}s", "slow-down", "95 %", "ns per sample", "95 %"):
        table.add_column(name, justify="right")
    table.add_column("unit", overflow="fold")
    for arm in merged:
        slow, per = arm.slowdown, arm.per_examined
        unit = next((cell.unit for cell in arm.cells if cell.unit), "sample")
        table.add_row(
            arm.arm,
            *where(_scope(arm), there),
            str(slow.n) if slow else "-",
            percent(slow.mean if slow and slow.interval else None),
            span(slow.interval if slow else None, percent),
            nanoseconds(per.mean if per and per.interval else None),
            span(per.interval if per else None, nanoseconds),
            unit,
        )
    return table


def _scope(arm: ArmComparison) -> str:
    """guest or host; both, where it was one here and the other there."""
    return "/".join(dict.fromkeys(cell.scope for cell in arm.cells if cell.scope))


def _slowdown(cell: ArmCell) -> Ratio | None:
    return cell.slowdown


def _per_examined(cell: ArmCell) -> Ratio | None:
    return cell.per_examined


def _cell_dict(cell: ArmCell) -> dict[str, Any]:
    def of(ratio: Ratio | None, scale: float) -> dict[str, Any] | None:
        if ratio is None or ratio.estimate is None or ratio.interval is None:
            return None
        interval = [ratio.interval.low * scale, ratio.interval.high * scale]
        return {"estimate": ratio.estimate * scale, "interval": interval}

    return {
        "tracker": cell.tracker,
        "settings": cell.settings,
        **({"where": cell.scope} if cell.scope else {}),
        "unit": f"ns per {cell.unit}" if cell.unit else None,
        "slowdown": of(cell.slowdown, 1.0),
        "per_examined_ns": of(cell.per_examined, 1e9),
        "reason": cell.reason,
    }


def _outer_dict(found: Outer | None, scale: float) -> dict[str, Any] | None:
    if found is None:
        return None
    interval = found.interval
    return {
        "n": found.n,
        "mean": None if found.mean is None or interval is None else found.mean * scale,
        "interval": [interval.low * scale, interval.high * scale] if interval else None,
        "undefined": found.undefined,
    }


def _say(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(Text(f"  {line}"))
