"""The time of one command, by hotkit's own workload and by hyperfine: without a shell, once.

The command (timed/timed.c) also says how long its work took by its own clock. What an observer
counts beside that is compared: the noise of a busy machine is nearly all in the work, so in both.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from hotkit.agent.workloads.command import Command
from hotkit.host.workload import build, build_hotset

# Steps of timed.c that take about 100 ms.
HUNDRED_MS = 50_000_000


def by_hotkit(argv: list[str], scratch: Path) -> float:
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


def by_hyperfine(argv: list[str], scratch: Path) -> float:
    """Milliseconds of one run."""
    out = scratch / "hyperfine.json"
    words = ["hyperfine", "--shell=none", "--runs=1", "--style=none", f"--export-json={out}"]
    subprocess.run([*words, shlex.join(argv)], check=True, capture_output=True)
    return 1e3 * float(json.loads(out.read_text())["results"][0]["times"][0])


OBSERVERS: dict[str, Callable[[list[str], Path], float]] = {
    "hotkit": by_hotkit,
    "hyperfine": by_hyperfine,
}


def one_round(steps: int, scratch: Path, turned: bool) -> dict[str, tuple[float, float]]:
    """By observer, each of one run of the program: (its time, the program's own), in ms."""
    program = build("timed", Path(__file__).with_name("timed")).path
    own = scratch / "own"
    found = {}
    for name in reversed(OBSERVERS) if turned else OBSERVERS:
        own.unlink(missing_ok=True)
        time_ms = OBSERVERS[name]([str(program), str(steps), str(own)], scratch)
        found[name] = time_ms, int(own.read_text()) / 1e6
    return found
