"""What blocks of paired runs say: overhead per sample with an interval that holds at small n.

Units: seconds for times, counts for samples. One value per block throughout: D = T_on - mean(T_off)
of the block, S = samples of the block. Negative estimates stay as they are; an undefined figure is
None with a reason. Methods, and why percentile and BCa bootstrap are not among them: docs/sweep.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hotkit.core.distributions import t_quantile, t_tail

Array = npt.NDArray[np.float64]

CONFIDENCE = 0.95
POWER = 0.80
BOOTSTRAP_DRAWS = 4999
_EXACT_UP_TO = 20
# So many blocks need no resampling, which would take minutes for 100,000 runs.
_NORMAL_FROM = 1000
_SIGN_FLIP_DRAWS = 1 << 17
_MOST_BLOCKS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A two-sided interval; `confidence` is its nominal coverage."""

    low: float
    high: float
    confidence: float = CONFIDENCE

    @property
    def holds_zero(self) -> bool:
        return self.low <= 0.0 <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """sum(numerator) / sum(denominator) over `n` blocks.

    `undefined` says in one sentence why there is no interval (then `interval` is None); `g` is
    Fieller's t^2 var(mean)/mean^2 of the denominator: at 1 and above the interval is unbounded.
    """

    n: int
    estimate: float | None
    interval: Interval | None
    bootstrap: Interval | None
    g: float | None
    undefined: str | None = None

    @property
    def defined(self) -> bool:
        return self.undefined is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A mean paired difference in seconds: paired t interval and exact sign-flip p-value."""

    n: int
    mean: float
    sd: float
    interval: Interval | None
    p_t: float | None
    p_sign_flip: float
    undefined: str | None = None


def ratio(
    numerator: Sequence[float] | Array,
    denominator: Sequence[float] | Array,
    *,
    cross_check: bool = True,
) -> Ratio:
    """Ratio of means with the paired Fieller interval (E. C. Fieller, 1954), t with n - 1 degrees.

    Ratio of means and not mean of ratios: the latter has a larger spread when the denominator
    varies (research in docs/sweep.md), and is biased. `cross_check`: with the bootstrap, which
    takes nearly all of the time.
    """
    y, x = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    n = len(y)
    if n != len(x):
        raise ValueError(f"{n} numerators and {len(x)} denominators")

    def without(why: str, estimate: float | None = None, g: float | None = None) -> Ratio:
        return Ratio(n=n, estimate=estimate, interval=None, bootstrap=None, g=g, undefined=why)

    if n < 2:
        return without(f"{n} complete block(s): an interval needs at least two")
    if x.sum() == 0.0:
        return without("no samples: there is nothing to divide the overhead by")
    estimate = float(y.sum() / x.sum())
    if np.all(y == y[0]):
        return without("constant times: every block shows the same difference", estimate)
    low, high, g = (float(value[0]) for value in fieller(y[None, :], x[None, :]))
    if g >= 1.0:
        return without(
            f"sample count too uncertain (Fieller g = {g:.2g} >= 1): the interval is unbounded",
            estimate, g,
        )  # fmt: skip
    return Ratio(
        n=n,
        estimate=estimate,
        interval=Interval(low=low, high=high),
        bootstrap=studentised_bootstrap(y, x) if cross_check else None,
        g=g,
    )


def fieller(y: Array, x: Array, confidence: float = CONFIDENCE) -> tuple[Array, Array, Array]:
    """Low end, high end and g of the paired Fieller interval for each row; NaN where g >= 1.

    The ends are the roots of (my - theta mx)^2 = t^2 (vyy - 2 theta vxy + theta^2 vxx), with the
    variances and the covariance of the two means.
    """
    n = y.shape[1]
    t2 = t_quantile(0.5 + confidence / 2, n - 1) ** 2
    my, mx = y.mean(axis=1), x.mean(axis=1)
    dy, dx = y - my[:, None], x - mx[:, None]
    scale = n * (n - 1)
    vyy, vxx = (dy * dy).sum(axis=1) / scale, (dx * dx).sum(axis=1) / scale
    vxy = (dy * dx).sum(axis=1) / scale
    with np.errstate(divide="ignore", invalid="ignore"):
        g = t2 * vxx / (mx * mx)
        a = mx * mx - t2 * vxx
        b = my * mx - t2 * vxy
        c = my * my - t2 * vyy
        root = np.sqrt(np.maximum(b * b - a * c, 0.0))
        low, high = (b - root) / a, (b + root) / a
    bad = ~(g < 1.0)
    low[bad] = high[bad] = np.nan
    return low, high, g


def studentised_bootstrap(
    y: Array, x: Array, *, draws: int = BOOTSTRAP_DRAWS, seed: int = 1
) -> Interval | None:
    """Bootstrap-t over blocks, a cross-check of Fieller. None when too many draws are degenerate.

    Each draw is studentised with its own linearised standard error; percentile intervals without
    that step are too short at small n. None from 1,000 blocks on, too: there it is Fieller's.
    """
    n = len(y)
    if n >= _NORMAL_FROM:
        return None
    theta = y.sum() / x.sum()
    error = _ratio_error(y[None, :], x[None, :])[0]
    picks = np.random.default_rng(seed).integers(0, n, size=(draws, n))
    ys, xs = y[picks], x[picks]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (ys.sum(axis=1) / xs.sum(axis=1) - theta) / _ratio_error(ys, xs)
    t = t[np.isfinite(t)]
    if len(t) < 0.95 * draws:
        return None
    lower, upper = np.quantile(t, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    return Interval(low=float(theta - upper * error), high=float(theta - lower * error))


def _ratio_error(y: Array, x: Array) -> Array:
    """Standard error of sum(y)/sum(x) per row, by linearisation (delta method)."""
    n = y.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = y.sum(axis=1) / x.sum(axis=1)
        rest = y - theta[:, None] * x
        error: Array = rest.std(axis=1, ddof=1) / (math.sqrt(n) * np.abs(x.mean(axis=1)))
    return error


def difference(values: Sequence[float] | Array) -> Difference:
    """Is the mean of paired differences zero? Paired t, with the sign-flip test beside it."""
    d = np.asarray(values, dtype=float)
    n = len(d)
    mean = float(d.mean()) if n else 0.0
    flip = sign_flip(d)
    if n < 2 or np.all(d == d[0]):
        why = (
            "constant times: every block shows the same difference" if n >= 2 else "too few blocks"
        )
        return Difference(
            n=n, mean=mean, sd=0.0, interval=None, p_t=None, p_sign_flip=flip, undefined=why
        )
    sd = float(d.std(ddof=1))
    error = sd / math.sqrt(n)
    half = t_quantile(0.5 + CONFIDENCE / 2, n - 1) * error
    return Difference(
        n=n,
        mean=mean,
        sd=sd,
        interval=Interval(low=mean - half, high=mean + half),
        p_t=2 * t_tail(abs(mean) / error, n - 1),
        p_sign_flip=flip,
    )


def sign_flip(values: Sequence[float] | Array) -> float:
    """Two-sided p-value of the sign-flip test on paired differences.

    Exact up to 20 blocks (all 2^n sign patterns); above, 131,072 patterns drawn with a fixed seed,
    plus the one that was seen; from 1,000 on the normal distribution that the sum of so many signs
    has (mean 0, variance sum d^2), which drawing would only approach.
    """
    d = np.asarray(values, dtype=float)
    n = len(d)
    if n == 0 or not d.any():
        return 1.0
    seen = abs(float(d.sum())) * (1 - 1e-12)
    if n <= _EXACT_UP_TO:
        sums: Array = np.zeros(1)
        for value in d:
            sums = np.concatenate((sums + value, sums - value))
        return float(np.mean(np.abs(sums) >= seen))
    if n >= _NORMAL_FROM:
        return math.erfc(seen / math.sqrt(2 * float(d @ d)))
    source = np.random.default_rng(1)
    hits = 1
    for _ in range(_SIGN_FLIP_DRAWS >> 10):
        signs = source.integers(0, 2, size=(1 << 10, n)) * 2 - 1
        hits += int(np.count_nonzero(np.abs(signs @ d) >= seen))
    return hits / (_SIGN_FLIP_DRAWS + 1)


def smallest_effect(sd: float, n: int) -> float:
    """Smallest mean difference that `n` blocks show with 80 % power at the 5 % level (MDE)."""
    quantiles = t_quantile(0.5 + CONFIDENCE / 2, n - 1) + t_quantile(POWER, n - 1)
    return quantiles * sd / math.sqrt(n)


def blocks_needed(sd: float, effect: float) -> int | None:
    """The least number of blocks that show an `effect` of that size; None above 100,000."""
    if effect <= 0.0:
        return None
    low, high = 1, _MOST_BLOCKS  # one block shows nothing
    if smallest_effect(sd, high) > effect:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if smallest_effect(sd, middle) > effect else (low, middle)
    return high


def noise_of_a_pair(a_a_sd: float) -> float:
    """The sd that D = T_on - mean(T_off, T_off) has from noise alone, given the A/A pairs' sd.

    One run with variance v gives an A/A difference 2 v and D 1.5 v.
    """
    return a_a_sd * math.sqrt(0.75)


def as_json(value: Any) -> Any:
    """Intervals as [low, high], dataclasses of this file as plain dictionaries."""
    if isinstance(value, Interval):
        return [value.low, value.high]
    if isinstance(value, Ratio | Difference):
        return {name: as_json(getattr(value, name)) for name in value.__slots__}
    return value
