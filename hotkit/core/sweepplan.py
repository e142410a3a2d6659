"""What a sweep will take and be able to see, told before it runs from a pilot: a sweep that ran.

Units: seconds for times; fractions of the off time (0.01 = 1 %) for effects and noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from scipy import special

from hotkit.core.design import OFF, OFF_RUNS_PER_BLOCK
from hotkit.core.distributions import t_quantile
from hotkit.core.stats import CONFIDENCE, POWER, Interval, blocks_needed, smallest_effect
from hotkit.core.stopping import LEAST_FOR_WIDTH, interim_level

MOST_BLOCKS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedRun:
    """One run of a pilot: its timed part, all that the harness did for it, and the time between it
    and the run before it (None: not known)."""

    arm: str
    work_s: float
    harness_s: float
    between_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a run of each arm takes, from its populating to its end, and what lies around it.

    `harness_s` and its timed part, `work_s`, are means: they add up to a sweep, where medians leave
    out what a noisy machine takes now and then. `between_s` is a median: a connection that broke is
    no pace. `start_s` is what comes before the first run (the amount of work is found).
    """

    harness_s: Mapping[str, float]
    work_s: Mapping[str, float]
    between_s: float
    start_s: float = 0.0

    def block_s(self, arms: Sequence[str]) -> float:
        """A block of these arms. One that was not in the pilot takes as long as the slowest."""
        runs = [OFF] * OFF_RUNS_PER_BLOCK + list(arms)
        slowest = max(self.harness_s.values())
        return sum(self.harness_s.get(arm, slowest) + self.between_s for arm in runs)


def pace_of(runs: Sequence[TimedRun], start_s: float) -> Pace | None:
    """The pace of finished runs; None without an off run."""
    arms = dict.fromkeys(run.arm for run in runs)
    if OFF not in arms:
        return None
    between = [run.between_s for run in runs if run.between_s is not None]
    return Pace(
        harness_s={arm: fmean(run.harness_s for run in runs if run.arm == arm) for arm in arms},
        work_s={arm: fmean(run.work_s for run in runs if run.arm == arm) for arm in arms},
        between_s=median(between) if between else 0.0,
        start_s=start_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure that comes from an sd, and what it is at the ends of that sd's 95 % interval.

    None stands for more than MOST_BLOCKS.
    """

    value: float | None
    low: float | None
    high: float | None


def sd_interval(sd: float, n: int) -> Interval:
    """The 95 % interval of an sd that was found in n values: chi-square, n - 1 degrees of freedom.

    Exact for Gaussian noise; from eight values it reaches from 0.66 to 2.04 times the sd.
    """
    tail = (1 - CONFIDENCE) / 2
    degrees = n - 1
    # chdtri inverts the upper tail of chi-square.
    low, high = (
        sd * math.sqrt(degrees / float(special.chdtri(degrees, upper)))
        for upper in (tail, 1 - tail)
    )
    return Interval(low=low, high=high)


def spread(sd: float, n: int, figure: Callable[[float], float | None]) -> Spread:
    """A figure that grows with the sd, at the sd and at both ends of its interval."""
    ends = sd_interval(sd, n)
    return Spread(value=figure(sd), low=figure(ends.low), high=figure(ends.high))


def blocks_for_half_width(sd: float, half: float, least: int) -> int | None:
    """After how many blocks, whole pairs, `until: half_width_percent` is reached."""
    return _pairs(
        lambda n: _t(0.5 + CONFIDENCE / 2, n) * sd / math.sqrt(n) <= half,
        max(least, LEAST_FOR_WIDTH),
    )


def blocks_for_equivalent(sd: float, margin: float, level: float, least: int) -> int | None:
    """Blocks that show "equivalent" with 80 % power at `level` if there is no slow-down at all.

    Both one-sided tests must pass, so each may miss half of what may be missed.
    """
    each = 1 - (1 - POWER) / 2
    return _pairs(
        lambda n: (_t(1 - level, n) + _t(each, n)) * sd / math.sqrt(n) <= margin,
        least,
    )


def blocks_for_different(sd: float, effect: float, level: float, least: int) -> int | None:
    """Blocks that show a slow-down of `effect` as "different" with 80 % power at `level`."""
    return _pairs(
        lambda n: (_t(1 - level / 2, n) + _t(POWER, n)) * sd / math.sqrt(n) <= effect,
        least,
    )


def _t(p: float, blocks: int) -> float:
    """The quantile of Student's t that so many blocks have."""
    return t_quantile(p, blocks - 1)


def _pairs(fits: Callable[[int], bool], least: int) -> int | None:
    """The least even number of blocks, `least` or more, that fits; None above MOST_BLOCKS."""
    low, high = least + least % 2, MOST_BLOCKS
    if fits(low):
        return low
    if not fits(high):
        return None
    while high - low > 2:
        middle = low + (high - low) // 4 * 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The noise of a pilot's pairs, fractions of its off time, from `pairs` blocks.

    `off_off`: the sd that D = T_on - mean(T_off) has from the noise of the off runs alone
    (stats.noise_of_a_pair). `arms`: the sd that D really had, of the arms that are planned again;
    "off" stands for those that the pilot had not, with `off_off`.
    """

    pairs: int
    off_off: float
    arms: Mapping[str, float]

    @property
    def widest(self) -> tuple[str, float]:
        """The arm with the most noise, which is the one that `until` waits for."""
        return max(self.arms.items(), key=lambda item: item[1], default=(OFF, self.off_off))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a description asks for; fractions. `most_blocks` equals `blocks` without `until`."""

    blocks: int
    most_blocks: int
    arms: int
    smallest_effect: float
    half_width: float | None = None
    verdict: bool = False
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a sweep will be able to see. Blocks are whole pairs where `until` waits for them.

    `mde`: the smallest slow-down that `blocks` blocks show (80 % power, 5 %, one arm); `mde_most`
    with the most blocks that `until` allows. `needed`: blocks that show `smallest_effect`.
    `half_width`, `equivalent` (if an arm costs nothing), `different` (if it costs the smallest
    effect): after how many blocks `until` may end it; None where it does not wait for that.
    """

    noise: Noise
    off_off: Spread
    blocks: int
    mde: Spread
    mde_most: Spread | None
    needed: Spread
    half_width: Spread | None = None
    equivalent: Spread | None = None
    different: Spread | None = None


def sight(noise: Noise, wishes: Wishes) -> Sight:
    """From the noise of a pilot. Raises ValueError for one without noise or with one pair only."""
    if noise.pairs < 2 or noise.off_off <= 0:
        raise ValueError(f"{noise.pairs} pair(s) of off runs with sd {noise.off_off:g}")
    pairs, sd = noise.pairs, noise.off_off
    widest = noise.widest[1]
    # Holm compares the smallest p of several arms with a part of the level.
    looks = interim_level(wishes.blocks, wishes.most_blocks)
    least = wishes.blocks
    half, effect = wishes.half_width, wishes.smallest_effect
    longer = wishes.most_blocks > wishes.blocks

    def of_verdict(figure: Callable[[float], float | None]) -> Spread | None:
        return spread(widest, pairs, figure) if wishes.verdict else None

    return Sight(
        noise=noise,
        off_off=spread(sd, pairs, lambda it: it),
        blocks=wishes.blocks,
        mde=spread(sd, pairs, lambda it: smallest_effect(it, wishes.blocks)),
        mde_most=spread(sd, pairs, lambda it: smallest_effect(it, wishes.most_blocks))
        if longer
        else None,
        needed=spread(sd, pairs, lambda it: blocks_needed(it, effect)),
        half_width=None
        if half is None
        else spread(widest, pairs, lambda it: blocks_for_half_width(it, half, least)),
        equivalent=of_verdict(lambda it: blocks_for_equivalent(it, effect, looks, least)),
        different=of_verdict(
            lambda it: blocks_for_different(it, effect, looks / wishes.arms, least)
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasts:
    """How long one part takes: at least, as expected (None: cannot be told), at most."""

    least_s: float
    likely_s: float | None
    most_s: float
    likely_blocks: int | None


def lasts(block_s: float, start_s: float, wishes: Wishes, seen: Sight | None) -> Lasts:
    """From the time of a block. `until` with a verdict is expected as if no arm cost anything."""

    def of(blocks: float) -> float:
        return start_s + blocks * block_s

    most = wishes.most_blocks
    if wishes.seconds is not None:
        # The pair that is under way when the time is over is finished; `blocks` are done anyway.
        pairs = 2 * (int(wishes.seconds / block_s / 2) + 1)
        most = min(most, max(wishes.blocks, pairs))
    found = _expected(most, wishes, seen)
    return Lasts(
        least_s=of(wishes.blocks),
        likely_s=None if found is None else of(found),
        most_s=of(most),
        likely_blocks=found,
    )


def _expected(most: int, wishes: Wishes, seen: Sight | None) -> int | None:
    """The blocks that are expected, `most` at most; None when that takes a pilot."""
    if wishes.half_width is None and not wishes.verdict:
        return most
    if seen is None:
        return most if most == wishes.blocks else None
    waits = [found.value for found in (seen.half_width, seen.equivalent) if found]
    ends = [int(value) for value in waits if value is not None]
    return min([most, *ends])
