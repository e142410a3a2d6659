"""Accuracy against cost: which trackers no other one beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hotkit.core.analysis import Analysis


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An arm's place: `cost` is the slow-down (fraction of the off time), `gain` Accuracy.top.

    `top` and not F1: it is defined for a sampler's relative heat too, and is what a tier that has
    room for the hot pages alone would get right. The slow-down and not the cost per sample: it has
    one unit for all trackers.
    """

    arm: str
    cost: float
    gain: float
    on_front: bool


def front(points: Sequence[tuple[float, float]]) -> tuple[bool, ...]:
    """For each (cost, gain): whether no other point costs no more and gains no less, one strictly.

    By point estimates: two equal points are both on the front.
    """
    return tuple(
        not any(
            other[0] <= point[0] and other[1] >= point[1] and other != point for other in points
        )
        for point in points
    )


def places(analysis: Analysis) -> tuple[Place, ...]:
    """The arms that have both figures, the cheapest first; none of an untrusted session."""
    if not analysis.trusted:
        return ()
    known = sorted(
        (arm.slowdown.estimate, arm.accuracy.top, arm.arm)
        for arm in analysis.arms
        if not arm.errors
        and arm.slowdown.estimate is not None
        and arm.slowdown.defined
        and arm.accuracy is not None
        and arm.accuracy.top is not None
    )
    best = front([(cost, gain) for cost, gain, _ in known])
    return tuple(
        Place(arm=arm, cost=cost, gain=gain, on_front=on_front)
        for (cost, gain, arm), on_front in zip(known, best, strict=True)
    )
