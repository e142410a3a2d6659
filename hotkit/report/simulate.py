"""How a simulation is shown."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hotkit.core.check import Check, Verdict
from hotkit.core.layout import NodePlan
from hotkit.core.memory_checks import pages
from hotkit.core.ranges import RangeSet
from hotkit.core.units import PAGE_BYTES, format_size


def simulation_report(
    title: str,
    rows: Iterable[tuple[NodePlan, RangeSet]],
    checks: Iterable[Check],
    notes: Iterable[str],
) -> RenderableType:
    """Predicted and booted System RAM per node, then what failed and what was not reproduced."""
    table = Table(title=title)
    for name in ("node", "role", "predicted", "booted", "difference"):
        table.add_column(name, justify="left" if name in ("node", "role") else "right")
    for plan, booted in rows:
        predicted = pages(plan.predicted)
        wrong = predicted.subtract(booted).union(booted.subtract(predicted)).size_bytes
        table.add_row(
            str(plan.node),
            plan.role,
            _size(predicted),
            _size(booted),
            Text(f"{wrong // PAGE_BYTES} pages", style="red" if wrong else "green"),
        )
    failed = [
        Text(f"{check.name}: {check.sentence}", style="red")
        for check in checks
        if check.verdict is not Verdict.PASS
    ]
    return Group(table, *failed, *(Text(f"note: {note}", style="dim") for note in notes))


def _size(ranges: RangeSet) -> str:
    if not ranges:
        return "-"
    count = len(ranges)
    return f"{format_size(ranges.size_bytes)} in {count} range{'s' if count > 1 else ''}"
