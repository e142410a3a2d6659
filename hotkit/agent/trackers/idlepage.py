"""Idle page tracking: mark pages idle through a bitmap, look later which are not idle any more.

Documentation/admin-guide/mm/idle_page_tracking.rst. Marking a page clears the A bits of its
entries, asking tests them; neither flushes a TLB on a stock kernel, so a page that stays in the TLB
looks idle (mm/page_idle.c). Needs CONFIG_IDLE_PAGE_TRACKING; the frames of a process's pages come
from /proc/PID/pagemap.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hotkit.agent.access import no_frames, refused
from hotkit.agent.heat import HeatRange
from hotkit.agent.samples import Samples
from hotkit.agent.scanprocess import ScanProcess
from hotkit.agent.threads import wanted_cpus
from hotkit.agent.trackers.base import Probe, Setting, Settings, Target, Tracker
from hotkit.agent.trackers.flush import FLUSH, set_mode, why_not

BITMAP = Path("/sys/kernel/mm/page_idle/bitmap")


class IdlePage(Tracker):
    """Rounds at a fixed interval, by the scanner in a process of its own."""

    name = "idlepage"
    how = "marks pages idle (clears A bits), asks later which are not idle any more"
    units = {"examined": "page asked about", "positive": "page not idle"}
    settings = {
        "interval_ms": Setting(200, "ms between two rounds", least=1),
        "by": Setting(
            "process",
            "the pages of the workload, or every frame of the machine",
            choices=("process", "physical"),
        ),
        "flush": FLUSH,
    }

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._scan: ScanProcess | None = None

    def probe(self, settings: Settings) -> Probe:
        if not BITMAP.exists():
            return Probe(
                False,
                f"there is no {BITMAP}",
                "a kernel with CONFIG_IDLE_PAGE_TRACKING=y: hotkit kernel build",
            )
        why = refused(BITMAP, os.O_RDWR)
        if why is None and settings["by"] == "process":
            why = no_frames()
        if why:
            return Probe(False, *why)
        return why_not("page_idle", settings) or Probe(True)

    def start(self, target: Target, settings: Settings) -> None:
        cpus = wanted_cpus(settings, target)
        set_mode(self.undo, "page_idle", settings)
        mode = "idle-physical" if settings["by"] == "physical" else "idle"
        self._scan = ScanProcess(self.scan_program, mode, target, 1000 * settings["interval_ms"])
        self._scan.start(cpus, self.recorder)

    def stop(self) -> None:
        if self._scan:
            self._scan.stop()

    def samples(self) -> Samples:
        return self._scan.count if self._scan else Samples()

    def self_cost(self) -> int:
        return self._scan.cpu_ns if self._scan else 0

    def cpus(self) -> list[int]:
        return sorted(self._scan.cpus) if self._scan else []

    def hot(self) -> list[HeatRange]:
        return self._scan.hot() if self._scan else []
