"""What a plan says of a sweep, to the last block: against tables and sums done by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from hotkit.core.distributions import t_quantile
from hotkit.core.stats import blocks_needed, smallest_effect
from hotkit.core.stopping import interim_level
from hotkit.core.sweepplan import (
    Lasts,
    Noise,
    Sight,
    Spread,
    TimedRun,
    Wishes,
    blocks_for_different,
    blocks_for_equivalent,
    blocks_for_half_width,
    lasts,
    pace_of,
    sd_interval,
    sight,
    spread,
)

SD, LEVEL = 0.004, 0.003
NOISE = Noise(pairs=6, off_off=SD, arms={"a": SD, "b": 1.5 * SD})
FIXED = Wishes(blocks=8, most_blocks=8, arms=3, smallest_effect=0.005)
UNTIL = replace(FIXED, most_blocks=40, half_width=0.002, verdict=True)


def test_the_interval_of_an_sd_by_the_tables():
    """Chi-square with 5 degrees of freedom: 0.831212 and 12.832502 cut off 2.5 % each."""
    found = sd_interval(0.5, 6)
    assert found.low == pytest.approx(0.5 * math.sqrt(5 / 12.832502), rel=1e-6)
    assert found.high == pytest.approx(0.5 * math.sqrt(5 / 0.831212), rel=1e-6)
    assert spread(0.5, 6, lambda sd: 2 * sd) == Spread(
        value=1.0, low=2 * found.low, high=2 * found.high
    )


def reach(n, *quantiles):
    return sum(t_quantile(p, n - 1) for p in quantiles) * SD / math.sqrt(n)


FIGURES = [
    (lambda bound, least: blocks_for_half_width(SD, bound, least), (0.975,)),
    # Of 20 % that may be missed each of the two tests has a half.
    (lambda bound, least: blocks_for_equivalent(SD, bound, LEVEL, least), (1 - LEVEL, 0.9)),
    (lambda bound, least: blocks_for_different(SD, bound, LEVEL, least), (1 - LEVEL / 2, 0.8)),
]


@pytest.mark.parametrize(("blocks_for", "quantiles"), FIGURES)
@pytest.mark.parametrize("n", [8, 10, 12, 14, 16, 18, 34, 500, 4446, 65_538, 99_998, 100_000])
def test_the_least_even_number_of_blocks_that_is_enough(blocks_for, quantiles, n):
    enough = reach(n, *quantiles)
    assert blocks_for(enough * (1 + 1e-12), 8) == n
    assert blocks_for(enough * (1 - 1e-9), 8) == (n + 2 if n < 100_000 else None)


@pytest.mark.parametrize(("blocks_for", "least_of_all"), [(FIGURES[0][0], 8), (FIGURES[1][0], 6),
                                                          (FIGURES[2][0], 6)])  # fmt: skip
def test_not_fewer_than_are_asked_for(blocks_for, least_of_all):
    found = [blocks_for(1e9, least) for least in (6, 7, 8, 9, 11)]
    assert found == [least_of_all, 8, 8, 10, 12]


@pytest.mark.parametrize(("blocks_for", "quantiles"), FIGURES)
def test_what_is_just_reached_is_reached(blocks_for, quantiles):
    enough = reach(12, *quantiles)
    assert blocks_for(enough, 8) == 12
    assert blocks_for(math.nextafter(enough, 0), 8) == 14


def test_what_a_sweep_until_sees():
    level, widest = interim_level(8, 40), 1.5 * SD
    assert sight(NOISE, UNTIL) == Sight(
        noise=NOISE,
        off_off=spread(SD, 6, lambda sd: sd),
        blocks=8,
        mde=spread(SD, 6, lambda sd: smallest_effect(sd, 8)),
        mde_most=spread(SD, 6, lambda sd: smallest_effect(sd, 40)),
        needed=spread(SD, 6, lambda sd: blocks_needed(sd, 0.005)),
        half_width=spread(widest, 6, lambda sd: blocks_for_half_width(sd, 0.002, 8)),
        equivalent=spread(widest, 6, lambda sd: blocks_for_equivalent(sd, 0.005, level, 8)),
        different=spread(widest, 6, lambda sd: blocks_for_different(sd, 0.005, level / 3, 8)),
    )


def test_what_a_sweep_of_a_fixed_length_sees():
    assert sight(NOISE, FIXED) == Sight(
        noise=NOISE,
        off_off=spread(SD, 6, lambda sd: sd),
        blocks=8,
        mde=spread(SD, 6, lambda sd: smallest_effect(sd, 8)),
        mde_most=None,
        needed=spread(SD, 6, lambda sd: blocks_needed(sd, 0.005)),
    )


def test_two_pairs_with_noise_are_enough_for_a_sight():
    assert sight(replace(NOISE, pairs=2), FIXED).blocks == 8
    with pytest.raises(ValueError, match=r"^1 pair\(s\) of off runs with sd 0\.004$"):
        sight(replace(NOISE, pairs=1), FIXED)
    with pytest.raises(ValueError, match=r"^6 pair\(s\) of off runs with sd 0$"):
        sight(replace(NOISE, off_off=0.0), FIXED)
    assert sight(replace(NOISE, off_off=1.0), FIXED).off_off.value == 1.0


def test_a_pace_without_a_known_time_between_runs():
    runs = [TimedRun(arm="off", work_s=1.0, harness_s=1.5)]
    pace = pace_of(runs, 0.0)
    assert (pace.between_s, pace.start_s, pace.block_s(["new"])) == (0.0, 0.0, 4.5)


def test_a_sweep_of_a_fixed_length_lasts_as_long_as_its_blocks():
    assert lasts(10.0, 3.0, FIXED, None) == Lasts(
        least_s=83.0, likely_s=83.0, most_s=83.0, likely_blocks=8
    )


@pytest.mark.parametrize(
    ("seconds", "least", "most"),
    [
        (59.0, 2, 6),
        (60.0, 2, 8),  # a pair that begins as the time is over begins
        (61.0, 2, 8),
        (60.0, 9, 9),  # what is asked for is done anyway
        (1e6, 2, 40),
    ],
)
def test_the_pair_under_way_is_finished(seconds, least, most):
    wishes = replace(FIXED, blocks=least, most_blocks=40, seconds=seconds)
    assert lasts(10.0, 3.0, wishes, None) == Lasts(
        least_s=3 + 10.0 * least, likely_s=3 + 10.0 * most, most_s=3 + 10.0 * most,
        likely_blocks=most,
    )  # fmt: skip


def seen(half_width, equivalent):
    def of(value):
        return Spread(value=value, low=None, high=None) if value != "no wish" else None

    return replace(sight(NOISE, UNTIL), half_width=of(half_width), equivalent=of(equivalent))


@pytest.mark.parametrize(
    ("half_width", "equivalent", "blocks"),
    [
        (12, 10, 10),
        (10, 12, 10),
        (12, None, 12),
        (None, 12, 12),
        (None, None, 40),
        (50, "no wish", 40),
        ("no wish", 16, 16),
    ],
)
def test_what_comes_first_is_expected(half_width, equivalent, blocks):
    found = lasts(10.0, 3.0, UNTIL, seen(half_width, equivalent))
    assert found == Lasts(
        least_s=83.0, likely_s=3 + 10.0 * blocks, most_s=403.0, likely_blocks=blocks
    )


@pytest.mark.parametrize("wish", [{"half_width": None}, {"verdict": False}])
def test_a_wish_without_a_pilot_can_be_told_only_where_there_is_no_choice(wish):
    wishes = replace(UNTIL, **wish)
    assert lasts(10.0, 3.0, wishes, None) == Lasts(
        least_s=83.0, likely_s=None, most_s=403.0, likely_blocks=None
    )
    assert lasts(10.0, 3.0, replace(wishes, seconds=1.0), None) == Lasts(
        least_s=83.0, likely_s=83.0, most_s=83.0, likely_blocks=8
    )
