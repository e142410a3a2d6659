"""A terminal's table as data, so that HTML, Markdown and LaTeX show the very same cells."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainTable:
    """`title` carries the label; `right` tells which columns hold numbers."""

    title: str
    columns: tuple[str, ...]
    right: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


def plain(table: Table) -> PlainTable:
    """The text of a table whose headers and cells are all text."""
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    return PlainTable(
        title=str(table.title),
        columns=tuple(str(column.header) for column in table.columns),
        right=tuple(column.justify == "right" for column in table.columns),
        rows=tuple(zip(*columns, strict=True)),
    )
