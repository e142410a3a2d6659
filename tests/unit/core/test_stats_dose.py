"""Fixed against per-sample cost on hand-made blocks; coverage: test_stats_simulated.py."""

import numpy as np
import pytest
from scipy import stats as sps

from hotkit.core import stats
from hotkit.core.stats_dose import dose_response, fit

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


def by_loops(times, off, samples):
    """c with its ends, F with its half-width, and whether the doses differ, block by block."""
    n, k = times.shape
    doses = [sum(samples[:, j]) / n for j in range(k)]
    middle = sum(doses) / k
    square = sum((dose - middle) ** 2 for dose in doses)
    h = [(dose - middle) / square for dose in doses]
    y = [sum(h[j] * times[b, j] for j in range(k)) for b in range(n)]
    x = [sum(h[j] * samples[b, j] for j in range(k)) for b in range(n)]
    c = sum(y) / sum(x)
    t = sps.t.ppf(0.975, n - 1)
    rest = times - c * samples
    level = [sum(rest[b]) / k - off[b] for b in range(n)]
    own = [level[b] - middle * sum(h[j] * rest[b, j] for j in range(k)) for b in range(n)]
    g = t**2 * np.var(x, ddof=1) / n / np.mean(x) ** 2
    clear = g * (k - 1) * sps.f.ppf(0.95, k - 1, n - 1) / t**2 < 1
    return c, sum(level) / n, t * np.std(own, ddof=1) / np.sqrt(n), clear, stats.ratio(y, x)


def test_many_fits_at_once_are_those_of_plain_loops():
    """Doses that differ by little more than chance, so that some rows are clear and some not."""
    rng = np.random.default_rng(4)
    samples = np.array([1000.0, 1030.0, 1080.0]) * rng.normal(1, 0.04, (400, 6, 3))
    off = 1 + rng.normal(0, 0.01, (400, 6))
    times = off[..., None] + 0.05 + 2e-5 * samples + rng.normal(0, 0.01, samples.shape)
    found = fit(times, off, samples)
    assert 0.2 < found.clear.mean() < 0.8
    for row in range(400):
        c, fixed, half, clear, slope = by_loops(times[row], off[row], samples[row])
        assert found.per_sample[row] == pytest.approx(c)
        assert found.fixed[row] == pytest.approx(fixed, abs=1e-9)
        assert found.fixed_half[row] == pytest.approx(half)
        assert found.clear[row] == clear
        if slope.interval:
            ends = found.per_sample_low[row], found.per_sample_high[row]
            assert ends == pytest.approx((slope.interval.low, slope.interval.high))


def test_doses_that_do_not_differ_are_silent():
    with np.errstate(all="raise"):
        found = fit(np.ones((1, 3, 2)), np.ones((1, 3)), np.full((1, 3, 2), 1000.0))
    assert np.isnan(found.per_sample[0]) and not found.clear[0]


def test_every_figure_of_a_response():
    times = OFF[:, None] + 0.05 + 2e-5 * SAMPLES + RNG.normal(0, 0.01, SAMPLES.shape)
    found = dose_response(times, OFF, SAMPLES)
    c, fixed, half, _, slope = by_loops(times, OFF, SAMPLES)
    assert found.fixed_interval.low == pytest.approx(fixed - half)
    assert found.fixed_interval.high == pytest.approx(fixed + half)
    assert found.per_sample.estimate == pytest.approx(c)
    assert found.per_sample.interval.high == pytest.approx(slope.interval.high)
    assert found.per_sample.bootstrap is None


def test_two_blocks_are_enough_and_doses_are_told_in_any_case():
    two = dose_response(
        np.array([[1.1, 1.3], [1.1, 1.31]]), np.ones(2), np.array([[1e3, 2e3], [1e3, 2.01e3]])
    )
    assert two.undefined is None and two.per_sample is not None
    one = dose_response(np.ones((1, 2)), np.ones(1), np.array([[1000.0, 2000.0]]))
    assert one.doses == (1000.0, 2000.0)
