"""Three tools and one question: is the second of two commands as fast as the first?

Each is used as its own documentation says, with about `runs` timed runs, and what it says is read
from what it prints or exports. Times in s, changes in per cent of the first command.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyperf  # type: ignore[import-untyped]
from scipy import stats

from hotkit.core.design import MIN_BLOCKS
from hotkit.host.run import require
from hotkit.host.store import read_journal

ROOT = Path(__file__).resolve().parents[2]
LEVEL = 0.05
# Below all differences that are asked about, so that "equivalent" is said of none of them.
SMALLEST_EFFECT_PERCENT = 0.25
RUNS_OF_A_BLOCK = 3  # off, off, and the arm
WARMUP_RUNS = 3  # of hyperfine, per command
VALUES_OF_A_PROCESS = 3  # pyperf's own default, after one that warms up
_MOST_S = 600.0

Argv = Sequence[str]


class ToolError(Exception):
    """A tool that did not end as it should: no answer."""


def hotkit(first: Argv, second: Argv, runs: int, seed: int, folder: Path) -> dict[str, Any]:
    """`hotkit sweep`: "different" is its p (Holm) below 0.05 in a session that it trusts.

    A session that it does not trust is "refused". The commands are its `work` beside a server that
    does nothing, for then all of a command is timed, from its start to its exit, as peers do it.
    """
    description = {
        "schema_version": 1,
        "blocks": max(MIN_BLOCKS, round(runs / RUNS_OF_A_BLOCK)),
        "seed": seed,
        "smallest_effect_percent": SMALLEST_EFFECT_PERCENT,
        "workload": {
            "kind": "command",
            "start": ["sleep", "3600"],
            "ready": {"seconds": 0},
            "work": list(first),
        },
        "arms": [{"tracker": "none", "name": "second", "workload": {"work": list(second)}}],
        # The machine is the same for all three.
        "quiesce": False,
        "gates": False,
    }
    file, out = folder / "sweep.yml", folder / "sweep"
    file.write_text(json.dumps(description))  # JSON is YAML
    said = run(
        [sys.executable, "-m", "hotkit", "sweep", file, "--local", "--json", "--out", out],
        exits=(0, 5),  # 5: no tracker, so there is no figure per sample
    )
    found = json.loads(said.stdout)
    (arm,) = found["arms"]
    if arm["errors"] or arm["p_holm"] is None:
        raise ToolError(f"hotkit: no figure: {arm['errors'] or arm['slowdown']['undefined']}")
    times = [e["duration_ns"] for e in read_journal(out) if e["type"] == "end" and e["run"]]
    return {
        "verdict": answer(arm["p_holm"]) if found["trusted"] else "refused",
        "change_percent": 100 * arm["slowdown"]["estimate"],
        "p": arm["p_holm"],
        "timed_runs": len(times),
        "timed_s": sum(times) / 1e9,
        "warned": bool(found["doubts"]),
        "doubts": found["doubts"],
        "label": found["label"]["platform"],
    }


def hyperfine(first: Argv, second: Argv, runs: int, seed: int, folder: Path) -> dict[str, Any]:
    """`hyperfine`, then Welch's t test at 5 % as in the script welch_ttest.py that comes with it.

    `own_words` is what it prints by itself: so many times faster, plus or minus. Whether that
    excludes 1 is a verdict that a reader may draw from it.
    """
    export = folder / "hyperfine.json"
    program = require("hyperfine", "hyperfine")
    each = max(2, round(runs / 2))
    said = run(
        [program, "-N", "--style", "basic", "--warmup", WARMUP_RUNS, "--runs", each,
         "--export-json", export, " ".join(first), " ".join(second)]
    )  # fmt: skip
    a, b = json.loads(export.read_text())["results"]
    p = float(stats.ttest_ind(a["times"], b["times"], equal_var=False).pvalue)
    fast, slow = sorted((a, b), key=lambda result: result["mean"])
    ratio = slow["mean"] / fast["mean"]
    spread = ratio * sum((one["stddev"] / one["mean"]) ** 2 for one in (fast, slow)) ** 0.5
    return {
        "verdict": answer(p),
        "change_percent": 100 * (b["mean"] / a["mean"] - 1),
        "p": p,
        "timed_runs": len(a["times"]) + len(b["times"]),
        "timed_s": sum(a["times"]) + sum(b["times"]),
        "warned": "Warning:" in said.stdout + said.stderr,
        "own_words": {
            "times_faster": ratio,
            "plus_minus": spread,
            "verdict": "different" if ratio - spread > 1 else "alike",
        },
    }


def pyperf_tool(first: Argv, second: Argv, runs: int, seed: int, folder: Path) -> dict[str, Any]:
    """`pyperf command` for each, then `pyperf compare_to`, which says "Significant" or not."""
    processes = max(2, round(runs / 2 / VALUES_OF_A_PROCESS))
    files = folder / "first.json", folder / "second.json"
    printed = ""
    for file, argv in zip(files, (first, second), strict=True):
        said = run(
            [sys.executable, "-m", "pyperf", "command", "--name", "work", "--loops", 1,
             "--processes", processes, "--values", VALUES_OF_A_PROCESS, "--warmups", 1,
             "-o", file, "--", *argv]
        )  # fmt: skip
        printed += said.stdout
    said = run([sys.executable, "-m", "pyperf", "compare_to", "--verbose", *files])
    found = re.search(r"^(Significant|Not significant!)", said.stdout, re.M)
    if found is None:
        raise ToolError(f"pyperf compare_to: {said.stdout[-300:]}")
    a, b = (pyperf.Benchmark.load(str(file)) for file in files)
    times = [*a.get_values(), *b.get_values()]
    return {
        "verdict": "different" if found[1] == "Significant" else "alike",
        "change_percent": 100 * (b.mean() / a.mean() - 1),
        "p": None,
        "timed_runs": len(times),
        "timed_s": sum(times),
        "warned": "WARNING:" in printed,
    }


TOOLS: dict[str, Callable[[Argv, Argv, int, int, Path], dict[str, Any]]] = {
    "hotkit": hotkit,
    "hyperfine": hyperfine,
    "pyperf": pyperf_tool,
}


def answer(p: float) -> str:
    return "different" if p < LEVEL else "alike"


def run(argv: Sequence[object], exits: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
    """One command of a tool, from the clone. Raises ToolError when it fails."""
    done = subprocess.run(
        list(map(str, argv)), cwd=ROOT, capture_output=True, text=True, timeout=_MOST_S
    )
    if done.returncode not in exits:
        words = " ".join(map(str, argv[:4]))
        raise ToolError(f"{words}: exit code {done.returncode}: {done.stderr[-500:]}")
    return done
