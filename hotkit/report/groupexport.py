"""A sweep of several parts in the formats of others. Raw times for other tools are of one part."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from hotkit.errors import ExitCode, HotkitError
from hotkit.report.exportrows import Row, csv_text, parquet_blob, rows_of_parts
from hotkit.report.exporttables import escape_markdown, latex_table, markdown_table, one_line
from hotkit.report.group import group_dict
from hotkit.report.group_tables import (
    GroupLike,
    each_table,
    label_text,
    over_tables,
    parts_table,
    sample_matrix,
    slowdown_matrix,
)
from hotkit.report.group_words import column_lines, group_verdict
from hotkit.report.plaintable import PlainTable, plain


def export_group(group: GroupLike, form: str) -> bytes:
    """The bytes of a file in this format (hotkit/report/export.py: FORMATS).

    Raises HotkitError for a format that holds one list of times per arm, and before any part has a
    complete block.
    """
    if form not in _FORMATS:
        raise HotkitError(
            f"{group.folder}: {form} holds the times of one part: name it",
            hint=f"hotkit export {group.folder}/parts/NAME --format {form}",
        )
    return _FORMATS[form](group)


def _rows(group: GroupLike) -> list[Row]:
    found = rows_of_parts([part.result for part in group.parts if part.result])
    if not found:
        raise HotkitError(
            f"{group.folder}: no part has a complete block", exit_code=ExitCode.NOT_TRUSTWORTHY
        )
    return found


def _tables(group: GroupLike) -> list[tuple[str, PlainTable]]:
    """(name, table): the parts, the matrix, then what boots and hosts say, column by column."""
    shown = [column for column in group.columns if column.arms]
    found = [("parts", parts_table(group))]
    if shown:
        found.append(("slowdown", slowdown_matrix(group, shown)))
        found.append(("persample", sample_matrix(group, shown)))
    for number, column in enumerate(group.columns):
        each = each_table(column)
        tables = [*over_tables(column), *([each] if each else [])]
        found += [(f"column{number}-{place}", table) for place, table in enumerate(tables)]
    return [(name, one_line(plain(table))) for name, table in found]


def _markdown(group: GroupLike) -> str:
    verdict = group_verdict(group)
    title = f"sweep of {len(group.parts)} parts: {verdict.title} [{label_text(group)}]"
    lines = [f"**{escape_markdown(title)}**", ""]
    lines += _listed(verdict.lines)
    for _, table in _tables(group):
        lines += markdown_table(table)
    lines += ["", *_listed([line for column in group.columns for line in column_lines(column)])]
    return "\n".join(lines) + "\n"


def _listed(lines: Sequence[str]) -> list[str]:
    return [f"- {escape_markdown(line.removeprefix('- '))}" for line in lines]


def _latex(group: GroupLike) -> str:
    """How many parts can be trusted is in each caption, where it cannot be lost."""
    verdict = group_verdict(group)
    doubt = "" if group.trusted else f"{verdict.lines[0]}: "
    said = [*verdict.lines, *(it for column in group.columns for it in column_lines(column))]
    # A comment ends with its line.
    lines = [r"% needs \usepackage{booktabs}", *(f"% {' '.join(it.split())}" for it in said)]
    for name, table in _tables(group):
        lines += latex_table(name, table, doubt)
    return "\n".join(lines) + "\n"


def _json(group: GroupLike) -> str:
    document = group_dict(group) | {"runs": _rows(group)}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


_FORMATS: dict[str, Callable[[GroupLike], bytes]] = {
    "csv": lambda group: csv_text(_rows(group)).encode(),
    "parquet": lambda group: parquet_blob(_rows(group)),
    "json": lambda group: _json(group).encode(),
    "markdown": lambda group: _markdown(group).encode(),
    "latex": lambda group: _latex(group).encode(),
}
