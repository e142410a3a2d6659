"""What all trackers share whose looking is done by the scanner, in a process of its own."""

from __future__ import annotations

from typing import Any

from hotkit.agent.heat import HeatRange
from hotkit.agent.samples import Samples
from hotkit.agent.scanprocess import ScanProcess
from hotkit.agent.threads import wanted_cpus
from hotkit.agent.trackers.base import Settings, Target, Tracker


class Scanned(Tracker):
    """`start_scan()` in start(); the rest is the scanner's."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._scan: ScanProcess | None = None

    def start_scan(self, mode: str, target: Target, settings: Settings, *words: str) -> None:
        """A mode of trackers/src/scan.c with its own words; returns when its first round began."""
        cpus = wanted_cpus(settings, target)
        self._scan = ScanProcess(self.scan_program, mode, target, 1000 * settings["interval_ms"])
        self._scan.argv += words
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
