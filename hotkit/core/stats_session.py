"""What the session did meanwhile: drift and warm-up of the off runs, blocks far from the rest; and
what several sessions (boots, hosts) say together.

All of it is shown, none of it removes a block: deleting what looks odd makes every interval too
short. Units: seconds where times come in, fractions of the off time where a figure says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hotkit.core.distributions import t_quantile
from hotkit.core.stats import CONFIDENCE, Array, Interval

# B. Iglewicz and D. Hoaglin 1993: modified z = 0.6745 (x - median) / MAD, far when above 3.5.
OUTLIER_RULE = "modified z above 3.5, by median and MAD"
_OUTLIER_Z = 3.5
_MAD_TO_SD = 0.6745
# The share of a session that counts as its beginning.
_FIRST_SHARE = 4
# A line through three points leaves one degree of freedom; below four nothing useful is left.
_LEAST_FOR_A_LINE = 4
LEAST_BOOTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How the off runs moved over the session, as fractions of their mean (0.01 = 1 %).

    `change`: first to last block along a line; `first`: the first `first_blocks` against the rest,
    mean against mean. The intervals take the blocks' scatter for independent noise: under a random
    walk they are too short, so they show a drift and are no test of one.
    """

    blocks: int
    change: float | None = None
    change_interval: Interval | None = None
    first_blocks: int = 0
    first: float | None = None
    first_interval: Interval | None = None
    undefined: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    """The mean of one estimate per boot (or host), with t over boots; the unit is theirs."""

    level: str
    n: int
    mean: float | None
    interval: Interval | None
    undefined: str | None = None


def trend(levels: Array) -> tuple[Array, Array]:
    """First-to-last change per row along a least squares line over the blocks, and its half-width.

    t with n - 2 degrees, in the unit of `levels`.
    """
    n = levels.shape[1]
    x = np.arange(n) - (n - 1) / 2
    sxx = float(x @ x)
    slope = levels @ x / sxx
    rest = levels - levels.mean(axis=1, keepdims=True) - slope[:, None] * x
    error = np.sqrt((rest * rest).sum(axis=1) / (n - 2) / sxx)
    t = t_quantile(0.5 + CONFIDENCE / 2, n - 2)
    change: Array = slope * (n - 1)
    half: Array = t * error * (n - 1)
    return change, half


def drift(off: Sequence[float] | Array) -> Drift:
    """Drift and warm-up from the mean off time of each block, in the order of the session."""
    levels = np.asarray(off, dtype=float)
    n = len(levels)
    if n < _LEAST_FOR_A_LINE:
        return Drift(blocks=n, undefined=f"{n} complete block(s): a line needs four")
    mean = float(levels.mean())
    change, half = (float(value[0]) / mean for value in trend(levels[None, :]))
    begin = max(1, n // _FIRST_SHARE)
    first, rest = levels[:begin], levels[begin:]
    apart = float(first.mean() - rest.mean()) / mean
    # The scatter of the rest alone: a first block that is far off must not hide itself in it.
    error = float(rest.std(ddof=1)) * math.sqrt(1 / begin + 1 / (n - begin)) / mean
    reach = t_quantile(0.5 + CONFIDENCE / 2, n - begin - 1) * error
    return Drift(
        blocks=n,
        change=change,
        change_interval=Interval(low=change - half, high=change + half),
        first_blocks=begin,
        first=apart,
        first_interval=Interval(low=apart - reach, high=apart + reach),
    )


def far_blocks(values: Sequence[float] | Array) -> tuple[int, ...]:
    """Places of the values that OUTLIER_RULE calls far from the rest; none when the MAD is 0."""
    x = np.asarray(values, dtype=float)
    away = np.abs(x - np.median(x))
    mad = float(np.median(away))
    if mad == 0.0:
        return ()
    return tuple(int(place) for place in np.flatnonzero(_MAD_TO_SD * away / mad > _OUTLIER_Z))


def over(level: str, estimates: Sequence[float]) -> Outer:
    """One figure from several boots or hosts: their mean, t with (number of boots - 1) degrees.

    A boot counts once, however many blocks it had: what a boot fixes (page placement, which CPUs
    came up) is the same in all of its blocks, and more blocks say nothing about other boots.
    """
    values = np.asarray(estimates, dtype=float)
    n = len(values)
    mean = float(values.mean()) if n else None
    why = None
    if n < LEAST_BOOTS:
        why = f"{n} {level}(s): a statement beyond them needs at least {LEAST_BOOTS}"
    elif np.all(values == values[0]):
        why = f"every {level} gives the same figure"
    if why:
        return Outer(level=level, n=n, mean=mean, interval=None, undefined=why)
    half = t_quantile(0.5 + CONFIDENCE / 2, n - 1) * float(values.std(ddof=1)) / math.sqrt(n)
    middle = float(values.mean())
    interval = Interval(low=middle - half, high=middle + half)
    return Outer(level=level, n=n, mean=middle, interval=interval)
