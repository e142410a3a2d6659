"""A sweep's report as one HTML file that asks nobody for anything: no script, no network.

The tables are those of the terminal, cell by cell. jinja2 and matplotlib are imported for this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.table import Table

import hotkit
from hotkit.core.pareto import places
from hotkit.report.flushtable import flush_lines, flush_table
from hotkit.report.plaintable import PlainTable, plain
from hotkit.report.sweep_gates import gate_lines, rerun_table
from hotkit.report.sweep_guest import guest_lines, seen_lines
from hotkit.report.sweep_more import (
    COUNTERS_NOTE,
    REPRODUCE_NOTE,
    FullResult,
    counters_table,
    environment_table,
    hash_lines,
    pareto_lines,
    pareto_table,
    reproduce,
)
from hotkit.report.sweep_tables import accuracy_table, dose_table, sample_table, slowdown_table
from hotkit.report.sweep_verdict import verdict_of
from hotkit.report.sweep_words import dose_lines, drift_lines, statements
from hotkit.report.sweepfigure import Panel, inline_svg, panels

_TEMPLATES = Path(__file__).parent / "templates"
WITHHELD = "Withheld: the session is not trustworthy, and nothing in it may be ranked."


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A figure of the page: SVG text and its caption."""

    svg: str
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page; `blocks` are shown as they are (commands, a file)."""

    name: str
    title: str
    figures: Sequence[Drawn] = ()
    tables: Sequence[PlainTable] = ()
    lines: Sequence[str] = ()
    blocks: Sequence[str] = ()


def html(result: FullResult) -> str:
    """The page. The same sweep gives the same text."""
    verdict = verdict_of(result)
    page = {
        "version": hotkit.__version__,
        "title": f"sweep on {result.host}: {verdict.title} ({result.label})",
        "label": str(result.label),
        "verdict": verdict.title,
        "kind": verdict.kind,
        "reasons": verdict.lines,
        "sections": sections(result),
    }
    return render("sweep.html.j2", page)


def render(template: str, page: Mapping[str, Any]) -> str:
    """A template of ours with this page in it."""
    # Everything but our own SVG is escaped: host names and command lines come from elsewhere.
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template(template).render(page=page)


def sections(result: FullResult, prefix: str = "") -> list[Section]:
    """The sections of a sweep's page; their ids begin with `prefix`, also those of the figures."""
    found = _sections(result, [replace(it, name=prefix + it.name) for it in panels(result)])
    return [replace(section, name=prefix + section.name) for section in found]


def _sections(result: FullResult, drawn: Sequence[Panel]) -> list[Section]:
    analysis = result.analysis
    front = places(analysis)
    moved = result.moved
    again = reproduce(result)
    withheld = [] if analysis.trusted else [WITHHELD]
    said = [line for arm in analysis.arms for line in statements(arm, analysis)]
    return [
        Section(
            name="slow-down", title="Slow-down", figures=drawn_of(drawn, "slowdown"),
            tables=tables_of(slowdown_table(result)), lines=withheld and [
                "Raw differences only: the words that claim something are withheld."
            ],
        ),
        Section(
            name="per-sample", title="Overhead per sample", figures=drawn_of(drawn, "persample"),
            tables=tables_of(sample_table(result)) if analysis.trusted else (),
            lines=withheld or said,
        ),
        Section(
            name="dose-response", title="Fixed and per-sample cost",
            figures=drawn_of(drawn, "dose"),
            tables=tables_of(dose_table(result)) if analysis.trusted else (),
            lines=withheld or dose_lines(analysis.doses) or [
                "No tracker of this sweep has two settings that differ in numbers only."
            ],
        ),
        Section(
            name="accuracy", title="Accuracy against ground truth",
            tables=tables_of(accuracy_table(result)),
            lines=[
                *([] if accuracy_table(result) else ["No arm reports heat, or no truth is known."]),
                *seen_lines(analysis),
            ],
        ),
        Section(
            name="accuracy-cost", title="Accuracy against cost", figures=drawn_of(drawn, "pareto"),
            tables=tables_of(pareto_table(result, front)),
            lines=withheld or pareto_lines(front) or ["No arm has both accuracy and a cost."],
        ),
        Section(
            name="counters", title="Counters that moved",
            tables=tables_of(counters_table(result, moved)),
            lines=[COUNTERS_NOTE] if any(moved.values()) else ["No counter moved beyond chance."],
        ),
        *_guest(result),
        Section(
            name="session", title="The session", figures=drawn_of(drawn, "session"),
            lines=drift_lines(analysis.drift),
        ),
        *_gates(result),
        Section(
            name="environment", title="Environment", tables=tables_of(environment_table(result)),
        ),
        Section(
            name="again", title=f"To run it again ({result.label})",
            lines=[
                *hash_lines(again), REPRODUCE_NOTE,
                "The commands; the first writes again.yml, which is what stands below them:",
            ],
            blocks=["\n".join(again["commands"]), json.dumps(again["description"], indent=1)],
        ),
    ]  # fmt: skip


def _guest(result: FullResult) -> list[Section]:
    """The guest and the flushes by where and what; nothing of a sweep without a guest."""
    if not (said := guest_lines(result)):
        return []
    return [
        Section(name="guest", title="The guest", lines=said),
        Section(
            name="flushes", title="Flushes", tables=tables_of(flush_table(result)),
            lines=flush_lines(result),
        ),
    ]  # fmt: skip


def _gates(result: FullResult) -> list[Section]:
    """None where no block was run again and every gate was checked."""
    again, said = rerun_table(result), gate_lines(result.analysis)
    if not again and not said:
        return []
    title = "Gates and re-run blocks"
    return [Section(name="gates", title=title, tables=tables_of(again), lines=said)]


def drawn_of(drawn: Sequence[Panel], kind: str) -> list[Drawn]:
    return [
        Drawn(svg=inline_svg(panel), caption=panel.caption)
        for panel in drawn
        if panel.name.rstrip("0123456789").endswith(kind)
    ]


def tables_of(*tables: Table | None) -> list[PlainTable]:
    return [plain(table) for table in tables if table is not None]
