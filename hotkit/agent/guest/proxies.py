"""A workload and a tracker that are in the guest, as the runner on the host sees them."""

from __future__ import annotations

import base64
import zlib
from contextlib import suppress
from typing import Any

from hotkit.agent.guest.link import GuestGone, Link
from hotkit.agent.heat import HeatRange
from hotkit.agent.samples import Samples
from hotkit.agent.trackers.base import Probe, Settings, Target, Tracker
from hotkit.agent.workloads.base import Workload

# What a run may take at most, beside what a command says itself.
_RUN_S = 1800.0


class GuestWorkload(Workload):
    """Populated, timed and ended in the guest, by its agent."""

    def __init__(self, link: Link, kind: str, parameters: dict[str, Any]):
        self._link = link
        self._kind = kind
        self._parameters = parameters
        self._started = False
        self.ranges: list[list[int]] = []

    def start(self) -> dict[str, Any]:
        said = self._link.ask("start", _RUN_S, kind=self._kind, parameters=self._parameters)
        self._started = True
        self.ranges = said["ranges"]
        truth: dict[str, Any] = said["truth"]
        return truth

    def run(self) -> dict[str, Any]:
        said: dict[str, Any] = self._link.ask("run", _RUN_S)
        return said

    def stop(self) -> None:
        if self._started:
            self._started = False
            with suppress(GuestGone):  # it was told, and the guest is started again
                self._link.ask("stop")


class GuestTracker(Tracker):
    """A tracker of the guest's agent; `kind` says its units, its settings, its ways."""

    def __init__(self, link: Link, kind: type[Tracker]):
        self._link = link
        self._kind = kind
        self.name = kind.name
        self.how = kind.how
        self.units = kind.units
        self.settings = kind.settings
        self.moves_pages = kind.moves_pages
        self.recorder = None
        self._running = False
        self._said: dict[str, Any] = {}

    def probe(self, settings: Settings) -> Probe:
        said = self._link.ask("probe", tracker=self.name, settings=settings)
        return Probe(said["available"], said["reason"], said["fix"])

    def start(self, target: Target, settings: Settings) -> None:
        """`target` is not needed: the guest's agent knows the workload that it has started."""
        self._link.ask("track", tracker=self.name, settings=settings)
        self._running = True

    def stop(self) -> None:
        if self._running:
            self._running = False
            self._said = self._link.ask("untrack")

    def samples(self) -> Samples:
        said = self._said["samples"]
        found = Samples(said["examined"], said["positive"], said["lost"], said["rounds"])
        found.extra = said["extra"]
        return found

    def self_cost(self) -> int:
        return int(self._said["self_cpu_ns"])

    def cpus(self) -> list[int]:
        """The guest's, not the host's."""
        return list(self._said["cpus"])

    def facts(self) -> dict[str, Any]:
        return dict(self._said["facts"])

    def hot(self) -> list[HeatRange]:
        return [
            HeatRange(
                part["start"], part["page_bytes"],
                zlib.decompress(base64.b64decode(part["heat_zlib_base64"])), part["possible"],
            )
            for part in self._said["hot"]
        ]  # fmt: skip
