"""Referenced pages per mapping: /proc/PID/clear_refs forgets, /proc/PID/smaps counts.

Writing 1 to clear_refs clears the referenced and A bits of all pages of a process; `Referenced:` in
smaps is what was accessed since (Documentation/filesystems/proc.rst). An example of a tracker that
is small: it tells how much of each mapping was used, not which pages.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hotkit.agent.heat import HeatRange
from hotkit.agent.protocol import AgentError
from hotkit.agent.trackers.base import Probe, Setting, Settings, Target
from hotkit.agent.trackers.scanner import Scanner

PAGE_KIB = os.sysconf("SC_PAGESIZE") // 1024
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ")


class Referenced(Scanner):
    """Forgets and counts at a fixed interval, from a thread of the agent."""

    name = "referenced"
    how = "clears the referenced bits of a process, and counts those that come back"
    units = {"examined": "page resident", "positive": "page referenced"}
    settings = {"interval_ms": Setting(200, "ms between two looks", least=1)}
    not_over_vm = "it counts by mapping, and a VM's memory is a single one"

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._proc = Path()

    def probe(self, settings: Settings) -> Probe:
        """Try the real thing, on ourselves: that shows more than any version."""
        try:
            Path("/proc/self/clear_refs").write_text("1")
            text = Path("/proc/self/smaps").read_text()
        except OSError as error:
            return Probe(False, f"{error.filename}: {error.strerror}", "run as root")
        if "Referenced:" not in text:
            return Probe(False, "smaps counts no referenced pages", "CONFIG_PROC_PAGE_MONITOR=y")
        return Probe(True)

    def prepare(self, target: Target, settings: Settings) -> None:
        self._proc = Path(f"/proc/{target['pid']}")
        try:
            self._forget()
        except OSError as error:
            raise AgentError(f"{error.filename}: {error.strerror}", "run as root") from error

    def look(self) -> None:
        start = end = resident_kib = 0
        for line in (self._proc / "smaps").read_text().splitlines():
            mapping = _MAPPING.match(line)
            if mapping:
                start, end = int(mapping[1], 16), int(mapping[2], 16)
            elif line.startswith("Rss:"):
                resident_kib = int(line.split()[1])
            elif line.startswith("Referenced:") and resident_kib:
                found_kib = int(line.split()[1])
                self.count.examined += resident_kib // PAGE_KIB
                self.count.positive += found_kib // PAGE_KIB
                if self.recorder:
                    self.recorder.region(start, end, min(1.0, found_kib * 1024 / (end - start)))
        self._forget()

    def release(self) -> None:
        pass

    def hot(self) -> list[HeatRange]:
        return []  # no addresses below a mapping: its accuracy cannot be told

    def _forget(self) -> None:
        (self._proc / "clear_refs").write_text("1")
