"""Blocks that were begun again because the machine was not in a state in which a run may count.

A gate looks at the machine and never at a run's time (hotkit/agent/gates.py), so running a block
again is no choice by its result, and is no doubt by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Beyond this share of blocks that failed a gate the machine was not quiet. A convention, not a
# result: what gates see of a disturbance is part of it, and the rest is in the runs that count.
MOST_RERUN = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """One attempt at a block that does not count. `attempt` is its number, the first is 0.

    `reasons`: a sentence each. `runs_abandoned`: finished runs that were put aside. `arms`: those
    of the runs that failed a gate; empty when it was given up for another reason (a reboot).
    """

    block: int
    attempt: int
    reasons: tuple[str, ...]
    runs_abandoned: int
    arms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionGates:
    """The gates of a session: bound by name (False: off), and why some could check nothing."""

    bounds: Mapping[str, Any] = field(default_factory=dict)
    unchecked: Mapping[str, str] = field(default_factory=dict)

    @property
    def off(self) -> tuple[str, ...]:
        """The gates that the description switched off."""
        return tuple(name for name, bound in self.bounds.items() if bound is False)


def rerun_doubt(reruns: Sequence[Rerun], measured: Collection[int]) -> str | None:
    """Why so many blocks failed a gate that the session may not be believed; None: they did not.

    `measured`: the blocks that runs count of. A reboot says nothing about the runs that count: only
    gates do.
    """
    failed = {rerun.block for rerun in reruns if rerun.arms}
    blocks = failed | set(measured)
    if not failed or len(failed) <= MOST_RERUN * len(blocks):
        return None
    return (
        f"{len(failed)} of {len(blocks)} blocks failed a gate and were run again, more than"
        f" {100 * MOST_RERUN:.0f} %: the machine was not quiet"
    )


def failures_by_arm(reruns: Sequence[Rerun]) -> tuple[tuple[str, int], ...]:
    """How often a gate failed in a run of each arm, the most often first.

    Where one arm has most of them the gates choose among its runs: the reader must see that.
    """
    return tuple(Counter(arm for rerun in reruns for arm in rerun.arms).most_common())
