"""A sweep that has not run yet: its parts, schedules, how long they take, what a pilot says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hotkit.core.design import Arm, PlannedRun
from hotkit.core.labels import Label
from hotkit.core.sweepplan import Lasts, Noise, Pace, Sight, Wishes
from hotkit.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """What a part of a pilot says about a planned workload.

    `refused`: why it says nothing (then it has neither pace nor noise); `marks`: what to keep in
    mind.
    """

    name: str
    host: str
    label: Label
    blocks: int
    refused: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    pace: Pace | None = None
    noise: Noise | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadPlan:
    """One workload of a sweep: the arms, the order of the runs, how long a part takes.

    `runs` is the schedule with the most blocks that there may be. `lasts` is None when `unknown`
    says why; `rough` says what it is guessed from when no pilot tells. `pilot` is None when none
    was named.
    """

    name: str
    kind: str
    arms: tuple[Arm, ...]
    wishes: Wishes
    runs: tuple[PlannedRun, ...]
    lasts: Lasts | None
    unknown: str | None
    rough: str | None
    pilot: Pilot | None
    sight: Sight | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPart:
    """One boot of one host in one layout (None: as it is) with one workload."""

    name: str
    host: str
    layout: str | None
    boot: int
    workload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Seconds over parts; `likely_s` is None when one of them cannot be told."""

    least_s: float
    likely_s: float | None
    most_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """A whole sweep: hosts side by side, on each its parts one after the other.

    `boots` is how often each of the `layouts` is booted. `pilot` is the directory that was named,
    `guest` the guest of each host that the workload runs in (None: on the host itself).
    """

    description: str
    seed: int
    hosts: tuple[str, ...]
    layouts: tuple[str, ...]
    boots: int
    parts: tuple[PlannedPart, ...]
    workloads: tuple[WorkloadPlan, ...]
    pilot: str | None
    guest: str | None = None

    @property
    def parts_of_a_host(self) -> tuple[PlannedPart, ...]:
        """The parts of the first host, in order; every host has the same."""
        return tuple(part for part in self.parts if part.host == self.hosts[0])

    @property
    def boots_of_a_host(self) -> int:
        """Boots of each host, each a provision and a reboot."""
        return len(self.layouts) * self.boots

    def workload(self, name: str) -> WorkloadPlan:
        """The plan of the workload of that name."""
        return next(one for one in self.workloads if one.name == name)

    @property
    def total(self) -> Total | None:
        """What the parts of a host take together, without its boots; None when a part has no
        duration. Hosts work side by side, so it is that of the sweep."""
        found = [self.workload(part.workload).lasts for part in self.parts_of_a_host]
        return _sum(found)

    @property
    def exit_code(self) -> ExitCode:
        """5 when a pilot was named and says nothing about any of the workloads."""
        told = [one for one in self.workloads if one.pilot and not one.pilot.refused]
        return ExitCode.OK if self.pilot is None or told else ExitCode.NOT_TRUSTWORTHY


def _sum(found: Sequence[Lasts | None]) -> Total | None:
    known = [one for one in found if one is not None]
    if len(known) < len(found):
        return None
    likely = [one.likely_s for one in known if one.likely_s is not None]
    return Total(
        least_s=sum(one.least_s for one in known),
        likely_s=sum(likely) if len(likely) == len(known) else None,
        most_s=sum(one.most_s for one in known),
    )
