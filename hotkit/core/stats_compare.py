"""Several arms and a smallest effect of interest: Holm's correction, equivalence, one word per arm.

Sources: S. Holm 1979 (step-down correction); D. J. Schuirmann 1987 (two one-sided tests, TOST);
S. Sasabuchi 1988 (the same for a ratio of means). How the words are chosen: docs/sweep.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hotkit.core.distributions import t_tails
from hotkit.core.stats import Array, Interval, fieller

# Both one-sided tests at this level: the same as "the 90 % interval lies within the margin".
LEVEL = 0.05


class Answer(StrEnum):
    """What the blocks say about a slow-down, given a margin that matters."""

    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """TOST of a slow-down against +-`margin` (fractions of the off time).

    `p` is the larger of the two one-sided p-values; `interval` the 90 % Fieller interval that goes
    with it. `answer` is None, and `undefined` says why, when the blocks cannot be tested.
    """

    margin: float
    p: float | None
    interval: Interval | None
    answer: Answer | None
    undefined: str | None = None


def holm(values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjusted p-values: reject where one is < alpha, and the family-wise error stays <= alpha.

    None (an undefined test) stays None and does not count as a member of the family.
    """
    order = sorted((p, place) for place, p in enumerate(values) if p is not None)
    found: list[float | None] = [None] * len(values)
    largest = 0.0
    for done, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - done) * p))
        found[place] = largest
    return tuple(found)


def tost(extra: Array, off: Array, margin: float) -> Array:
    """p-value per row of "the slow-down sum(extra)/sum(off) lies outside +-margin".

    The ratio is tested without dividing: extra - margin off has a mean below 0, extra + margin off
    one above; each a one-sided paired t over the blocks, the larger p counts. A side without
    variance has 0 or 1 by the sign of its mean, and NaN when that is 0 too.
    """
    n = extra.shape[1]
    tails = []
    for sign in (1.0, -1.0):
        z = margin * off - sign * extra  # its mean is positive when that side is kept
        with np.errstate(divide="ignore", invalid="ignore"):
            t = z.mean(axis=1) / (z.std(axis=1, ddof=1) / np.sqrt(n))
        tails.append(t_tails(t, n - 1))
    p: Array = np.maximum(*tails)
    return p


def equivalence(
    extra: Sequence[float] | Array,
    off: Sequence[float] | Array,
    *,
    margin: float,
    p_different: float | None,
) -> Equivalence:
    """Equivalent, different or inconclusive. Times in seconds, one value per block.

    `p_different` is the p-value of "no slow-down at all", corrected for the number of arms.
    Equivalent goes first: a slow-down that is surely there and surely too small to matter is
    equivalent. Raises ValueError unless margin > 0.
    """
    if margin <= 0:
        raise ValueError(f"a margin of {margin:g}: no slow-down can lie within it")
    y, x = np.asarray(extra, dtype=float), np.asarray(off, dtype=float)
    why = None
    if len(y) < 2:
        why = "too few blocks"
    elif np.all(y == y[0]):
        why = "constant times: every block shows the same difference"
    if why:
        return Equivalence(margin=margin, p=None, interval=None, answer=None, undefined=why)
    p = float(tost(y[None, :], x[None, :], margin)[0])
    low, high, _ = (float(end[0]) for end in fieller(y[None, :], x[None, :], 1 - 2 * LEVEL))
    if p < LEVEL:
        answer = Answer.EQUIVALENT
    elif p_different is not None and p_different < LEVEL:
        answer = Answer.DIFFERENT
    else:
        answer = Answer.INCONCLUSIVE
    return Equivalence(
        margin=margin,
        p=p,
        interval=Interval(low=low, high=high, confidence=1 - 2 * LEVEL),
        answer=answer,
    )
