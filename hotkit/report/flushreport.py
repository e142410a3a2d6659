"""`hotkit report --table flushes`: the table of flushes on the terminal, and as a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from hotkit.core.flushes import FlushKind, flush_rows
from hotkit.errors import ExitCode, HotkitError
from hotkit.report.exportrows import csv_text
from hotkit.report.exporttables import escape_markdown, latex_table, markdown_table, one_line
from hotkit.report.flushtable import (
    flush_dict,
    flush_lines,
    flush_records,
    flush_table,
    kinds_of,
)
from hotkit.report.group_tables import GroupLike, PartLike
from hotkit.report.plaintable import plain
from hotkit.report.sweep_more import FullResult
from hotkit.report.sweep_verdict import verdict_of


def print_flushes(group: GroupLike, console: Console) -> None:
    """Of each part: whether it can be trusted, its table, and what its columns are."""
    for part, result in _measured(group):
        verdict = verdict_of(result)
        console.print(
            Text(f"{_name(group, part, result)}: {verdict.title} [{result.label}]", style="bold")
        )
        if not result.analysis.trusted:
            for doubt in result.analysis.untrusted:
                console.print(Text(f"  - {doubt}"))
        for kinds in _that_fit(result, console):
            console.print(flush_table(result, kinds))
        for line in flush_lines(result):
            console.print(Text(f"  {line}"))
    for part in group.parts:
        if part.result is None:
            console.print(Text(f"{part.name}: {part.reason}"))


def _that_fit(result: FullResult, console: Console) -> Sequence[Sequence[FlushKind]]:
    """The columns in so many tables that none is wider than the terminal: a figure that is cut off
    is no figure."""
    roomy = console.options.update(width=10_000)
    cut: list[list[FlushKind]] = [[]]
    for kind in kinds_of(result, flush_rows(result.runs)):
        table = flush_table(result, [*cut[-1], kind])
        if cut[-1] and console.measure(table, options=roomy).maximum > console.width:
            cut.append([])
        cut[-1].append(kind)
    return cut


def flushes_file(group: GroupLike, form: str) -> bytes:
    """The bytes of a file: form is one of FORMS. HotkitError (5) when nothing was measured."""
    return FORMS[form](group).encode()


def _csv(group: GroupLike) -> str:
    return csv_text([row for _, result in _measured(group) for row in flush_records(result)])


def _json(group: GroupLike) -> str:
    found: dict[str, Any] = {
        "schema_version": 1,
        "table": "flushes",
        "parts": [
            {"part": dict(part.part), "reason": part.reason,
             "flushes": flush_dict(part.result) if part.result else None}
            for part in group.parts
        ],
    }  # fmt: skip
    if group.document is None:
        found = flush_dict(_measured(group)[0][1])
    return json.dumps(found, indent=2, allow_nan=False) + "\n"


def _markdown(group: GroupLike) -> str:
    lines = []
    for part, result in _measured(group):
        title = f"{_name(group, part, result)}: {verdict_of(result).title} [{result.label}]"
        lines += [f"**{escape_markdown(title)}**"]
        lines += markdown_table(one_line(plain(flush_table(result))))
        lines += ["", *(f"- {escape_markdown(line)}" for line in flush_lines(result)), ""]
    return "\n".join(lines)


def _latex(group: GroupLike) -> str:
    """One table for each part; a session that is not trustworthy says so in its caption."""
    lines = [r"% needs \usepackage{booktabs}"]
    for number, (part, result) in enumerate(_measured(group)):
        several = group.document is not None
        doubt = "" if result.analysis.trusted else "NOT TRUSTWORTHY: "
        # A comment ends with its line.
        said = [_name(group, part, result), *verdict_of(result).lines, *flush_lines(result)]
        lines += [f"% {' '.join(line.split())}" for line in said]
        caption = doubt + (f"{part.name}: " if several else "")
        name = f"flushes{number}" if several else "flushes"
        lines += latex_table(name, one_line(plain(flush_table(result))), caption)
    return "\n".join(lines) + "\n"


FORMS: dict[str, Callable[[GroupLike], str]] = {
    "csv": _csv, "json": _json, "markdown": _markdown, "latex": _latex,
}  # fmt: skip


def _measured(group: GroupLike) -> list[tuple[PartLike, FullResult]]:
    found = [(part, part.result) for part in group.parts if part.result]
    if not found:
        raise HotkitError(
            f"{group.folder}: no part has a complete block", exit_code=ExitCode.NOT_TRUSTWORTHY
        )
    return found


def _name(group: GroupLike, part: PartLike, result: FullResult) -> str:
    return f"sweep on {result.host}" if group.document is None else part.name
