"""Every tracker on the patched kernel, against a workload whose hot pages are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hotkit.cli import main
from tests.lab.cases import NAME

# A cold page is touched once in a few seconds, a hot one hundreds of times between two looks; and
# the hot part fits the emulated TLB: what flushes nothing is blind to it. The kernel's first scan
# for numa-hint comes a second after the workload began, which must not be the end of it on a host
# that was busy while the amount of work was found out, and is not any more.
_WORK = "{kind: hotset, size: 8M, hot: 1M, weight: 100000, pin: true, seconds: 3, seed: 1%s}"
_SPARE = "placement: spare"
# The workload is alone on its CPU: with another thread there, switches between them would flush.
_DAMON = f"operations: fvaddr, sample_us: 10000, min_regions: 400, {_SPARE}"
ARMS = {
    "softdirty": ("softdirty", f"interval_ms: 100, {_SPARE}"),
    # Its handler wakes for every page: on a CPU of its own that is an interrupt between CPUs each
    # time, which emulation makes a thousand times dearer than the fault.
    "uffd-wp": ("uffd-wp", "interval_ms: 500"),
    "numa-hint": ("numa-hint", _SPARE),
    "mglru": ("mglru", f"interval_ms: 200, {_SPARE}"),
    "idle-stock": ("idlepage", f"interval_ms: 100, {_SPARE}"),
    "idle-flush": ("idlepage", f"interval_ms: 100, flush: primary, {_SPARE}"),
    "damon-stock": ("damon", _DAMON),
    "damon-flush": ("damon", f"flush: primary, {_DAMON}"),
    "folio-stock": ("folio-referenced", f"interval_ms: 100, {_SPARE}"),
    "folio-flush": ("folio-referenced", f"interval_ms: 100, flush: primary, {_SPARE}"),
    "reclaim": ("reclaim", f"interval_ms: 300, amount_kib: 256, flush: primary, {_SPARE}"),
}
# Memory that cannot move, so that reclaim asks and leaves it.
_WORK_OF = {"reclaim": ", workload: {unmovable: true}"}


def description(arms: dict[str, tuple[str, str]], more: str = "") -> str:
    """A SWEEP.yml of six blocks; `more` for the workload of every arm."""
    lines = [
        f"  - {{name: {name}, tracker: {tracker}, settings: {{{settings}}}{part}}}"
        for name, (tracker, settings) in arms.items()
        for part in [_WORK_OF.get(name, "")]
    ]
    return "\n".join(
        # Times do not matter here, and a kernel may complain of a busy host: no gates.
        [
            "schema_version: 1",
            "blocks: 6",
            "gates: false",
            f"workload: {_WORK % more}",
            "arms:",
            *lines,
            "",
        ]
    )


def sweep(
    inventory: Path, folder: Path, text: str, capsys: pytest.CaptureFixture[str], on: str = NAME
) -> dict[str, dict[str, Any]]:
    """Run it there; the arms by name. Times do not matter here: exit code 5 may come."""
    folder.mkdir()
    file = folder / "sweep.yml"
    file.write_text(text)
    words = ["sweep", str(file), "-i", str(inventory), "--limit", on]
    capsys.readouterr()
    code = main([*words, "--out", str(folder / "out"), "--json"])
    said = capsys.readouterr()
    assert code in (0, 5), said.err
    return {arm["arm"]: arm for arm in json.loads(said.out)["arms"]}


def judge_recording(
    inventory: Path, folder: Path, capsys: pytest.CaptureFixture[str], on: str = NAME
) -> None:
    """The hot range moves three times; a recording of soft-dirty bits shows it where it was."""
    file = folder / "moving.yml"
    work = "{kind: hotset, size: 8M, hot: 1M, weight: 100000, pin: true, seconds: 4, phases: 4}"
    file.write_text(f"schema_version: 1\nworkload: {work}\n")
    words = ["record", "watch", str(file), "-i", str(inventory), "--limit", on]
    words += ["--tracker", "softdirty", "--set", "interval_ms=100", "--set", "placement=spare"]
    assert main([*words, "--out", str(folder / "out")]) == 0
    assert "[emulated]" in capsys.readouterr().out
    assert main(["record", "report", str(folder / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["complete"] and len(found["phases"]) == 4
    assert found["truth"]["found"] > 0.8, found["truth"]
    assert len(found["noticed_s"]) == 3 and None not in found["noticed_s"], found["noticed_s"]
    assert found["truth"]["inside"] > 3 * found["truth"]["outside"], found["truth"]


def judge_trackers(arms: dict[str, dict[str, Any]]) -> None:
    """What each must have seen. Recall is weighted by page and time."""
    errors = {name: arm["errors"] for name, arm in arms.items() if arm["errors"]}
    assert not errors, errors
    seen = {name: arm["accuracy"] for name, arm in arms.items()}
    table = {name: found and (found["recall"], found["precision"]) for name, found in seen.items()}
    # Every write is seen once a round: soft-dirty and userfaultfd are complete, but for rounds in
    # which a busy host lets the workload's emulated CPU wait, and nothing is written.
    assert seen["softdirty"]["found"] == 1 and seen["softdirty"]["recall"] > 0.95, table
    # Precision falls with the time between two looks, which a busy machine decides; by chance
    # alone it would be 0.125.
    assert seen["softdirty"]["precision"] > 0.5, table
    assert seen["uffd-wp"]["found"] == 1 and seen["uffd-wp"]["precision"] > 0.3, table
    # The corrected scans see the hot pages, the stock ones are blind to most of them. A busy host
    # may let the workload's emulated CPU wait for a whole round, in which nothing is accessed.
    for tracker in ("idle", "folio"):
        assert seen[f"{tracker}-flush"]["found"] == 1, table
        assert seen[f"{tracker}-flush"]["recall"] > 0.8, table
        assert seen[f"{tracker}-stock"]["recall"] < 0.3, table
    assert seen["damon-flush"]["recall"] > 3 * seen["damon-stock"]["recall"], table
    assert seen["damon-flush"]["found"] == 1 and seen["damon-stock"]["recall"] < 0.1, table
    assert seen["numa-hint"]["found"] > 0.5 and seen["numa-hint"]["precision"] > 0.5, table
    # MGLRU tells how many pages are young, never which.
    assert seen["mglru"] is None and arms["mglru"]["per_examined"]["samples"] > 6 * 2048
    # Reclaim asked about unmovable pages, and moved none (else it would be no result).
    assert arms["reclaim"]["per_examined"]["samples"] > 6 * 1000
    assert arms["reclaim"]["per_positive"]["samples"] > 0
    for name, arm in arms.items():
        assert arm["per_examined"]["samples"] > 0, name
        assert arm["per_examined"]["direct_ns"] > 0, name
