"""How long hotkit takes to start: --help, and a layout planned from a capture.

Python by itself is the peer: what nobody can go below. The rounds are many and short, in an order
that is turned round; the least time is the figure to look at on a busy machine.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from rich.console import Console

from bench.here import about_here, go_first
from bench.results import Figure, keep, load_average

NAME = "startup"
ROUNDS = 60
CAPTURE = Path(__file__).resolve().parents[2] / "tests/data/captures/lab-2s-256g"
# Each with what its median may reach, in ms.
COMMANDS: dict[str, tuple[Sequence[str], float | None]] = {
    "python": (("-c", "pass"), None),
    "hotkit --help": (("-m", "hotkit", "--help"), 150.0),
    "hotkit layout plan": (
        ("-m", "hotkit", "layout", "plan", "4C16G-remote", "--topology", str(CAPTURE)), 300.0,
    ),
}  # fmt: skip


def run(console: Console, write: bool) -> None:
    """Print the table; `write` keeps it."""
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    go_first()
    for number in range(ROUNDS):
        for name in COMMANDS if number % 2 else reversed(COMMANDS):
            taken[name].append(milliseconds(COMMANDS[name][0]))
    load = load_average()
    figures = [
        Figure(what=name, unit="ms", hotkit=taken[name], at_most=bound, load=load)
        for name, (_, bound) in COMMANDS.items()
    ]
    keep(console, NAME, about_here(), figures, write=write)


def milliseconds(words: Sequence[str]) -> float:
    began = perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return (perf_counter() - began) * 1000
