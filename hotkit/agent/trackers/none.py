"""No tracker: the off arm, and what an A/A comparison compares with itself."""

from __future__ import annotations

from hotkit.agent.heat import HeatRange
from hotkit.agent.samples import Samples
from hotkit.agent.trackers.base import Probe, Settings, Target, Tracker


class NoTracker(Tracker):
    """Does nothing; its cost is that of the harness itself."""

    name = "none"
    how = "does nothing: the off arm"

    def probe(self, settings: Settings) -> Probe:
        return Probe(True)

    def start(self, target: Target, settings: Settings) -> None:
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
