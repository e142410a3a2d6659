"""docs/benchmarks.md: each benchmark writes the part between its own two marks."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def marks(name: str) -> tuple[str, str]:
    """The lines between which a benchmark's part stands."""
    return f"<!-- {name}: generated -->", f"<!-- {name}: end -->"


def put(name: str, text: str) -> None:
    """Write a benchmark's part anew. ValueError when its marks are not there."""
    begin, end = marks(name)
    before, found, rest = DOCS.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{DOCS.name} has no marks of {name}")
    DOCS.write_text(f"{before}{begin}\n{text}{end}{after}")


def today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def show(console: Console, title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(*head, title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)
