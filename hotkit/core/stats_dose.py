"""Fixed against per-sample cost: T = block + F + c samples, over several settings of one tracker.

One on/off comparison gives the average (F + c S) / S. With two or more settings that sample
differently the two can be told apart: c is the slope between the settings, F what is left at no
sample. Units: seconds, samples.

The dose of a setting is its mean sample count over all blocks, not the count of the single run: a
tracker that samples at a fixed rate has more samples in a run that took longer for any reason, and
a slope over single runs takes that for cost (shown in tests/unit/core/test_stats_simulated.py).
With means as doses every block has the same design, so ordinary least squares with a fixed effect
per block is the mean of one estimate per block, and an interval from those n values by t with
n - 1 degrees is cluster-robust without any correction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hotkit.core.distributions import f_quantile, t_quantile
from hotkit.core.stats import CONFIDENCE, Array, Interval, Ratio, fieller, ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseFit:
    """Rows of fits: c and F with the half-widths of F and the ends of c; `clear` where defined."""

    per_sample: Array
    per_sample_low: Array
    per_sample_high: Array
    fixed: Array
    fixed_half: Array
    clear: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseResponse:
    """F in seconds per run and c in seconds per sample; `doses` are mean samples per setting.

    `undefined` says in one sentence why they cannot be told apart; then nothing else has a value.
    """

    doses: tuple[float, ...]
    fixed: float | None = None
    fixed_interval: Interval | None = None
    per_sample: Ratio | None = None
    undefined: str | None = None


def fit(times: Array, off: Array, samples: Array) -> DoseFit:
    """Fit each row. `times` and `samples` are rows x blocks x settings, `off` rows x blocks.

    Least squares within blocks: c = sum(h T) with h the centred doses over their sum of squares.
    Since sum(h S) averages to 1, c is a ratio of means, too, and has its paired Fieller interval; F
    has the linearised one, from the values per block of T - c S - off. A row is `clear` when doses
    differ beyond chance: Scheffe's bound, since h looks at the largest difference there is.
    """
    _, n, k = times.shape
    doses = samples.mean(axis=1)
    away = doses - doses.mean(axis=1, keepdims=True)
    t = t_quantile(0.5 + CONFIDENCE / 2, n - 1)
    with np.errstate(invalid="ignore"):
        h = (away / (away * away).sum(axis=1, keepdims=True))[:, None, :]
        y, x = (h * times).sum(axis=2), (h * samples).sum(axis=2)
        low, high, g = fieller(y, x)
        c = y.mean(axis=1)
        rest = times - c[:, None, None] * samples
        level = rest.mean(axis=2) - off
        # How F of a block departs: its own level, and what its slope does to the way down to 0.
        own = level - doses.mean(axis=1)[:, None] * (h * rest).sum(axis=2)
        half = t * own.std(axis=1, ddof=1) / np.sqrt(n)
        scheffe = (k - 1) * f_quantile(CONFIDENCE, k - 1, n - 1)
        clear = g * scheffe / (t * t) < 1.0
    return DoseFit(
        per_sample=c,
        per_sample_low=low,
        per_sample_high=high,
        fixed=level.mean(axis=1),
        fixed_half=half,
        clear=clear,
    )


def dose_response(times: Array, off: Array, samples: Array) -> DoseResponse:
    """Fixed and per-sample cost of one tracker from blocks x settings; `off` one time per block."""
    n, k = times.shape
    doses = tuple(float(dose) for dose in samples.mean(axis=0))

    def without(why: str) -> DoseResponse:
        return DoseResponse(doses=doses, undefined=why)

    if k < 2:
        return without("one dose only: fixed and per-sample cost cannot be told apart")
    if n < 2:
        return without(f"{n} complete block(s): an interval needs at least two")
    found = fit(times[None], off[None], samples[None])
    if max(doses) == min(doses) or not found.clear[0]:
        return without(
            "constant samples: the settings do not differ in samples by more than chance,"
            " fixed and per-sample cost cannot be told apart"
        )
    away = samples.mean(axis=0) - np.mean(doses)  # h but for its scale, which a ratio does not have
    per_sample = ratio(times @ away, samples @ away, cross_check=False)
    if per_sample.undefined:
        return without(per_sample.undefined)
    fixed, half = float(found.fixed[0]), float(found.fixed_half[0])
    return DoseResponse(
        doses=doses,
        fixed=fixed,
        fixed_interval=Interval(low=fixed - half, high=fixed + half),
        per_sample=per_sample,
    )
