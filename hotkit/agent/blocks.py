"""The order in which runs are carried out: block by block, a block again when a gate fails.

Runs that are compared must be of one attempt at one block. A run whose gate fails spoils its block:
what was measured of it stays in the record and does not count, and the block begins anew.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

from hotkit.agent.protocol import AgentError

Run = dict[str, Any]
MOST_ATTEMPTS = 4


class Blocks:
    """The blocks of a schedule; see the module.

    `one_run(run, attempt)` measures and returns what was wrong (an empty list when nothing was).
    `stop_wanted()` says "run", "block" or "".
    """

    def __init__(
        self,
        schedule: dict[str, Any],
        one_run: Callable[[Run, int], list[str]],
        stop_wanted: Callable[[], str],
    ):
        self._runs: list[Run] = schedule["runs"]
        self._done = set(schedule.get("done") or ())
        self._attempts: dict[str, int] = schedule.get("attempts") or {}
        self._most_s = schedule.get("most_s")
        self._least_blocks = schedule.get("least_blocks") or 0
        self._one_run = one_run
        self._stop_wanted = stop_wanted

    def carry_out(self) -> dict[str, Any]:
        """All blocks; returns `runs` carried out, and `stopped` ("run", "block", "time" or "").

        With "time" also `blocks`: those before it are all there will be.
        """
        began = time.monotonic()
        count = 0
        for block, members in itertools.groupby(self._runs, key=lambda run: run.get("block", 0)):
            whole = list(members)
            todo = [run for run in whole if run["run"] not in self._done]
            if not todo:
                continue
            # A pair of blocks is begun whole or not at all: half of it would not be in balance.
            late = self._most_s is not None and time.monotonic() - began > self._most_s
            if late and block >= self._least_blocks and block % 2 == 0 and todo == whole:
                return {"runs": count, "stopped": "time", "blocks": block}
            done, stopped = self._block(block, whole, todo)
            count += done
            if not stopped and self._stop_wanted() == "block":
                stopped = "block"
            if stopped:
                return {"runs": count, "stopped": stopped}
        return {"runs": count, "stopped": ""}

    def _block(self, block: int, whole: list[Run], todo: list[Run]) -> tuple[int, str]:
        first = attempt = int(self._attempts.get(str(block), 0))
        count = 0
        while True:
            problems: list[str] = []
            for run in todo:
                if self._stop_wanted() == "run":
                    return count, "run"
                problems = self._one_run(run, attempt)
                count += 1
                if problems:
                    break
            if not problems:
                return count, ""
            attempt += 1
            todo = whole
            if attempt - first >= MOST_ATTEMPTS:
                raise AgentError(
                    f"block {block} failed its gates {MOST_ATTEMPTS} times: {problems[0]}",
                    "make the machine quiet (hotkit doctor), or change gates: in SWEEP.yml",
                )
