"""Blocks that were run again, with their reasons, and gates that could not check anything."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from hotkit.core.analysis import Analysis
from hotkit.core.reruns import Rerun, failures_by_arm
from hotkit.report.sweep_tables import Result


def rerun_table(result: Result, most: int | None = None) -> Table | None:
    """One row for each attempt that does not count, the first `most`; None when there is none."""
    found = result.analysis.reruns
    if not found:
        return None
    table = Table(title=f"Blocks that were run again ({result.label})", title_justify="left")
    for name in ("block", "attempt", "runs put aside"):
        table.add_column(name, justify="right")
    table.add_column("why", overflow="fold")
    for rerun in found[:most]:
        # As text: "[madvise]" of a knob is no markup.
        table.add_row(
            str(rerun.block), str(rerun.attempt), str(rerun.runs_abandoned), Text(why(rerun))
        )
    if most is not None and len(found) > most:
        table.add_row("...", "", "", f"and {len(found) - most} more: hotkit report --json")
    return table


def gate_lines(analysis: Analysis) -> list[str]:
    """What the table leaves to say, and which gates checked nothing; empty when all is well."""
    said = []
    if analysis.reruns:
        aside = sum(rerun.runs_abandoned for rerun in analysis.reruns)
        said.append(
            f"gates: {aside} runs of blocks that were run again are in the journal and in no figure"
        )
    if failed := failures_by_arm(analysis.reruns):
        counts = ", ".join(f"{arm} {count}" for arm, count in failed)
        said.append(f"gates: failed by arm of the run: {counts}")
    gates = analysis.gates
    if gates and gates.unchecked:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in gates.unchecked.items())
        said.append(f"gates: not checked on this machine: {reasons}")
    if gates and gates.off:
        said.append(f"gates: switched off in the description: {', '.join(gates.off)}")
    return said


def gates_dict(analysis: Analysis) -> dict[str, Any]:
    """The JSON form: `gates` is null where no gate was looked at (an older agent)."""
    gates = analysis.gates
    return {
        "reruns": [
            {
                "block": rerun.block,
                "attempt": rerun.attempt,
                "reasons": list(rerun.reasons),
                "runs_abandoned": rerun.runs_abandoned,
                "arms": list(rerun.arms),
            }
            for rerun in analysis.reruns
        ],
        "gates": None
        if gates is None
        else {"bounds": dict(gates.bounds), "unchecked": dict(gates.unchecked)},
    }


def why(rerun: Rerun) -> str:
    """All reasons of an attempt in one line."""
    return "; ".join(rerun.reasons)
