"""Drift, warm-up, far blocks and boots on hand-made values; coverage: test_stats_simulated.py."""

import numpy as np
import pytest
from scipy import stats as sps

from hotkit.core.stats_session import Drift, Outer, drift, far_blocks, over, trend

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


def test_each_row_has_its_own_line():
    rows = np.array([2.0 + WOBBLE, 5.0 + 3 * WOBBLE + 0.1 * np.arange(8)])
    change, half = trend(rows)
    for row, found, reach in zip(rows, change, half, strict=True):
        line = sps.linregress(np.arange(8), row)
        assert found == pytest.approx(7 * line.slope)
        assert reach == pytest.approx(7 * sps.t.ppf(0.975, 6) * line.stderr)


def test_four_blocks_are_the_least_and_the_first_is_their_beginning():
    levels = np.array([2.3, 2.0, 2.1, 1.9])
    found = drift(levels)
    mean = 8.3 / 4
    # By hand: 2.3 against a mean of 2.0 with sd 0.1, two degrees of freedom, t = 4.302653.
    reach = 4.302653 * 0.1 * (1 + 1 / 3) ** 0.5
    assert (found.blocks, found.first_blocks, found.undefined) == (4, 1, None)
    assert found.first == pytest.approx(0.3 / mean)
    assert found.first_interval.low == pytest.approx((0.3 - reach) / mean)
    assert found.first_interval.high == pytest.approx((0.3 + reach) / mean)
    # The slope is (-1.5 x 2.3 - 0.5 x 2.0 + 0.5 x 2.1 + 1.5 x 1.9) / 5 = -0.11 a block.
    assert found.change == pytest.approx(3 * -0.11 / mean)
    off_line = [0.06, -0.13, 0.08, -0.01]
    half = 4.302653 * 3 * (sum(x * x for x in off_line) / 2 / 5) ** 0.5
    assert found.change_interval.low == pytest.approx((-0.33 - half) / mean)
    assert found.change_interval.high == pytest.approx((-0.33 + half) / mean)


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
    assert found == Drift(blocks=3, undefined="3 complete block(s): a line needs four")
    assert drift([1.0] * 6).change == 0.0  # a clock without resolution: no error, no drift


def test_far_blocks_by_hand():
    # median 0, MAD 1: 0.6745 x 5.2 = 3.507 is far, 0.6745 x 5.1 = 3.44 is not.
    assert far_blocks([-1.0, 1.0, -1.0, 1.0, 0.0, 0.0, 5.1]) == ()
    assert far_blocks([-1.0, 1.0, -1.0, 1.0, 0.0, 0.0, 5.2]) == (6,)
    assert far_blocks([-1.0, 1.0, -1.0, 1.0, 0.0, -5.2, 0.0]) == (5,)
    assert far_blocks([1.0, 1.0, 1.0, 1.0, 9.0]) == ()  # no spread to measure by
    # Twice as wide around 10: as far.
    assert far_blocks([8, 12, 8, 12, 10, 10, 20.2]) == ()
    assert far_blocks([8, 12, 8, 12, 10, 10, 20.4]) == (6,)
    # A MAD of 0.6745: 3.5 away is exactly as far as the rule allows.
    near = [-0.6745, 0.6745, -0.6745, 0.6745, 0.0, 0.0]
    assert far_blocks([*near, 3.5]) == () and far_blocks([*near, 3.51]) == (6,)


def test_boots_by_hand():
    found = over("boot", [1.0, 2.0, 3.0])
    assert (found.n, found.mean, found.undefined) == (3, 2.0, None)
    assert found.interval.low == pytest.approx(2 - 2.484138, abs=1e-6)
    wide = over("host", [1.0, 3.0, 5.0])
    assert wide.interval.low == pytest.approx(3 - 2 * 2.484138, abs=1e-6)
    assert wide.interval.high == pytest.approx(3 + 2 * 2.484138, abs=1e-6)
    assert (wide.level, wide.n, wide.mean) == ("host", 3, 3.0)


@pytest.mark.parametrize(
    ("values", "mean", "words"),
    [
        ([], None, "0 boot(s): a statement beyond them needs at least 3"),
        ([1.0, 2.0], 1.5, "2 boot(s): a statement beyond them needs at least 3"),
        ([2.0, 2.0, 2.0], 2.0, "every boot gives the same figure"),
    ],
)
def test_too_few_boots_are_said(values, mean, words):
    found = over("boot", values)
    assert found == Outer(level="boot", n=len(values), mean=mean, interval=None, undefined=words)
