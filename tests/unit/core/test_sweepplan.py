"""What a plan promises, held against simulated sweeps: power, half width, an sd's interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as sps

from hotkit.core.stats import noise_of_a_pair
from hotkit.core.stats_compare import LEVEL, tost
from hotkit.core.stopping import interim_level
from hotkit.core.sweepplan import (
    Noise,
    Pace,
    TimedRun,
    Wishes,
    blocks_for_different,
    blocks_for_equivalent,
    blocks_for_half_width,
    lasts,
    pace_of,
    sd_interval,
    sight,
)

SWEEPS = 10_000
# Fractions of the off time: from run to run, and of D = T_on - mean(T_off).
RUN = 0.003
PAIR = RUN * 1.5**0.5
NOISE = Noise(pairs=8, off_off=PAIR, arms={"a": PAIR})
WISHES = Wishes(blocks=8, most_blocks=8, arms=1, smallest_effect=0.01)


def extra(blocks, effect=0.0, seed=1):
    """D of each block, in fractions of the off time, from simulated runs."""
    rng = np.random.default_rng(seed)
    off = rng.normal(1, RUN, (SWEEPS, blocks, 2)).mean(axis=2)
    return rng.normal(1 + effect, RUN, (SWEEPS, blocks)) - off, off


@pytest.mark.parametrize("n", [4, 8, 20])
def test_the_interval_of_an_sd_covers_it(n):
    found = np.random.default_rng(n).normal(0, 1, (SWEEPS, n)).std(axis=1, ddof=1)
    ends = sd_interval(1.0, n)
    assert 0.94 <= np.mean((found * ends.low <= 1) & (found * ends.high >= 1)) <= 0.96


def test_eight_pairs_leave_a_factor_of_two():
    ends = sd_interval(1.0, 8)
    assert (round(ends.low, 2), round(ends.high, 2)) == (0.66, 2.04)


@pytest.mark.parametrize("blocks", [6, 8, 20])
def test_the_smallest_effect_is_found_in_80_of_100_sweeps(blocks):
    a_a = noise_of_a_pair(RUN * 2**0.5)
    found = sight(replace(NOISE, off_off=a_a), replace(WISHES, blocks=blocks, most_blocks=blocks))
    assert found.mde.value is not None
    d, _ = extra(blocks, found.mde.value)
    assert np.mean(sps.ttest_1samp(d, 0, axis=1).pvalue < LEVEL) == pytest.approx(0.8, abs=0.015)


def test_figures_grow_with_the_sd_that_the_pilot_may_have_missed():
    found = sight(NOISE, replace(WISHES, smallest_effect=0.002))
    for one in (found.off_off, found.mde, found.needed):
        assert one.low < one.value < one.high
    assert found.mde_most is found.half_width is found.equivalent is None


def test_blocks_that_reach_a_half_width():
    blocks = blocks_for_half_width(PAIR, 0.002, 8)
    assert blocks is not None and blocks % 2 == 0

    def half(n):
        d, _ = extra(n)
        return np.median(sps.t.ppf(0.975, n - 1) * d.std(axis=1, ddof=1) / n**0.5)

    assert half(blocks) <= 0.002 < half(blocks - 2)


@pytest.mark.parametrize("margin", [0.01, 0.003])
def test_blocks_that_show_equivalence_in_80_of_100_sweeps(margin):
    level = interim_level(8, 100)
    blocks = blocks_for_equivalent(PAIR, margin, level, 8)
    assert blocks is not None
    shown = [np.mean(tost(*extra(n), margin) < level) for n in (blocks, max(blocks - 4, 6))]
    assert shown[0] >= 0.79
    assert blocks == 8 or shown[1] < 0.79


def test_blocks_that_show_a_difference_in_80_of_100_sweeps():
    level = interim_level(8, 100)
    blocks = blocks_for_different(PAIR, 0.003, level, 8)
    assert blocks is not None
    shown = [
        np.mean(sps.ttest_1samp(extra(n, 0.003)[0], 0, axis=1).pvalue < level)
        for n in (blocks, blocks - 4)
    ]
    assert shown[0] >= 0.79 > shown[1]


def test_what_takes_too_many_blocks():
    assert blocks_for_half_width(1.0, 1e-6, 8) is None
    found = sight(NOISE, replace(WISHES, smallest_effect=1e-7))
    assert found.needed.value is None
    assert blocks_for_half_width(1e-9, 0.1, 7) == 8, "whole pairs, and not fewer than asked for"


def test_until_waits_for_the_noisiest_arm():
    wishes = replace(WISHES, most_blocks=100, half_width=0.002, verdict=True)
    quiet = sight(NOISE, wishes)
    noisy = sight(replace(NOISE, arms={"a": PAIR, "b": 2 * PAIR}), wishes)
    assert noisy.noise.widest == ("b", 2 * PAIR)
    assert quiet.half_width and noisy.half_width
    assert (quiet.half_width.value or 0) < (noisy.half_width.value or 0)
    assert quiet.mde == noisy.mde, "the smallest effect comes from the off pairs"
    assert replace(NOISE, arms={}).widest == ("off", PAIR)


@pytest.mark.parametrize("noise", [replace(NOISE, pairs=1), replace(NOISE, off_off=0.0)])
def test_no_noise(noise):
    with pytest.raises(ValueError, match="off runs with sd"):
        sight(noise, WISHES)


RUNS = [
    TimedRun(arm="off", work_s=1.0, harness_s=1.5, between_s=None),
    TimedRun(arm="off", work_s=2.0, harness_s=2.5, between_s=0.1),
    TimedRun(arm="a", work_s=3.0, harness_s=4.0, between_s=0.2),
    TimedRun(arm="a", work_s=3.0, harness_s=4.0, between_s=900.0),
]


def test_pace():
    pace = pace_of(RUNS, start_s=7.0)
    assert pace == Pace(
        harness_s={"off": 2.0, "a": 4.0}, work_s={"off": 1.5, "a": 3.0}, between_s=0.2, start_s=7.0
    )
    assert pace.block_s(["a"]) == pytest.approx(2 * 2.2 + 4.2)
    assert pace.block_s(["a", "new"]) == pytest.approx(2 * 2.2 + 2 * 4.2)
    assert pace_of(RUNS[2:], 0.0) is None


def test_a_fixed_number_of_blocks():
    found = lasts(10.0, 3.0, WISHES, None)
    assert (found.least_s, found.likely_s, found.most_s, found.likely_blocks) == (83, 83, 83, 8)


UNTIL = replace(WISHES, most_blocks=100)


def test_until_without_a_pilot_is_between_the_least_and_the_most():
    found = lasts(10.0, 0.0, replace(UNTIL, verdict=True), None)
    assert (found.least_s, found.likely_s, found.most_s) == (80, None, 1000)


def test_until_with_a_pilot_ends_with_what_comes_first():
    wishes = replace(UNTIL, half_width=0.002, verdict=True, smallest_effect=0.01)
    seen = sight(NOISE, wishes)
    assert seen.equivalent and seen.half_width and seen.half_width.value
    assert seen.equivalent.value == 8 < seen.half_width.value < 30
    assert lasts(10.0, 0.0, wishes, seen).likely_blocks == 8
    alone = replace(wishes, verdict=False)
    found = lasts(10.0, 0.0, alone, sight(NOISE, alone))
    assert found.likely_blocks == seen.half_width.value
    never = replace(alone, half_width=1e-6)
    assert lasts(10.0, 0.0, never, sight(NOISE, never)).likely_blocks == 100


@pytest.mark.parametrize(("minutes", "blocks"), [(5, 32), (1, 8), (1000, 100)])
def test_until_the_time_is_over(minutes, blocks):
    """A pair that has begun is finished, `blocks` are done anyway, `most_blocks` are the most."""
    found = lasts(10.0, 0.0, replace(UNTIL, seconds=60.0 * minutes), None)
    assert (found.likely_blocks, found.most_s) == (blocks, 10.0 * blocks)
