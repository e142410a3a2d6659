"""Branches of the core and the parsers that their own unit tests run: 95 % at least.

Run once more in a process of its own, with few examples and those always the same: half a minute,
and the figure does not hang on chance. `make coverage` says which lines are missing.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEAST_PERCENT = 95
# No module hides behind the others.
LEAST_OF_A_MODULE = 80


def test_core_and_parsers_are_run_by_their_own_tests(tmp_path):
    env = {**os.environ, "COVERAGE_FILE": str(tmp_path / "data")}
    coverage = [sys.executable, "-m", "coverage"]
    tests = subprocess.run(
        [*coverage, "run", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
         "--hypothesis-profile=few", "tests/unit/core", "tests/unit/parse"],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tests.returncode == 0, tests.stdout[-3000:]
    report = tmp_path / "report.json"
    subprocess.run(
        [*coverage, "json", "-q", "-o", report], cwd=ROOT, env=env, check=True, capture_output=True
    )
    found = json.loads(report.read_text())
    totals = found["totals"]
    assert totals["num_branches"] > 2500, "not all modules were looked at"
    branches = 100 * totals["covered_branches"] / totals["num_branches"]
    assert branches >= LEAST_PERCENT, f"{branches:.2f} % of the branches"
    assert totals["percent_covered"] >= LEAST_PERCENT, f"{totals['percent_covered']:.2f} % of all"
    low = {
        name: round(one["summary"]["percent_covered"])
        for name, one in found["files"].items()
        if one["summary"]["percent_covered"] < LEAST_OF_A_MODULE
    }
    assert not low, f"hardly tested by their own tests: {low}"
