"""What can be won of a machine's memory: a table for a terminal, plain lines for a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hotkit.core.remedy import Remedy, profile_text
from hotkit.core.units import MIB


def print_remedies(found: Sequence[Remedy], console: Console) -> None:
    """Each remedy with what it wins, then the profile that applies all that a profile can."""
    if not found:
        console.print(Text("Nothing that would win a MiB is known."))
        return
    if console.is_terminal:
        console.print(_table(found))
    else:
        for line in plain_lines(found):
            console.print(Text(line), soft_wrap=True)
    together = profile_text(found)
    if together:
        console.print(Text("All of it that a profile applies:"))
        for line in together.splitlines():
            console.print(Text(f"  {line}"), soft_wrap=True)


def plain_lines(found: Sequence[Remedy]) -> list[str]:
    """Three lines for each remedy."""
    lines: list[str] = []
    for item in found:
        lines.append(f"{_amount(item)}  {item.name}: {item.sentence}")
        lines += [f"    from: {item.basis}", f"    do: {_how(item)}"]
    return lines


def _table(found: Sequence[Remedy]) -> Table:
    table = Table(title="What can be won", show_lines=True)
    table.add_column("MiB won", justify="right", no_wrap=True)
    table.add_column("what, why, and what it costs", overflow="fold")
    table.add_column("how", overflow="fold")
    for item in found:
        what = Text(f"{item.name}: ", style="dim" if item.by_itself else "bold")
        what.append(f"{item.sentence} ", style="default")
        what.append(f"({item.basis})", style="dim")
        table.add_row(Text(_amount(item)), what, Text(_how(item)))
    return table


def _how(item: Remedy) -> str:
    return item.apply.replace("\n", "; ")


def _amount(item: Remedy) -> str:
    if item.between is None:
        return f"{item.saves_bytes / MIB:.1f}"
    low, high = (size / MIB for size in item.between)
    return f"{item.saves_bytes / MIB:.1f} ({low:.0f} to {high:.0f})"
