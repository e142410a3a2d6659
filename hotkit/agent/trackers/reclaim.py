"""memory.reclaim: proactive reclaim of the workload's cgroup, which asks folio_referenced().

Documentation/admin-guide/cgroup-v2.rst. Reclaim looks at anonymous memory only where that could go:
to a swap area or to a lower tier (demotion). To collect without moving anything the workload's
memory must be unmovable (`workload.unmovable: true`, pages registered with io_uring): reclaim asks,
tries and leaves them. What stays on the active list after that is what it took for hot
(/proc/kpageflags). A run in which pages moved all the same is no result.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hotkit.agent.access import no_frames, no_memory_cgroup, refused
from hotkit.agent.counters import HOTKIT
from hotkit.agent.heat import Heat, HeatRange
from hotkit.agent.pages import PAGE_BYTES, frames_of
from hotkit.agent.protocol import AgentError
from hotkit.agent.trackers.base import Probe, Setting, Settings, Target
from hotkit.agent.trackers.flush import FLUSH, kernel_counts, no_hotkit, set_mode, why_not
from hotkit.agent.trackers.scanner import Scanner

DEMOTION = Path("/sys/kernel/mm/numa/demotion_enabled")
LRU_GEN = Path("/sys/kernel/mm/lru_gen/enabled")
_ACTIVE = 1 << 6  # KPF_ACTIVE, include/uapi/linux/kernel-page-flags.h


class Reclaim(Scanner):
    """Asks for `amount_kib` at a fixed interval, from a thread of the agent."""

    name = "reclaim"
    how = "memory.reclaim walks the cgroup's LRU lists and asks folio_referenced()"
    units = {"examined": "folio asked about", "positive": "folio referenced"}
    settings = {
        "interval_ms": Setting(500, "ms between two requests", least=1),
        "amount_kib": Setting(1024, "KiB asked for at a time", least=4),
        "flush": FLUSH,
    }

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._heat: list[tuple[int, int, Heat]] = []
        self._before: dict[str, int] = {}

    def probe(self, settings: Settings) -> Probe:
        why = no_memory_cgroup() or no_frames() or refused(Path("/proc/kpageflags"))
        if why:
            return Probe(False, *why)
        missing = no_hotkit(
            "counting what reclaim asks about", Path(HOTKIT + "counters"), os.O_RDONLY
        )
        if missing:
            return missing
        if not _could_go():
            return Probe(
                False,
                "no swap area and no lower tier: reclaim does not look at anonymous memory",
                "swapon, or provision a slow tier (hotkit.cpuless_lower_tier=1)",
            )
        return why_not("folio_referenced", settings) or Probe(True)

    def prepare(self, target: Target, settings: Settings) -> None:
        if not target["cgroup"]:
            raise AgentError("the workload has no memory cgroup")
        self._order = Path(target["cgroup"], "memory.reclaim")
        if not self._order.exists():
            raise AgentError(f"there is no {self._order}", "a kernel of 5.19 or later")
        self._target = target
        self._amount = f"{settings['amount_kib']}K"
        self._heat = [(a, b, Heat((b - a) // PAGE_BYTES)) for a, b in target["ranges"]]
        if DEMOTION.exists():
            self.undo.write(str(DEMOTION), "true")
        if LRU_GEN.exists():
            self.undo.write(str(LRU_GEN), "0")
        set_mode(self.undo, "folio_referenced", settings)
        self._flags = os.open("/proc/kpageflags", os.O_RDONLY)
        self._before = kernel_counts("folio_referenced")

    def release(self) -> None:
        os.close(self._flags)
        after = kernel_counts("folio_referenced")
        self.count.examined = after["samples"] - self._before["samples"]
        self.count.positive = after["samples_positive"] - self._before["samples_positive"]

    def look(self) -> None:
        try:
            with self._order.open("w") as stream:
                stream.write(self._amount)
        except OSError as error:
            # EAGAIN: it did not get that much, which is what unmovable pages are for.
            if error.errno != 11:
                raise
        for start, end, heat in self._heat:
            flags = bytes(
                self._is_active(frame) for frame in frames_of(self._target["pid"], start, end)
            )
            heat.add(flags)
            if self.recorder:
                self.recorder.pages(start, PAGE_BYTES, flags)

    def hot(self) -> list[HeatRange]:
        return [heat.as_range(start, PAGE_BYTES) for start, _, heat in self._heat]

    def _is_active(self, frame: int) -> bool:
        said = os.pread(self._flags, 8, 8 * frame)
        return bool(frame) and bool(int.from_bytes(said, "little") & _ACTIVE)


def _could_go() -> bool:
    """Whether there is a swap area, or a memory tier below another."""
    if len(Path("/proc/swaps").read_text().splitlines()) > 1:
        return True
    tiers = list(Path("/sys/devices/virtual/memory_tiering").glob("memory_tier*"))
    return len([tier for tier in tiers if (tier / "nodelist").exists()]) > 1
