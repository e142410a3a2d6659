"""How much memory the readers of pages look at per CPU second, beside plain C (wss.c).

lab-small with the patched kernel; one process of hotset works on all of its memory meanwhile, on a
CPU of its own. Per pair every side looks at that process for some rounds, in an order that is
turned round from pair to pair; the median of the rounds counts. The reference of page idle tracking
is the fastest of three.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.machine import copy_there, patched_machine
from bench.page import put, today
from hotkit.host.ssh import Ssh
from hotkit.host.workload import build, build_hotset, build_scan
from hotkit.host.zipapp import build_agent

HERE = Path(__file__).resolve().parent
PAIRS = {"idlepage": 5, "softdirty": 12, "frames": 12}
CASES = (("4k", 26), ("4k", 256), ("4k", 1024), ("thp", 256))  # memory, MiB
BOUND = 1.5
# Reader, hotkit's side, what the others are; whether the bound holds for it.
READERS = (
    ("idlepage", "scan", "page idle tracking: mark and ask", True),
    ("softdirty", "SoftDirty.look", "soft-dirty: pagemap, heat, clear_refs", True),
    ("frames", "frames_of", "frames of pages (pagemap)", False),
)
HEAD = ("memory", "reader", "hotkit", "C", "C reference", "hotkit's CPU time / C's", "pairs")


@dataclass(frozen=True, slots=True)
class Result:
    """One reader on one kind of memory: GiB per CPU second, and the ratios of the pairs."""

    memory: str
    reader: str
    ours: float
    reference: str
    theirs: float
    ratios: tuple[float, ...]
    bound: float | None

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def within(self) -> bool:
        return self.bound is None or self.median <= self.bound

    def cells(self) -> tuple[str, ...]:
        ratio = f"{self.median:.2f} ({min(self.ratios):.2f} to {max(self.ratios):.2f})"
        if self.bound is not None:
            ratio += f", {'within' if self.within else 'MORE than'} {self.bound}"
        return (
            self.memory, self.reader, f"{self.ours:.2f}", f"{self.theirs:.2f}", self.reference,
            ratio, str(len(self.ratios)),
        )  # fmt: skip


def run(console: Console, write: bool) -> None:
    """Print the table; `write` puts it into docs/benchmarks.md as well."""
    with patched_machine(console) as link:
        given = programs(link)
        said = [measure(console, link, given, memory, mib) for memory, mib in CASES]
    tell(console, said, write)


def tell(console: Console, said: Sequence[Sequence[Mapping[str, Any]]], write: bool) -> None:
    found = [result for lines in said for result in results(lines)]
    machine = said[0][0]["machine"]
    console.print(rich_table(found, machine))
    if write:
        put("scan-rate", page(found, said))


def programs(link: Ssh) -> dict[str, Any]:
    """Everything that onhost.py needs, brought there."""
    files = {
        "agent": build_agent().path,
        "hotset": build_hotset().path,
        "scan": build_scan().path,
        "wss": build("wss", HERE).path,
        "onhost.py": HERE / "onhost.py",
    }
    return {name: copy_there(link, file, name) for name, file in files.items()}


def measure(
    console: Console, link: Ssh, given: Mapping[str, Any], memory: str, mib: int
) -> list[dict[str, Any]]:
    """What onhost.py said: the machine first, then its measurements."""
    order = dict(given, bytes=mib << 20, memory=memory, pairs=PAIRS)
    found = []
    for line in link.stream(["python3", given["onhost.py"], json.dumps(order)]):
        found.append(json.loads(line))
        if len(found) % 10 == 0:
            console.print(f"{mib} MiB, {memory}: {len(found)} measurements")
    return found


def results(said: Sequence[Mapping[str, Any]]) -> Iterable[Result]:
    """A row per reader; its reference is the one with the least CPU time per page."""
    head, *lines = said
    memory = f"{head['bytes'] >> 20} MiB, {head['memory']}"
    for reader, side, what, bound in READERS:
        sides: dict[str, list[float]] = {}
        for line in lines:
            if line["reader"] == reader:
                sides.setdefault(line["side"], []).append(rate(line))
        ours = sides.pop(side)
        reference = max(sides, key=lambda name: statistics.median(sides[name]))
        yield Result(
            memory=memory,
            reader=what,
            ours=statistics.median(ours),
            reference=f"wss {reference}",
            theirs=statistics.median(sides[reference]),
            ratios=tuple(b / a for a, b in zip(ours, sides[reference], strict=True)),
            bound=BOUND if bound else None,
        )


def rate(line: Mapping[str, Any]) -> float:
    """GiB of tracked memory per CPU second."""
    return float(line["pages"]) * 4096 / 2**30 / (float(line["cpu_ns"]) / 1e9)


def about(machine: Mapping[str, Any]) -> str:
    return f"{machine['platform']}, {machine['kernel_release']}, python {machine['python']}"


def rich_table(found: Iterable[Result], machine: Mapping[str, Any]) -> Table:
    table = Table(*HEAD, title=f"GiB of tracked memory per CPU second: {about(machine)}")
    for result in found:
        table.add_row(*result.cells())
    return table


def page(found: Iterable[Result], said: Sequence[Sequence[Mapping[str, Any]]]) -> str:
    """The generated part of docs/benchmarks.md."""
    machine = said[0][0]["machine"]
    text = f"## Scan rate ({machine['platform']})\n\n"
    text += f"GiB of tracked memory per CPU second ({about(machine)}), of {today()}; medians "
    text += "of the pairs.\n\n"
    text += f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|\n"
    for result in found:
        text += f"| {' | '.join(result.cells())} |\n"
    text += "\nAll sides, medians:\n\n| memory | GiB per CPU second |\n|---|---|\n"
    for head, *lines in said:
        sides: dict[str, list[float]] = {}
        for line in lines:
            sides.setdefault(line["side"], []).append(rate(line))
        rates = ", ".join(f"{name} {statistics.median(one):.2f}" for name, one in sides.items())
        memory = f"{head['bytes'] >> 20} MiB, {head['memory']}"
        text += f"| {memory} ({head['huge_bytes'] >> 20} MiB of it huge pages) | {rates} |\n"
    return text
