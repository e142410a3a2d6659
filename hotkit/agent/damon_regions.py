"""DAMON's findings without tracing: the tried regions of a scheme that does nothing but count.

Documentation/admin-guide/mm/damon/usage.rst, "schemes/<N>/tried_regions/" (since 6.2). Each look
costs a write to `state`, which waits for the kdamond's next aggregation, and three files a region.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from hotkit.agent.damon_trace import Records, Region
from hotkit.agent.protocol import AgentError
from hotkit.agent.threads import note_cpu, place
from hotkit.agent.undo import read_knob, write_knob

_ALL = str((1 << 64) - 1)


class RegionPoller:
    """Looks once per aggregation, from a thread of the agent."""

    def __init__(self, kdamond: str, interval_s: float):
        self._kdamond = kdamond
        self._tried = Path(kdamond + "contexts/0/schemes/0/tried_regions")
        if not self._tried.is_dir():
            raise AgentError(
                "this kernel's DAMON shows no tried regions (6.2 and later do)",
                "records: tracepoint",
            )
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._told: Callable[[list[Region]], None] | None = None
        self._failure: str | None = None
        self.records = Records([], 0, 0, 0)
        self.cpu_ns = 0
        self.cpus: set[int] = set()

    @staticmethod
    def configure(scheme: str) -> None:
        """A scheme for every region, whatever it saw, that only counts (action "stat")."""
        write_knob(scheme + "action", "stat")
        for what in ("sz", "nr_accesses", "age"):
            most = _ALL if what == "sz" else str((1 << 32) - 1)
            write_knob(f"{scheme}access_pattern/{what}/min", "0")
            write_knob(f"{scheme}access_pattern/{what}/max", most)

    def start(self, cpus: set[int], told: Callable[[list[Region]], None] | None) -> None:
        self._told = told
        self._thread = threading.Thread(
            target=self._loop, args=(cpus,), name="tried-regions", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        if self._failure:
            raise AgentError(self._failure)

    def _loop(self, cpus: set[int]) -> None:
        began = time.thread_time_ns()
        regions: list[Region] = []
        looks = 0
        try:
            place(0, cpus)
            while not self._stop.wait(self._interval_s):
                found = self._look()
                regions += found
                looks += 1
                if self._told:
                    self._told(found)
                note_cpu(self.cpus)
        except (AgentError, OSError, ValueError) as error:
            self._failure = f"reading tried regions stopped: {error}"
        self.records = Records(regions, looks, 0, 0)
        self.cpu_ns = time.thread_time_ns() - began

    def _look(self) -> list[Region]:
        write_knob(self._kdamond + "state", "update_schemes_tried_regions")
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        names = [path for path in self._tried.iterdir() if path.name.isdigit()]
        values = [
            [int(read_knob(str(path / name))) for name in ("start", "end", "nr_accesses")]
            for path in names
        ]
        return [Region(now, a, b, accesses, len(values)) for a, b, accesses in values]
