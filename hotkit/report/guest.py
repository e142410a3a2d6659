"""What `hotkit guest` prints: a row per guest, and below what was done or is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hotkit.core.guestoutcome import BAD_STATES, GuestOutcome
from hotkit.core.plaintext import plain_line

_STYLES = {"running": "green", "starting": "yellow", "down": "dim"} | dict.fromkeys(
    BAD_STATES, "bold red"
)


def print_guests(outcomes: Sequence[GuestOutcome], console: Console) -> None:
    """The table, then a line per sentence; what a guest or host said is made harmless first."""
    table = Table(show_edge=False, pad_edge=False)
    for name in ("host", "guest", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("since", "pid", "ssh", "platform", "what"):
        table.add_column(name, overflow="fold")
    for outcome in outcomes:
        state = plain_line(outcome.state or "unknown")
        table.add_row(
            Text(outcome.host),
            Text(outcome.guest),
            Text(state, style=_STYLES.get(state, "")),
            Text("-" if outcome.since_s is None else _age(outcome.since_s)),
            Text("-" if outcome.pid is None else str(outcome.pid)),
            Text("answers" if outcome.ssh else "-"),
            Text(str(outcome.label) if outcome.label else "-"),
            Text(outcome.about),
        )
    console.print(table)
    for outcome in outcomes:
        title = f"{outcome.host}: "
        for sentence in outcome.said:
            console.print(Text(title + plain_line(sentence)))
        for sentence in outcome.problems:
            named = "" if outcome.guest in sentence else f"guest {outcome.guest}: "
            console.print(Text(title + named + plain_line(sentence), style="bold red"))
        if outcome.problems and outcome.advice:
            console.print(Text(f"  {plain_line(outcome.advice)}"))


def _age(seconds: float) -> str:
    """`40 s`, `12 min`, `5 h`, `3 d`: the largest unit of which there are two."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
