"""The time of a command beside hyperfine's, in pairs; and what hotkit itself takes between runs.

Both start the command without a shell, once per measurement, in an order that is turned round from
pair to pair. The command says how long its own work took: compared is what each counts beside that.
What hotkit takes is read from the journals of real sweeps of this machine.
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from bench.here import about_here, go_first
from bench.page import markdown, put, show, today
from hotkit.host.store import read_journal
from hotkit.sweep.run import sweep

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.commandtime import HUNDRED_MS, OBSERVERS, one_round

NAME = "timing"
PAIRS = 100
AGREE_MS = 0.2


def adding(times: int) -> str:
    """A statement of awk that adds so many times."""
    return f"for (i = 0; i < {times}; i++) x += i"


COMMANDS = {"nothing": 0, "100 ms": HUNDRED_MS, "200 ms": 2 * HUNDRED_MS}
# Of a real sweep each; a run of 0.1 s, so that what is beside it shows.
WORKLOADS: dict[str, dict[str, Any]] = {
    "hotset, 64 MiB": {"kind": "hotset", "size": "64M", "hot": "8M", "seconds": 0.1},
    "a command beside a server": {
        "kind": "command", "start": ["sleep", "1000"], "ready": {"seconds": 0},
        "work": ["mawk", f"BEGIN {{ {adding(4_000_000)} }}"],
    },
    "a command by itself": {
        "kind": "command", "ready": {"output": "^ready$"},
        "work": ["mawk", f'BEGIN {{ print "ready"; fflush(); {adding(6_000_000)} }}'],
    },
}  # fmt: skip
BLOCKS = 10


@dataclass(frozen=True, slots=True)
class Pairs:
    """By observer, its time of each run and what of it is not the program's own, in ms."""

    times: Mapping[str, Sequence[float]]
    added: Mapping[str, Sequence[float]]

    @property
    def least(self) -> float:
        """hotkit's least addition less hyperfine's: noise only adds."""
        return min(self.added["hotkit"]) - min(self.added["hyperfine"])

    @property
    def median(self) -> tuple[float, float, float]:
        """The median difference of a pair, with its 95 % interval by order statistics."""
        pairs = zip(self.added["hotkit"], self.added["hyperfine"], strict=True)
        found = sorted(ours - theirs for ours, theirs in pairs)
        n = len(found)
        low = max(0, math.floor(n / 2 - 0.98 * math.sqrt(n)))
        return statistics.median(found), found[low], found[n - 1 - low]

    def cells(self, name: str) -> Sequence[str]:
        middle, low, high = self.median
        within = "within" if abs(self.least) <= AGREE_MS else "MORE than"
        return (
            name,
            *(
                f"{min(times):.2f} ({statistics.median(times):.2f})"
                for times in self.times.values()
            ),
            *(f"{min(more):.3f} ({statistics.median(more):.3f})" for more in self.added.values()),
            f"{self.least:+.3f}, {within} {AGREE_MS}",
            f"{middle:+.3f} ({low:+.3f} to {high:+.3f})",
        )


HEAD = (
    "the program's work", *(f"{name}'s time" for name in OBSERVERS),
    *(f"{name} adds" for name in OBSERVERS), "least against least", "of a pair, median (95 %)",
)  # fmt: skip
BESIDE_HEAD = ("workload", "runs", "timed", "beside it in the run", "between runs")


def run(console: Console, write: bool) -> None:
    """Print both tables; `write` puts them into docs/benchmarks.md as well."""
    with tempfile.TemporaryDirectory(prefix="hotkit-bench-") as scratch:
        rows = []
        go_first()
        for name, steps in COMMANDS.items():
            rows.append(measure(steps, Path(scratch)).cells(name))
            console.print(f"{name}: {PAIRS} pairs")
        beside = []
        for number, (name, workload) in enumerate(WORKLOADS.items()):
            beside.append(beside_the_work(name, workload, Path(scratch) / str(number)))
            console.print(f"{name}: measured")
    show(console, f"the time of a command in ms, least (median): {about_here()}", HEAD, rows)
    show(console, "what hotkit takes itself in ms, least (median)", BESIDE_HEAD, beside)
    if write:
        put(NAME, page(rows, beside))


def measure(steps: int, scratch: Path) -> Pairs:
    rounds = [one_round(steps, scratch, bool(pair % 2)) for pair in range(PAIRS)]
    return Pairs(
        times={name: [found[name][0] for found in rounds] for name in OBSERVERS},
        added={name: [found[name][0] - found[name][1] for found in rounds] for name in OBSERVERS},
    )


def beside_the_work(name: str, workload: Mapping[str, Any], folder: Path) -> Sequence[str]:
    """A sweep without a tracker; what its runs took beside the timed part."""
    description = folder.with_suffix(".yml")
    given = {
        "schema_version": 1, "blocks": BLOCKS, "seed": 1, "quiesce": False, "workload": workload,
        "arms": [{"tracker": "none", "name": "nothing"}],
    }  # fmt: skip
    description.write_text(yaml.safe_dump(given))
    sweep(description, local=True, out=folder)
    ends = [event for event in read_journal(folder) if event["type"] == "end"]
    runs = [event for event in ends if event["run"]]
    (whole,) = (event["elapsed_ns"] for event in ends if not event["run"])
    timed = [end["duration_ns"] / 1e6 for end in runs]
    in_run = [(end["harness_ns"] - end["duration_ns"]) / 1e6 for end in runs]
    between = (whole - sum(end["harness_ns"] for end in runs)) / 1e6 / len(runs)
    return (
        name,
        str(len(runs)),
        f"{min(timed):.1f} ({statistics.median(timed):.1f})",
        f"{min(in_run):.1f} ({statistics.median(in_run):.1f})",
        f"{between:.1f}",
    )


def page(rows: Sequence[Sequence[str]], beside: Sequence[Sequence[str]]) -> str:
    """The generated part of docs/benchmarks.md."""
    return (
        f"{about_here()}, of {today()}; {PAIRS} pairs each; in ms, least (median).\n\n"
        f"{markdown(HEAD, rows)}\n"
        f"What hotkit takes itself, in ms, least (median), between runs the mean:\n\n"
        f"{markdown(BESIDE_HEAD, beside)}"
    )
