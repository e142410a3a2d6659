"""How hosts are named that were all asked at once, and those that said nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from hotkit.core.answer import Answer


def host_title(answer: Answer) -> str:
    """`tier1 [metal]`: every figure and verdict carries its platform."""
    return f"{answer.host} [{answer.label}]" if answer.label else answer.host


def silent_hosts(answers: Sequence[Answer], console: Console) -> None:
    """A line for each host that did not answer, or does not run, with what to do."""
    for answer in answers:
        if answer.problem:
            style = "yellow" if not answer.running else "bold red"
            console.print(Text(f"{answer.host}: {answer.problem}", style=style), end="")
            console.print(Text(f": {answer.advice}" if answer.advice else ""))
