"""A sweep of several parts on the terminal and as JSON: `hotkit report`."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from hotkit.core.comparison import ArmCell
from hotkit.core.group import ArmOver, Column
from hotkit.core.groupparts import LeftOut
from hotkit.core.stats import Interval, Ratio
from hotkit.core.stats_session import Outer
from hotkit.report.group_tables import (
    GroupLike,
    each_table,
    label_text,
    labels_of,
    over_tables,
    parts_table,
    sample_matrix,
    slowdown_matrix,
)
from hotkit.report.group_words import (
    MATRIX_NOTE,
    OVER_NOTE,
    column_lines,
    group_verdict,
    reproduce_group,
)
from hotkit.report.sweepreport import report_dict

# Of a matrix: what arm and unit take, and what a column takes.
_ARM_WIDTH, _COLUMN_WIDTH = 32, 26


def print_group(group: GroupLike, console: Console) -> None:
    """Verdict, the parts, the matrix, what boots and hosts say together; how to see each part."""
    verdict = group_verdict(group)
    style = {"trusted": "green", "undefined": "yellow", "untrusted": "red"}[verdict.kind]
    title = f"sweep of {len(group.parts)} parts: {verdict.title} [{label_text(group)}]"
    console.print(
        Panel(Text("\n".join(verdict.lines)), title=title.replace("[", r"\["), border_style=style)
    )
    console.print(parts_table(group))
    shown = [column for column in group.columns if column.arms]
    # As many side by side as there is room for: an interval that is broken cannot be read.
    side_by_side = max(1, (console.width - _ARM_WIDTH) // _COLUMN_WIDTH)
    for matrix in (slowdown_matrix, sample_matrix):
        for first in range(0, len(shown), side_by_side):
            console.print()
            console.print(matrix(group, shown[first : first + side_by_side]))
    if shown:
        _say(console, [MATRIX_NOTE])
    for column in group.columns:
        each = each_table(column)
        tables = [*over_tables(column), *([each] if each else [])]
        lines = column_lines(column)
        if tables or lines:
            console.print()
        for table in tables:
            console.print(table)
        _say(console, lines)
    if any(over_tables(column) for column in group.columns):
        _say(console, [OVER_NOTE])
    console.print(Text(f"\nA part in full ({label_text(group)})", style="bold"))
    # A command that is broken over two lines cannot be copied.
    console.print(Text(f"  hotkit report {group.folder}/parts/NAME"), soft_wrap=True)
    console.print(Text(f"\nTo run it again ({label_text(group)})", style="bold"))
    for command in reproduce_group(group)["commands"]:
        console.print(Text(f"  {command}"), soft_wrap=True)


def group_dict(group: GroupLike) -> dict[str, Any]:
    """The `--json` document: every part's own, and what they say together.

    Slow-downs are fractions, per-sample figures in ns.
    """
    return {
        "schema_version": 1,
        "folder": str(group.folder),
        "labels": [label.to_dict() for label in labels_of(group)],
        "trusted": group.trusted,
        "defined": group.defined,
        "trusted_parts": sum(part.trusted for part in group.parts),
        "parts": [
            {
                "part": dict(part.part),
                "reason": part.reason,
                "report": report_dict(part.result) if part.result else None,
            }
            for part in group.parts
        ],
        "combined": [_column_dict(column) for column in group.columns],
        "reproduce": reproduce_group(group),
    }


def _column_dict(column: Column) -> dict[str, Any]:
    return {
        "layout": column.layout,
        "workload": column.workload,
        "label": column.label.to_dict() if column.label else None,
        "margin_fraction": column.margin,
        "counted": [part.name for part in column.counted],
        "left_out": [_left_out_dict(one) for one in column.left_out],
        "arms": [_arm_dict(arm) for arm in column.arms],
    }


def _left_out_dict(one: LeftOut) -> dict[str, Any]:
    return {"part": one.part, "reason": one.reason}


def _arm_dict(arm: ArmOver) -> dict[str, Any]:
    answer = arm.equivalence.answer if arm.equivalence else None
    return {
        "arm": arm.arm,
        "tracker": arm.tracker,
        **({"where": arm.scope} if arm.scope else {}),
        "unit": f"ns per {arm.unit}" if arm.unit else None,
        "slowdown": _outer_dict(arm.slowdown, 1.0),
        "per_examined_ns": _outer_dict(arm.per_examined, 1e9),
        "p_holm": arm.p_holm,
        "answer": str(answer) if answer else None,
        "p_tost": arm.equivalence.p if arm.equivalence else None,
        "hosts": [
            {
                "host": one.host,
                "slowdown": _outer_dict(one.slowdown, 1.0),
                "per_examined_ns": _outer_dict(one.per_examined, 1e9),
            }
            for one in arm.hosts
        ],
        "each": [
            {
                "part": one.part.name,
                "host": one.part.host,
                "boot": one.part.boot,
                **_cell_dict(one.cell),
            }
            for one in arm.each
        ],
        "left_out": [_left_out_dict(one) for one in arm.left_out],
    }


def _cell_dict(cell: ArmCell) -> dict[str, Any]:
    return {
        "slowdown": _ratio_dict(cell.slowdown, 1.0),
        "per_examined_ns": _ratio_dict(cell.per_examined, 1e9),
    }


def _ratio_dict(ratio: Ratio | None, scale: float) -> dict[str, Any] | None:
    if ratio is None or ratio.estimate is None:
        return None
    return {"estimate": ratio.estimate * scale, "interval": _pair(ratio.interval, scale)}


def _outer_dict(found: Outer, scale: float) -> dict[str, Any]:
    """Without interval there is no mean either: each estimate is below `each`."""
    known = found.mean is not None and found.interval is not None
    return {
        "over": found.level,
        "n": found.n,
        "mean": found.mean * scale if known and found.mean is not None else None,
        "interval": _pair(found.interval, scale),
        "undefined": found.undefined,
    }


def _pair(interval: Interval | None, scale: float) -> list[float] | None:
    return None if interval is None else [interval.low * scale, interval.high * scale]


def _say(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(Text(f"  {line}"))
