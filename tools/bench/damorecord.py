"""Reading a record of damo: working sets and heat map, by hotkit and by damo, of the same file.

Each is a process of its own, from its start to its exit, in an order that is turned round from
round to round: damo needs two commands (`report wss`, `report heatmap`), hotkit one (`record
report`). Before anything is timed, both must say the same of the smallest file.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.bigreport import Taken, measure
from bench.here import about_here, go_first
from bench.page import markdown, put, show, today
from hotkit.core.regions import Intervals, RegionSnapshots, Target
from hotkit.report.damorecord import damo_json, packed

NAME = "damo-record"
REGIONS = 1000  # of a snapshot; DAMON's default maximum
# Snapshots, rounds, and whether damo reads that too: of 10,000 snapshots it would hold 5.5 GB of
# text at once, twice, before it makes an object of anything.
SIZES = ((100, 5, True), (1_000, 3, True), (10_000, 1, False))
FORMS = ("json_compressed", "perf_script")
BOUND = 10.0
HOTKIT, WSS, HEATMAP = "hotkit record report", "damo report wss", "damo report heatmap"
_DAMO = "import sys\nsys.argv = {argv!r}\nfrom damo.damo import main\nmain()"
_PAGE, _BASE, _CHECKS = 4096, 0x563E_BAA0_0000, 20


@dataclass(frozen=True, slots=True)
class Read:
    """What one side took for one file, a Taken per round (damo's is that of both commands)."""

    regions: int
    form: str
    size_mb: float
    hotkit: list[Taken]
    wss: list[Taken]
    heatmap: list[Taken]


def run(console: Console, write: bool) -> None:
    """Print the table; `write` puts it into docs/benchmarks.md as well."""
    go_first()
    found = []
    with tempfile.TemporaryDirectory(prefix="hotkit-bench-") as scratch:
        for snapshots, rounds, with_damo in SIZES:
            made = made_record(snapshots)
            for form in FORMS:
                path = Path(scratch) / f"{form}-{snapshots}"
                write_record(made, form, path)
                if snapshots == SIZES[0][0]:
                    agree(path)
                found.append(compare(path, form, made.regions, rounds, with_damo))
                console.print(f"{made.regions:,} regions, {form}: {rounds} rounds")
                path.unlink()
            del made
    rows = table(found)
    show(console, f"reading a record of damo: {about_here()}", HEAD, rows)
    if write:
        put(NAME, page(rows))


def made_record(snapshots: int) -> RegionSnapshots:
    """Snapshots of 1,000 regions each, as DAMON's regions are: all sizes, most of them cold."""
    luck = np.random.default_rng(1)
    first = np.arange(snapshots + 1) * REGIONS
    cuts = np.sort(luck.permuted(np.tile(np.arange(1, REGIONS * 8), (snapshots, 1)), axis=1)[
        :, : REGIONS - 1
    ])  # fmt: skip
    edges = np.zeros((snapshots, REGIONS + 1), dtype=np.uint64)
    edges[:, 1:-1], edges[:, -1] = cuts, REGIONS * 8
    edges = edges * np.uint64(8 * _PAGE) + np.uint64(_BASE)
    at = 10**12 + 100_000_000 * (np.arange(snapshots) + 1)
    return RegionSnapshots(
        target=Target(),
        since_ns=at - 100_000_000,
        at_ns=at,
        sample_us=np.full(snapshots, 5000.0),
        aggr_us=np.full(snapshots, 100_000.0),
        full=np.full(snapshots, float(_CHECKS)),
        first=first,
        start=edges[:, :-1].ravel(),
        end=edges[:, 1:].ravel(),
        accesses=luck.choice([0, 0, 0, 0, 1, 3, 20], snapshots * REGIONS).astype(np.uint32),
        age=luck.integers(0, 50, snapshots * REGIONS),
        intervals=Intervals(sample_us=5000, aggr_us=100_000),
    )


def write_record(made: RegionSnapshots, form: str, path: Path) -> None:
    """In damo's layout; what it says is held to be damo's own by tests/integration."""
    with path.open("wb") as file:
        if form == "json_compressed":
            for piece in packed(damo_json([made])):
                file.write(piece)
            return
        for number in range(made.snapshots):
            rows = slice(int(made.first[number]), int(made.first[number + 1]))
            head = (
                f"kdamond.x xxxx xxxx {made.at_ns[number] / 1e9:.6f}: damon:damon_aggregated:"
                f" target_id=0 nr_regions={rows.stop - rows.start} "
            )
            columns = (made.start[rows], made.end[rows], made.accesses[rows], made.age[rows])
            lines = zip(*(column.tolist() for column in columns), strict=True)
            file.write("".join(f"{head}{a}-{b}: {c} {d}\n" for a, b, c, d in lines).encode())


def code_of(what: str, path: Path) -> str:
    if what == HOTKIT:
        return f"from hotkit.cli import main\nmain(['record', 'report', {str(path)!r}])"
    argv = [*what.split(), "-i", str(path)]
    if what == WSS:
        argv += ["--exclude_samples", "0"]
    return _DAMO.format(argv=argv)


def agree(path: Path) -> None:
    """Both must say the same least and most working set. AssertionError where they do not."""

    def said(code: str) -> str:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    words = ["record", "report", str(path), "--json"]
    ours = json.loads(said(f"from hotkit.cli import main\nmain({words!r})"))
    sizes = ours["imported"]["accessed_regions_bytes"]
    argv = ["damo", "report", "wss", "-i", str(path), "--exclude_samples", "0", "--raw_number"]
    lines = said(_DAMO.format(argv=argv)).splitlines()
    theirs = {line.split()[0]: int(line.split()[1]) for line in lines if line[0] in " 1"}
    assert (sizes["0"], sizes["100"]) == (theirs["0"], theirs["100"]), (sizes, theirs)


def compare(path: Path, form: str, regions: int, rounds: int, with_damo: bool) -> Read:
    sides = [HOTKIT, WSS, HEATMAP] if with_damo else [HOTKIT]
    taken: dict[str, list[Taken]] = {HOTKIT: [], WSS: [], HEATMAP: []}
    for number in range(rounds):
        for side in sides if number % 2 else reversed(sides):
            taken[side].append(measure(code_of(side, path)))
    size_mb = path.stat().st_size / 1e6
    return Read(regions, form, size_mb, taken[HOTKIT], taken[WSS], taken[HEATMAP])


HEAD = (
    "regions", "format", "MB", "hotkit: s of CPU, s on the wall, MB", "damo wss", "damo heatmap",
    "damo / hotkit: CPU", "memory",
)  # fmt: skip


def table(found: Sequence[Read]) -> list[Sequence[str]]:
    """A row per file. The ratio of time is the median over the rounds, damo's two commands
    together; that of memory is between the largest."""
    rows = []
    for one in found:
        cells = [f"{one.regions:,}", one.form, f"{one.size_mb:.1f}", *map(
            figures, (one.hotkit, one.wss, one.heatmap)
        )]  # fmt: skip
        if not one.wss:
            rows.append((*cells, "", ""))
            continue
        ratios = [
            (wss.cpu_s + heatmap.cpu_s) / ours.cpu_s
            for ours, wss, heatmap in zip(one.hotkit, one.wss, one.heatmap, strict=True)
        ]
        middle = statistics.median(ratios)
        theirs = max(it.peak_mb for it in [*one.wss, *one.heatmap])
        ours_mb = max(it.peak_mb for it in one.hotkit)
        verdict = f"{BOUND:g} or more" if middle >= BOUND else f"LESS than {BOUND:g}"
        rows.append((
            *cells, f"{middle:.1f} ({min(ratios):.1f} to {max(ratios):.1f}), {verdict}",
            f"{theirs / ours_mb:.1f}",
        ))  # fmt: skip
    return rows


def figures(taken: Sequence[Taken]) -> str:
    if not taken:
        return "not run"
    return (
        f"{statistics.median(it.cpu_s for it in taken):.2f},"
        f" {statistics.median(it.wall_s for it in taken):.2f},"
        f" {max(it.peak_mb for it in taken):.0f}"
    )


def page(rows: Sequence[Sequence[str]]) -> str:
    """The generated part of docs/benchmarks.md."""
    rounds = ", ".join(f"{number} of {size * REGIONS:,} regions" for size, number, _ in SIZES)
    return (
        f"{about_here()}, of {today()}; medians, memory the most; rounds: {rounds}.\n\n"
        f"{markdown(HEAD, rows)}"
    )
