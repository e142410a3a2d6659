"""No tracker: the off arm, and what an A/A comparison compares with itself."""

from __future__ import annotations

from typing import Any

from hotkit.agent.trackers.base import HeatRange, Probe, Samples, Target, Tracker


class NoTracker(Tracker):
    """Does nothing; its cost is that of the harness itself."""

    name = "none"

    def probe(self) -> Probe:
        return Probe(True)

    def start(self, target: Target, settings: dict[str, Any]) -> None:
        pass

    def stop(self) -> None:
        pass

    def samples(self) -> Samples:
        return Samples()

    def self_cost(self) -> int:
        return 0

    def cpus(self) -> list[int]:
        return []

    def hot(self) -> list[HeatRange]:
        return []
