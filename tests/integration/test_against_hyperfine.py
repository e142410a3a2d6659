"""The time of a command, beside what hyperfine says of the same command in the same run.

Both start it without a shell and time from before it is executed until they have seen it exit.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

from hotkit.agent.workloads.command import Command
from hotkit.host.workload import build_hotset

# So many pairs at least, and at most.
LEAST, MOST = 40, 400
# What differs by construction is below 0.05 ms (docs/benchmarks.md): hyperfine's own fork. What
# noise leaves of the least of 400 is less; a time that begins when the program is known to run is
# 0.6 ms shorter than hyperfine's.
AGREE_MS = 0.2


def by_hotkit(argv: list[str]) -> float:
    """Milliseconds of `work`, through the agent's own workload."""
    command = Command(
        str(build_hotset().path),
        {"ready": {"seconds": 0}, "start": ["sleep", "1000"], "work": argv},
    )
    try:
        command.start()
        return float(command.run()["duration_ns"]) / 1e6
    finally:
        command.stop()


def by_hyperfine(argv: list[str], out: Path) -> float:
    """Milliseconds of one run, without a shell."""
    words = ["hyperfine", "--shell=none", "--runs=1", "--style=none", f"--export-json={out}"]
    subprocess.run([*words, shlex.join(argv)], check=True, capture_output=True)
    return 1e3 * float(json.loads(out.read_text())["results"][0]["times"][0])


def test_the_least_times_agree(tmp_path):
    """Noise only adds to a time, so the least ones of both come close however busy the machine is.

    Hence it is right to go on for as long as they differ: what is wrong by construction stays.
    """
    ours: list[float] = []
    theirs: list[float] = []
    while len(ours) < LEAST or (abs(min(ours) - min(theirs)) >= AGREE_MS and len(ours) < MOST):
        for ask in (0, 1) if len(ours) % 2 else (1, 0):
            if ask:
                ours.append(by_hotkit(["true"]))
            else:
                theirs.append(by_hyperfine(["true"], tmp_path / "one.json"))
    assert abs(min(ours) - min(theirs)) < AGREE_MS, (min(ours), min(theirs), len(ours))
