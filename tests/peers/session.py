"""One session of the comparison: three tools, two questions, one load; what each of them said.

"Are A and A different?" has the answer no; "are A and B different?", where B does some per cent
more of the same work, has the answer yes. Each tool has the same wall time for each question, from
its start to its end, start-up and warm-up included; the order of the six is drawn from the seed.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from hotkit.host.workload import build
from tests.peers.load import background
from tests.peers.tools import TOOLS, ToolError

QUESTIONS = ("identical", "more work")
LOADS = ("none", "light", "heavy")
# Per cent of more work: the middle one is asked about twice as often.
EFFECTS = (1.0, 0.5, 1.0, 2.0)
SESSIONS = 48  # four of each load with each place of EFFECTS
BUDGET_S = 18.0
RUN_S = 0.1  # what one run of A takes of a CPU
# Its agent is no child of ours, so that what it takes looks like others' work.
_DETACHES = ("hotkit",)
_STEP_UNITS = 2000  # 0.5 % of it is a whole number of units
_REST_S = 1.0


class Ledger:
    """How many timed runs a tool may make in a time: from what its runs have cost so far."""

    def __init__(self, run_s: float) -> None:
        # To begin with: a run with its share of starting, warming up and keeping books.
        first = {"hotkit": 1.6, "hyperfine": 1.15, "pyperf": 2.25}
        self._spent = {tool: (first[tool] * run_s, 1.0) for tool in TOOLS}
        self._guessed = set(TOOLS)

    def runs(self, tool: str, seconds: float) -> int:
        wall_s, runs = self._spent[tool]
        return max(1, round(seconds * runs / wall_s))

    def spent(self, tool: str, wall_s: float, runs: int) -> None:
        """What the tool took, for the next time; the first guess goes with the first figure."""
        before = (0.0, 0.0) if tool in self._guessed else self._spent[tool]
        self._guessed.discard(tool)
        self._spent[tool] = before[0] + wall_s, before[1] + runs


def plan(number: int) -> tuple[str, float]:
    """Load and effect of a session of the campaign; any first twelve of them have every pair."""
    return LOADS[number % len(LOADS)], EFFECTS[number // len(LOADS) % len(EFFECTS)]


def program() -> str:
    return str(build("work", Path(__file__).parent / "src").path)


def units_of(seconds: float) -> int:
    """The units of work that take one CPU so long: by CPU time, the least of five, so that load
    on the machine counts little. A multiple of 200."""
    least = min(_cpu_s([program(), str(_STEP_UNITS * 10)]) for _ in range(5))
    return max(1, round(seconds / least * 10)) * _STEP_UNITS


def session(
    seed: int, load: str, effect_percent: float, units: int, budget_s: float, ledger: Ledger
) -> dict[str, Any]:
    """All six answers under this load. `ok`: all tools gave theirs."""
    more = round(units * (100 + effect_percent) / 100)
    commands = {"identical": [program(), str(units)], "more work": [program(), str(more)]}
    slots = [(tool, question) for tool in TOOLS for question in QUESTIONS]
    random.Random(seed).shuffle(slots)
    answers: dict[str, dict[str, Any]] = {question: {} for question in QUESTIONS}
    try:
        for tool, question in slots:
            runs = ledger.runs(tool, budget_s)
            with tempfile.TemporaryDirectory(prefix="hotkit-peers-") as folder:
                before, began = _busy(), time.monotonic()
                with background(load, seed):
                    found = TOOLS[tool](
                        commands["identical"], commands[question], runs, seed, Path(folder)
                    )
                    wall_s = time.monotonic() - began
                after = _busy()
            others = None
            if before is not None and after is not None and tool not in _DETACHES:
                others = (after - before) / wall_s
            answers[question][tool] = found | {"wall_s": wall_s, "others_cpus": others}
            ledger.spent(tool, wall_s, found["timed_runs"])
            time.sleep(_REST_S)
    except ToolError as error:
        # Evidence names no path of one machine.
        said = str(error).replace(sys.executable, "python").replace(sys.prefix, "")
        return {"ok": False, "seed": seed, "error": said}
    return {
        "ok": True,
        "seed": seed,
        "label": answers["identical"]["hotkit"]["label"],
        "load": load,
        "effect_percent": effect_percent,
        "units": units,
        "units_more": more,
        "order": [f"{tool}: {question}" for tool, question in slots],
        "answers": answers,
    }


class _Campaign:
    """What the sessions of one process share: the amount of work, and what runs have cost."""

    units = 0
    ledger = Ledger(RUN_S)


def campaign_case(number: int) -> dict[str, Any]:
    """A session of `make soak CAMPAIGN=peers`."""
    if not _Campaign.units:
        _Campaign.units = units_of(RUN_S)
    load, effect = plan(number)
    return session(1000 + number, load, effect, _Campaign.units, BUDGET_S, _Campaign.ledger)


def _cpu_s(argv: list[str]) -> float:
    """CPU time of one run, in s."""
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])  # fmt: skip
    _, _, usage = os.wait4(pid, 0)
    return usage.ru_utime + usage.ru_stime


def _busy() -> float | None:
    """CPU seconds that this machine has spent on anything but us and our children (proc(5)).

    None where /proc/stat does not say.
    """
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/stat").read_text().splitlines()[0].split()
        # user, nice, system, and irq and softirq behind idle and iowait; guests are in user.
        ticks = sum(int(fields[place]) for place in (1, 2, 3, 6, 7))
        ours = sum(os.times()[:4])
        return ticks / os.sysconf("SC_CLK_TCK") - ours
    return None
