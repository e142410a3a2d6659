"""A sweep of several parts as one HTML file: the matrix, what boots and hosts say, then each part.

Each part's whole report is below, folded in by the browser's own <details>: no script.
"""

from __future__ import annotations

import json
from typing import Any

import hotkit
from hotkit.report.group_tables import (
    GroupLike,
    PartLike,
    each_table,
    head,
    label_of,
    label_text,
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
from hotkit.report.groupfigure import group_panels
from hotkit.report.sweep_verdict import verdict_of
from hotkit.report.sweephtml import Section, drawn_of, render, sections, tables_of


def group_html(group: GroupLike) -> str:
    """The page. The same sweep gives the same text."""
    verdict, label = group_verdict(group), label_text(group)
    again = reproduce_group(group)
    page = {
        "version": hotkit.__version__,
        "title": f"sweep of {len(group.parts)} parts: {verdict.title} ({label})",
        "label": label,
        "verdict": verdict.title,
        "kind": verdict.kind,
        "reasons": verdict.lines,
        "sections": _sections(group),
        "parts": [_part(part, number) for number, part in enumerate(group.parts)],
        "again": Section(
            name="again",
            title=f"To run it again ({label})",
            lines=[
                f"hotkit {again['hotkit']}; seeds and hashes are those of the parts. The first"
                " command writes again.yml, which is what stands below them:"
            ],
            blocks=["\n".join(again["commands"]), json.dumps(again["description"], indent=1)],
        ),
    }
    return render("group.html.j2", page)


def _sections(group: GroupLike) -> list[Section]:
    shown = [column for column in group.columns if column.arms]
    drawn = {panel.name: panel for panel in group_panels(group)}
    found = [
        Section(name="parts", title="The parts", tables=tables_of(parts_table(group))),
        Section(
            name="matrix",
            title="Side by side",
            tables=tables_of(slowdown_matrix(group, shown), sample_matrix(group, shown))
            if shown
            else (),
            lines=[MATRIX_NOTE] if shown else ["No part has a figure that counts."],
        ),
    ]
    for number, column in enumerate(group.columns):
        name = f"column{number}"
        tables = tables_of(*over_tables(column), each_table(column))
        found.append(
            Section(
                name=name,
                title=f"{head(column)} ({label_of(column)})",
                figures=drawn_of([drawn[name]], "column") if name in drawn else (),
                tables=tables,
                lines=[*column_lines(column), *([OVER_NOTE] if over_tables(column) else [])],
            )
        )
    return found


def _part(part: PartLike, number: int) -> dict[str, Any]:
    """A part's report as the template wants it; ids in it begin with part0-, part1-, ..."""
    name = f"part{number}"
    if part.result is None:
        return {
            "name": name, "title": f"{part.name}: nothing measured", "verdict": "nothing measured",
            "label": "no figure", "kind": "untrusted", "reasons": [part.reason], "sections": [],
        }  # fmt: skip
    verdict, label = verdict_of(part.result), str(part.result.label)
    return {
        "name": name, "title": f"{part.name}: {verdict.title} ({label})", "label": label,
        "verdict": verdict.title, "kind": verdict.kind, "reasons": verdict.lines,
        "sections": sections(part.result, f"{name}-"),
    }  # fmt: skip
