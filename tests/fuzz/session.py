"""A fuzzing process started, and what came of it, for CI and for the campaign."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hotkit.agent.gather import machine_kind
from tests.fuzz.targets import ROOT, TARGETS

CAMPAIGN_SECONDS = 30
# libFuzzer's own exit codes (FuzzerOptions.h).
_ENDS = {0: None, 70: "an input took too long", 71: "an input took too much memory"}
_FIGURES = {
    "inputs": r"^stat::number_of_executed_units: (\d+)",
    "inputs_per_s": r"^stat::average_exec_per_sec: *(\d+)",
    "peak_rss_mib": r"^stat::peak_rss_mb: *(\d+)",
    "edges_of_seeds": r"INITED cov: (\d+)",
    "edges": r"DONE +cov: (\d+)",
}


def fuzz(*targets: str, seconds: int, runs: int = -1, seed: int = 1) -> dict[str, Any]:
    """Fuzz the targets (none: all) in a process of its own: figures, `finds`, and `ended`, a
    sentence when libFuzzer stopped before its time. The same inputs each time, up to `runs`."""
    with tempfile.TemporaryDirectory(prefix="hotkit-finds-") as folder:
        argv = [
            sys.executable, "-m", "tests.fuzz.fuzz", "--finds", folder, "--runs", str(runs),
            "--seconds", str(seconds), "--seed", str(seed), *targets,
        ]  # fmt: skip
        done = subprocess.run(
            argv,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},  # sets and so coverage in the same order
            capture_output=True,
            text=True,
            errors="replace",
            timeout=2 * seconds + 300,
        )
        finds = Path(folder, "finds.jsonl")
        said: dict[str, Any] = {
            "finds": [json.loads(line) for line in finds.read_text().splitlines()]
            if finds.exists()
            else [],
            "ended": _ENDS.get(done.returncode, done.stderr[-2000:]),
        }
        if done.returncode:
            said["input"] = [path.read_bytes().hex() for path in Path(folder).glob("*-*")][:1]
    for name, pattern in _FIGURES.items():
        found = re.search(pattern, done.stderr, re.MULTILINE)
        said[name] = int(found[1]) if found else None
    return said


def campaign_case(number: int) -> dict[str, Any]:
    """One target by its place in TARGETS, with a seed that CI does not use."""
    target = TARGETS[number].name
    found = fuzz(target, seconds=CAMPAIGN_SECONDS, seed=1000 + number)
    return {
        "ok": not found["finds"] and found["ended"] is None,
        "target": target,
        "label": machine_kind()["platform"],
        "seconds": CAMPAIGN_SECONDS,
        **found,
    }
