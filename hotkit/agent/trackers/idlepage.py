"""Idle page tracking: mark pages idle through a bitmap, look later which are not idle any more.

Documentation/admin-guide/mm/idle_page_tracking.rst. Marking a page clears the A bits of its
entries, asking tests them; neither flushes a TLB on a stock kernel, so a page that stays in the TLB
looks idle (mm/page_idle.c). Needs CONFIG_IDLE_PAGE_TRACKING; the frames of a process's pages come
from /proc/PID/pagemap.
"""

from __future__ import annotations

import os
from pathlib import Path

from hotkit.agent.access import no_frames, refused
from hotkit.agent.trackers.base import Probe, Setting, Settings, Target
from hotkit.agent.trackers.flush import FLUSH, set_mode, why_not
from hotkit.agent.trackers.scanned import Scanned

BITMAP = Path("/sys/kernel/mm/page_idle/bitmap")


class IdlePage(Scanned):
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
        set_mode(self.undo, "page_idle", settings)
        mode = "idle-physical" if settings["by"] == "physical" else "idle"
        self.start_scan(mode, target, settings)
