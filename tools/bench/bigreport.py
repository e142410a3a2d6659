"""How long `hotkit report` takes over 100,000 runs, beside what parses the same journal alone.

Every side is a process of its own, in an order that is turned round from round to round. The
journal has the lines of a real run of this machine (tests/integration/bigsweep.py).
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rich.console import Console

from bench.here import about_here, go_first
from bench.page import markdown, put, show, today

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.bigsweep import measure_small, multiply

NAME = "big-report"
RUNS, ROUNDS = 100_000, 9
BOUND_S, BOUND_MB = 5.0, 500
PEER = "json.loads, line by line"
# Each with the sweep's directory as {folder} and a scratch file as {out}.
SIDES = {
    PEER: "import json\nfor line in open('{folder}/journal.jsonl'): json.loads(line)",
    "hotkit report": "from hotkit.cli import main\nmain(['report', '{folder}'])",
    "hotkit report --html": (
        "from hotkit.cli import main\nmain(['report', '{folder}', '--html', '{out}'])"
    ),
    "pandas.read_json(lines=True)": (
        "import pandas\npandas.read_json('{folder}/journal.jsonl', lines=True)"
    ),
}
# Slow, and only there to be compared with: once.
ONCE = {"pandas.read_json(lines=True)"}
# The peak of its own memory, by the process itself: what wait4 says begins with the parent's.
_TELL = "\nimport sys\nsys.stderr.write(open('/proc/self/status').read())"


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds on the wall and of CPU, and the most memory, of one process."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def run(console: Console, write: bool) -> None:
    """Print the table; `write` puts it into docs/benchmarks.md as well."""
    with tempfile.TemporaryDirectory(prefix="hotkit-bench-") as scratch:
        console.print(f"writing a journal of {RUNS:,} runs")
        folder = multiply(measure_small(Path(scratch) / "small"), Path(scratch) / "big", RUNS)
        size_mb = (folder / "journal.jsonl").stat().st_size / 1e6
        go_first()
        taken: dict[str, list[Taken]] = {name: [] for name in SIDES}
        for number in range(ROUNDS):
            names = [name for name in SIDES if number == 0 or name not in ONCE]
            for name in names if number % 2 else reversed(names):
                code = SIDES[name].format(folder=folder, out=Path(scratch) / "report.html")
                taken[name].append(measure(code))
            console.print(f"round {number + 1} of {ROUNDS}")
    rows = table(taken)
    show(console, f"{RUNS:,} runs, {size_mb:.0f} MB: {about_here()}", HEAD, rows)
    if write:
        put(NAME, page(rows, size_mb))


def measure(code: str) -> Taken:
    began = perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", code + _TELL], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as child:
        assert child.stderr is not None
        said = child.stderr.read().decode()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, code, stderr=said)
    (peak_kib,) = re.findall(r"^VmHWM:\s+(\d+) kB$", said, re.M)
    return Taken(
        wall_s=perf_counter() - began,
        cpu_s=used.ru_utime + used.ru_stime,
        peak_mb=int(peak_kib) * 1024 / 1e6,
    )


HEAD = (
    "what",
    "s of CPU, least (median)",
    "s on the wall, least (median)",
    "most MB",
    "CPU / peer",
)


def table(taken: dict[str, list[Taken]]) -> list[Sequence[str]]:
    """A row per side; the ratio is the median over the rounds, each with its own peer."""
    rows = []
    for name, all_taken in taken.items():
        cpu, wall = [it.cpu_s for it in all_taken], [it.wall_s for it in all_taken]
        ratios = [it.cpu_s / peer.cpu_s for it, peer in zip(all_taken, taken[PEER], strict=False)]
        rows.append(
            (
                name,
                f"{min(cpu):.2f} ({statistics.median(cpu):.2f})",
                f"{min(wall):.2f} ({statistics.median(wall):.2f})",
                f"{max(it.peak_mb for it in all_taken):.0f}",
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            )
        )
    return rows


def page(rows: Sequence[Sequence[str]], size_mb: float) -> str:
    """The generated part of docs/benchmarks.md."""
    return (
        f"{RUNS:,} runs, a journal of {size_mb:.0f} MB ({about_here()}), of {today()};"
        f" {ROUNDS} rounds, pandas once.\n\n{markdown(HEAD, rows)}"
    )
