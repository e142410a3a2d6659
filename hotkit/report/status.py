"""What `hotkit status` prints: a row per host, and a sentence below for what is odd."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hotkit.core.hoststatus import HostStatus


def print_status(rows: Sequence[HostStatus], console: Console) -> None:
    """The table, then problems, left-overs and advice."""
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("host", no_wrap=True)
    for name in ("runs", "kernel", "journal", "armed", "power", "console"):
        table.add_column(name, overflow="fold")
    for row in rows:
        runs = row.runs or ""
        if row.profile and runs != "stock":
            runs = f"{row.profile} ({runs[:8]})"
        journal = f"{row.journal} since {row.since}" if row.journal else "-"
        table.add_row(
            Text(row.host),
            Text(runs) if row.reachable else Text("unreachable", style="bold red"),
            Text(row.kernel or ""),
            Text(journal if row.reachable else ""),
            Text(("yes" if row.armed else "no") if row.reachable else ""),
            Text(row.power or "none"),
            Text(row.console or "none"),
        )
    console.print(table)
    for row in rows:
        for line in (row.problem, *row.left_over, row.held_by and f"held by {row.held_by}"):
            if line:
                console.print(Text(f"{row.host}: {line}", style="yellow"))
        if row.advice:
            console.print(Text(f"{row.host}: {row.advice}"))
