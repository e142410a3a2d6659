"""Drift, warm-up, far blocks and boots on hand-made values; coverage: test_stats_simulated.py."""

import numpy as np
import pytest
from scipy import stats as sps

from hotkit.core.stats_session import drift, far_blocks, over

WOBBLE = np.array([0.001, -0.002, 0.001, 0.0, -0.001, 0.002, 0.0, -0.001])


def test_a_line_against_scipy():
    levels = 2.0 + WOBBLE + 0.02 * np.arange(8) / 7
    found = drift(levels)
    line = sps.linregress(np.arange(8), levels)
    half = sps.t.ppf(0.975, 6) * line.stderr * 7 / levels.mean()
    assert found.change == pytest.approx(line.slope * 7 / levels.mean())
    assert found.change_interval.high - found.change == pytest.approx(half)
    assert found.change == pytest.approx(0.01, abs=0.002)
    assert not found.change_interval.holds_zero


def test_first_blocks_by_hand():
    levels = 2.0 + WOBBLE
    levels[:2] += 0.1
    found = drift(levels)
    # The rest: mean 2.000167, sd 0.001169 (5 degrees, t = 2.570582); two against six blocks.
    half = 2.570582 * 0.00116905 * (1 / 2 + 1 / 6) ** 0.5
    assert found.first_blocks == 2
    assert found.first == pytest.approx((2.0995 - 2.00016667) / levels.mean(), rel=1e-4)
    assert found.first_interval.high - found.first == pytest.approx(half / levels.mean(), rel=1e-4)


def test_a_first_block_that_is_far_off_does_not_hide_itself():
    levels = 2.0 + WOBBLE
    levels[0] += 0.1
    assert drift(levels).first_interval.low > 0.02


def test_a_steady_machine_shows_none():
    found = drift(2.0 + WOBBLE)
    assert found.change_interval.holds_zero and found.first_interval.holds_zero


def test_too_few_blocks_for_a_line():
    found = drift([1.0, 2.0, 1.5])
    assert found.change is None and "a line needs four" in found.undefined
    assert drift([1.0] * 6).change == 0.0  # a clock without resolution: no error, no drift


def test_far_blocks_by_hand():
    # median 0, MAD 1: 0.6745 x 5.2 = 3.507 is far, 0.6745 x 5.1 = 3.44 is not.
    assert far_blocks([-1.0, 1.0, -1.0, 1.0, 0.0, 0.0, 5.1]) == ()
    assert far_blocks([-1.0, 1.0, -1.0, 1.0, 0.0, 0.0, 5.2]) == (6,)
    assert far_blocks([-1.0, 1.0, -1.0, 1.0, 0.0, -5.2, 0.0]) == (5,)
    assert far_blocks([1.0, 1.0, 1.0, 1.0, 9.0]) == ()  # no spread to measure by


def test_boots_by_hand():
    found = over("boot", [1.0, 2.0, 3.0])
    assert (found.n, found.mean, found.undefined) == (3, 2.0, None)
    assert found.interval.low == pytest.approx(2 - 2.484138, abs=1e-6)


@pytest.mark.parametrize(
    ("values", "mean", "words"),
    [
        ([], None, "0 boot(s)"),
        ([1.0, 2.0], 1.5, "at least 3"),
        ([2.0, 2.0, 2.0], 2.0, "same figure"),
    ],
)
def test_too_few_boots_are_said(values, mean, words):
    found = over("boot", values)
    assert found.interval is None and found.mean == mean
    assert words in found.undefined
