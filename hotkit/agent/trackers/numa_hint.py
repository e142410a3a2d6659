"""NUMA balancing's hint faults: a scan makes entries inaccessible, the next access to each traps.

kernel/sched/fair.c (task_numa_work), mm/memory.c (do_numa_page). Trapping with the kernel's own
means. The faults' addresses come from a kprobe on the function that each goes through. Entries are
made inaccessible in the workload's own context: that part of the cost is differential only.

To collect only, nothing may migrate: in mode 1 a page migrates when it is used from another node
than it is on, so keep the workload's threads and memory on one node (`numa`, `pin`). Mode 2 looks
at slow tiers only, and promotes while the fast one has room. A run that migrated is no result.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

from hotkit.agent.access import no_debugfs, no_tracefs, reachable, refused
from hotkit.agent.counters import pairs
from hotkit.agent.heat import HeatRange, scaled
from hotkit.agent.pages import PAGE_BYTES, kernel_has
from hotkit.agent.samples import Samples
from hotkit.agent.threads import wanted_cpus
from hotkit.agent.tracing import Tracing, tracefs
from hotkit.agent.trackers.base import Probe, Setting, Settings, Target, Tracker
from hotkit.agent.undo import write_knob

SYSCTL = Path("/proc/sys/kernel/numa_balancing")
# Where the tunables of the scan are: 5.13 moved them from /proc/sys/kernel/numa_balancing_*.
_DEBUG = Path("/sys/kernel/debug/sched/numa_balancing")
# Each fault on a page passes one of them, and the address is its third argument.
_FUNCTIONS = ("numa_migrate_prep", "numa_migrate_check")
_FAULT = re.compile(r" fault: \([^)]*\) address=0x([0-9a-f]+)")
_LOST = re.compile(r"\[LOST (\d+) EVENTS\]")


class NumaHint(Tracker):
    """Switches NUMA balancing on with fast scanning, and counts what traps."""

    name = "numa-hint"
    how = "makes entries inaccessible (NUMA balancing); the next access to each traps"
    units = {"examined": "PTE made inaccessible", "positive": "hint fault"}
    settings = {
        "mode": Setting(1, "kernel.numa_balancing: 1 all nodes, 2 slow tiers only", least=1),
        "scan_period_ms": Setting(100, "ms between two scans of a task, at least", least=1),
        "scan_size_mib": Setting(256, "MiB made inaccessible per scan", least=1),
        "buffer_kib": Setting(4096, "KiB of trace buffer per CPU", least=64),
    }

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._tracing: Tracing | None = None
        self._count = Samples()
        self._heat: list[HeatRange] = []
        self._rest = ""

    def probe(self, settings: Settings) -> Probe:
        if not SYSCTL.exists():
            return Probe(
                False,
                f"there is no {SYSCTL}",
                "a kernel with CONFIG_NUMA_BALANCING=y and two nodes",
            )
        why = refused(SYSCTL, os.O_RDWR) or no_debugfs()
        if why is None and not reachable(_DEBUG):
            why = (f"there is no {_DEBUG}", "a kernel of 5.13 or later with CONFIG_SCHED_DEBUG=y")
        why = why or refused(_DEBUG / "scan_size_mb", os.O_RDWR) or no_tracefs()
        if why:
            return Probe(False, *why)
        root = tracefs()
        if root is None or not (root / "kprobe_events").exists():
            return Probe(
                False, "no kprobe events in tracefs", "a kernel with CONFIG_KPROBE_EVENTS=y"
            )
        # Opened without O_TRUNC: that would take away everybody's.
        why = refused(root / "kprobe_events", os.O_WRONLY)
        if why:
            return Probe(False, *why)
        if _function() is None:
            return Probe(
                False,
                "this kernel has none of the functions that hint faults pass: "
                + ", ".join(_FUNCTIONS),
                "5.15 to 6.12 have one of them",
            )
        return Probe(True)

    def start(self, target: Target, settings: Settings) -> None:
        cpus = wanted_cpus(settings, target)
        self._ranges = target["ranges"]
        root = tracefs()
        assert root is not None
        events = str(root / "kprobe_events")
        # Opened without O_TRUNC: that would take away everybody's.
        self.undo.later(events, "-:hotkit/fault")
        write_knob(events, f"p:hotkit/fault {_function()} address=%dx")
        self._tracing = Tracing(self.undo, ["hotkit/fault"], settings["buffer_kib"])
        self._before = dict(pairs(Path("/proc/vmstat").read_text()))
        for name, value in (
            ("scan_delay_ms", 0),
            ("scan_period_min_ms", settings["scan_period_ms"]),
            ("scan_period_max_ms", settings["scan_period_ms"]),
            ("scan_size_mb", settings["scan_size_mib"]),
        ):
            self.undo.write(str(_DEBUG / name), str(value))
        self._tracing.start(cpus, self._tell if self.recorder else None)
        self.undo.write(str(SYSCTL), str(settings["mode"]))

    def stop(self) -> None:
        tracing = self._tracing
        if tracing is None:
            return
        self._tracing = None
        # Noted too: on a machine that had it on, nothing was noted when it was switched on.
        self.undo.write(str(SYSCTL), "0")
        after = dict(pairs(Path("/proc/vmstat").read_text()))
        tracing.stop()
        self._cpu_ns, self._cpus = tracing.cpu_ns, tracing.cpus
        text = tracing.text()
        pages = [int(address, 16) // PAGE_BYTES for address in _FAULT.findall(text)]
        self._count.lost = sum(map(int, _LOST.findall(text)))
        self._count.examined = after["numa_pte_updates"] - self._before["numa_pte_updates"]
        self._count.positive = after["numa_hint_faults"] - self._before["numa_hint_faults"]
        self._count.extra["faults_traced"] = len(pages)
        self._heat = [_heat(pages, start, end) for start, end in self._ranges]

    def _tell(self, piece: bytes) -> None:
        """To the recorder: a round is what was drained at once."""
        assert self.recorder is not None
        whole, newline, self._rest = (self._rest + piece.decode(errors="replace")).rpartition("\n")
        pages = [int(address, 16) // PAGE_BYTES for address in _FAULT.findall(whole + newline)]
        for start, end in self._ranges:
            flags = bytearray((end - start) // PAGE_BYTES)
            for page in pages:
                if start <= page * PAGE_BYTES < end:
                    flags[page - start // PAGE_BYTES] = 1
            self.recorder.pages(start, PAGE_BYTES, bytes(flags))
        self.recorder.round_ended(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))

    def samples(self) -> Samples:
        return self._count

    def self_cost(self) -> int:
        return self._cpu_ns

    def cpus(self) -> list[int]:
        return sorted(self._cpus)

    def hot(self) -> list[HeatRange]:
        """Faults per page: a page faults once per scan at most, however often it is used."""
        return self._heat


def _function() -> str | None:
    return next((name for name in _FUNCTIONS if kernel_has(f" {name}\n")), None)


def _heat(pages: list[int], start: int, end: int) -> HeatRange:
    counts = [0] * ((end - start) // PAGE_BYTES)
    first = start // PAGE_BYTES
    for page in pages:
        if 0 <= page - first < len(counts):
            counts[page - first] += 1
    # Scans take turns over the memory: how often a page could have faulted is not known.
    return HeatRange(start, PAGE_BYTES, scaled(counts, max(counts, default=0)), 0)
