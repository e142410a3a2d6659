"""Fixed against per-sample cost on hand-made blocks; coverage: test_stats_simulated.py."""

import numpy as np
import pytest

from hotkit.core import stats
from hotkit.core.stats_dose import dose_response

RNG = np.random.default_rng(12)
SAMPLES = np.array([1000.0, 2000.0, 4000.0]) * RNG.normal(1, 0.02, (8, 3))
OFF = 1.0 + RNG.normal(0, 0.01, 8)


def test_without_noise_both_come_out():
    times = OFF[:, None] + 0.05 + 2e-5 * SAMPLES
    times += 1e-9 * RNG.normal(0, 1, times.shape)
    found = dose_response(times, OFF, SAMPLES)
    assert found.fixed == pytest.approx(0.05, rel=1e-5)
    assert found.per_sample.estimate == pytest.approx(2e-5, rel=1e-5)
    assert found.doses == pytest.approx(SAMPLES.mean(axis=0))
    assert found.undefined is None


def test_the_estimate_is_least_squares_with_a_fixed_effect_per_block():
    """Against numpy's solver on the full design: a column per block, one for on, one for doses."""
    times = OFF[:, None] + 0.05 + 2e-5 * SAMPLES + RNG.normal(0, 0.01, SAMPLES.shape)
    design, seen = [], []
    for block in range(8):
        for time, on, dose in [
            (OFF[block], 0.0, 0.0),
            *((times[block, k], 1.0, SAMPLES[:, k].mean()) for k in range(3)),
        ]:
            design.append([*(np.arange(8) == block), on, dose])
            seen.append(time)
    solved = np.linalg.lstsq(np.array(design, dtype=float), np.array(seen), rcond=None)[0]
    found = dose_response(times, OFF, SAMPLES)
    assert (found.fixed, found.per_sample.estimate) == pytest.approx((solved[-2], solved[-1]))


def test_two_settings_are_the_ratio_of_their_differences():
    times = OFF[:, None] + 2e-5 * SAMPLES + RNG.normal(0, 0.001, SAMPLES.shape)
    found = dose_response(times[:, :2], OFF, SAMPLES[:, :2])
    other = stats.ratio(times[:, 1] - times[:, 0], SAMPLES[:, 1] - SAMPLES[:, 0])
    assert found.per_sample.estimate == pytest.approx(other.estimate)
    assert found.per_sample.interval.low == pytest.approx(other.interval.low)
    assert found.per_sample.interval.high == pytest.approx(other.interval.high)


def test_negative_fixed_cost_stays():
    times = OFF[:, None] - 0.05 + 2e-5 * SAMPLES + RNG.normal(0, 1e-4, SAMPLES.shape)
    assert dose_response(times, OFF, SAMPLES).fixed_interval.high < 0


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (SAMPLES[:, :1], "one dose only"),
        (np.full((8, 2), 1000.0), "constant samples"),
        (np.zeros((8, 2)), "constant samples"),
        (1000.0 * RNG.normal(1, 0.2, (8, 3)), "constant samples"),
    ],
)
def test_undefined_is_named(samples, words):
    times = OFF[:, None] + 2e-5 * samples + RNG.normal(0, 0.001, samples.shape)
    found = dose_response(times, OFF, samples)
    assert words in found.undefined
    assert (found.fixed, found.fixed_interval, found.per_sample) == (None, None, None)


def test_constant_times_and_one_block_are_named():
    samples = np.array([[1000.0, 2000.0]] * 8)
    assert "constant times" in dose_response(np.ones((8, 2)), np.ones(8), samples).undefined
    assert "at least two" in dose_response(np.ones((1, 2)), np.ones(1), samples[:1]).undefined
