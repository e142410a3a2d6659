"""When a sweep has enough blocks, looked at again and again without inflating its errors.

Whoever looks after every pair of blocks and stops at the first p < 0.05 finds a difference between
identical arms in 28 of 100 sweeps (8 to 100 blocks, simulated). So every look but the last one asks
for much more (J. L. Haybittle 1971, R. Peto et al. 1976): the looks before the last err in at most
1 of 100 sweeps together, the last one at 5 % as a sweep of a fixed length does. The report needs
no correction then: its words at the end of a sweep err in at most 6 of 100. docs/sweep.md, "Until".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hotkit.core.analysis import Analysis, ArmResult
from hotkit.core.stats import Array
from hotkit.core.stats_compare import LEVEL

# In so many sweeps at most a look before the last one may stop with the wrong word.
INTERIM_ERROR = 0.01
# Stopping at a narrow interval prefers blocks that happen to scatter little: from 8 blocks on it
# still covers 93 %, from 6 on it does not (docs/sweep.md).
LEAST_FOR_WIDTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """What a part of a sweep waits for; whatever comes first ends it.

    `half_width_fraction`: the 95 % interval of every arm's slow-down reaches that far to each side
    (0.002 = 0.2 %). `verdict`: every arm is equivalent or different, as far as a look before the
    last one may say so. Both look from `least_blocks` on, after whole pairs of blocks, since only
    there every arm had the same mean place. `most_blocks` end it in any case.
    """

    least_blocks: int
    most_blocks: int
    half_width_fraction: float | None = None
    verdict: bool = False

    def enough(self, analysis: Analysis | None, blocks_done: int) -> str | None:
        """Why the blocks suffice, in one sentence; None: go on.

        `analysis` is of these blocks. Whether the session is trusted plays no part: a session that
        goes on until its A/A pairs look alike would pass that test by waiting.
        """
        if blocks_done >= self.most_blocks:
            return f"{self.most_blocks} blocks are the most that were asked for"
        if analysis is None or blocks_done < self.least_blocks or blocks_done % 2:
            return None
        arms = [arm for arm in analysis.arms if not arm.errors]
        if not arms:
            return "no arm has a figure, and more blocks cannot give it one"
        return self._narrow(arms, blocks_done) or self._settled(arms, blocks_done)

    def _narrow(self, arms: list[ArmResult], blocks: int) -> str | None:
        halves = [half_width(arm) for arm in arms]
        wanted = self.half_width_fraction
        if wanted is None or max(halves) > wanted or blocks < LEAST_FOR_WIDTH:
            return None
        return (
            f"after {blocks} blocks the 95 % interval of every slow-down is within"
            f" +-{100 * wanted:g} % (the widest +-{100 * max(halves):.2g} %)"
        )

    def _settled(self, arms: list[ArmResult], blocks: int) -> str | None:
        level = interim_level(self.least_blocks, self.most_blocks)
        if not self.verdict or not all(_arm_is_settled(arm, level) for arm in arms):
            return None
        words = ", ".join(f"{arm.arm} {arm.equivalence.answer}" for arm in arms if arm.equivalence)
        return f"after {blocks} blocks every arm has its verdict at p < {level:.2g}: {words}"


def half_width(arm: ArmResult) -> float:
    """Half of the 95 % interval of a slow-down, as a fraction; infinite without an interval."""
    interval = arm.slowdown.interval
    return math.inf if interval is None else (interval.high - interval.low) / 2


def settled(p_equivalent: Array, p_different: Array, level: float) -> npt.NDArray[np.bool_]:
    """Whether a look before the last may stop with the word that the report would then print.

    That word is by LEVEL and "equivalent" goes first (stats_compare.equivalence), so "different"
    needs that "equivalent" does not hold.
    """
    return (p_equivalent < level) | ((p_equivalent >= LEVEL) & (p_different < level))


def _arm_is_settled(arm: ArmResult, level: float) -> bool:
    found = arm.equivalence
    if found is None or found.p is None or arm.p_holm is None:
        return False
    return bool(settled(np.array(found.p), np.array(arm.p_holm), level))


def interim_level(least_blocks: int, most_blocks: int) -> float:
    """The two-sided level of each look before the last, for INTERIM_ERROR over all of them.

    A t statistic over more and more blocks moves like W(n)/sqrt(n) with a Brownian motion W, and
    P(max |W(n)|/sqrt(n) >= b) over n from m to M is (b - 1/b) phi(b) ln(M/m) + 4 phi(b)/b
    (D. Siegmund, Sequential Analysis, 1985, for large b). Looks at whole pairs see less of it than
    looks at every moment, so the true error is smaller (docs/sweep.md has both).
    """
    span = math.log(max(most_blocks, least_blocks) / least_blocks)
    low, high = 1.5, 10.0  # what errs too much, and what certainly does not
    for _ in range(60):
        b = (low + high) / 2
        density = math.exp(-b * b / 2) / math.sqrt(2 * math.pi)
        errs = (b - 1 / b) * density * span + 4 * density / b
        low, high = (b, high) if errs > INTERIM_ERROR else (low, b)
    return math.erfc(high / math.sqrt(2))
