"""The plan of a sweep: mirrored pairs of blocks in an order that its seed alone decides.

Each block holds two off runs and one run of every on arm, next to each other in time, so that a
drift of the machine hits all of them alike. The two off runs are told apart by label only (0 and
1, drawn like the arms): their difference is an A/A comparison, made under the same conditions as
each A/B comparison of the sweep.

Blocks come in pairs: the first has a random order, the second the reverse of it. Every arm then has
the same mean place in the pair, so a linear drift cancels there exactly, whatever the seed drew.
Without that a schedule is lopsided now and then, and since a seed is often left as it is, every
session has the same lopsided one (figures: docs/sweep.md). An odd last block stays random.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OFF = "off"
OFF_RUNS_PER_BLOCK = 2
# 2/2^6 = 0.031: six is the least number of blocks whose exact sign-flip test can reach p < 0.05.
MIN_BLOCKS = 6

Setting = int | float | str | bool

# Where a tracker runs when the workload is in a guest: in it, or in the host, over the VM.
SCOPE = "scope"
SCOPES = ("guest", "host")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One thing that is compared with "off": a tracker with its settings.

    `workload`: what the workload gets instead of its own parameters, in this arm only. `scope`:
    where the tracker runs when the workload is in a guest (`guest`, or `host`: over the VM); ""
    without one.
    """

    name: str
    tracker: str
    settings: tuple[tuple[str, Setting], ...] = ()
    workload: tuple[tuple[str, object], ...] = ()
    scope: str = ""

    @property
    def described(self) -> dict[str, Setting]:
        """What makes it this arm, beside its tracker: as `settings_of_arms` has it."""
        return dict(self.settings) | ({SCOPE: self.scope} if self.scope else {})


OFF_ARM = Arm(name=OFF, tracker="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One run: its place in the schedule, and which arm. `twin` tells the off runs apart (0, 1)."""

    index: int
    block: int
    arm: Arm
    twin: int | None = None

    @property
    def name(self) -> str:
        """Unique in the sweep, and sortable: b03-2-softdirty is the third run of block 3."""
        return f"b{self.block:02d}-{self.index:03d}-{self.arm.name}"


def schedule(arms: Sequence[Arm], blocks: int, seed: int) -> tuple[PlannedRun, ...]:
    """All runs in order. The same arms, blocks and seed give the same schedule on every Python.

    Raises ValueError for fewer than MIN_BLOCKS blocks, no arm, or two arms of one name.
    """
    if blocks < MIN_BLOCKS:
        raise ValueError(
            f"{blocks} blocks: at least {MIN_BLOCKS} are needed, since with fewer no exact test"
            " can tell a difference from chance at the 5 % level"
        )
    names = [arm.name for arm in arms]
    if not names:
        raise ValueError("no arm: a sweep compares at least one tracker with off")
    for name in names:
        if names.count(name) > 1 or name == OFF:
            raise ValueError(f"two arms are called {name!r}")
    source = random.Random(seed)
    runs: list[PlannedRun] = []
    members: list[tuple[Arm, int | None]] = []
    for block in range(blocks):
        if block % 2:
            members.reverse()
        else:
            members = [(OFF_ARM, 0), (OFF_ARM, 1), *((arm, None) for arm in arms)]
            _shuffle(members, source)
        for arm, twin in members:
            runs.append(PlannedRun(index=len(runs), block=block, arm=arm, twin=twin))
    return tuple(runs)


def settings_of_arms(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Setting]]:
    """The settings of every arm by its name, from the runs of a schedule as a manifest has them.

    A scope is among them: the same settings in the guest and in the host are two arms.
    """
    return {
        run["arm"]: run["settings"] | {SCOPE: run[SCOPE]} if run.get(SCOPE) else run["settings"]
        for run in runs
        if run["arm"] != OFF
    }


def _shuffle(items: list[tuple[Arm, int | None]], source: random.Random) -> None:
    """Fisher-Yates over `random()`: the one method whose sequence Python promises to keep."""
    for last in range(len(items) - 1, 0, -1):
        other = int(source.random() * (last + 1))
        items[last], items[other] = items[other], items[last]
