"""What the figures of a sweep claim, checked by simulation over the schedules that hotkit draws.

Assumed noise (not measured): a run takes 60 s; from run to run it varies by 0.3 % (sd 0.18 s),
independently unless said otherwise. The kinds of noise are in NOISE, each with its size. An on arm
examines 1e6 samples (sd 10 %, independent of the time) at 250 ns each. Every repetition is a
session with a seed of its own, drawn by `schedule()`; 10,000 repetitions, so the Monte Carlo
standard error of a rate of 5 % is 0.22 points, and seeds are fixed: a test fails when the code
changes, never by chance. docs/sweep.md shows the rates as a table.
"""

from functools import cache

import numpy as np
import pytest
from scipy import stats as sps

from hotkit.core import stats, stats_compare, stats_dose, stats_session
from hotkit.core.design import OFF, Arm, schedule

REPETITIONS = 10_000
T, SD, COST, SAMPLES = 60.0, 0.18, 250e-9, 1e6
MONTE_CARLO = 3 * (0.05 * 0.95 / REPETITIONS) ** 0.5
ONE = (Arm(name="on", tracker="none"),)
BLOCKS = [6, 10, 20]


def gaussian(rng, shape):
    return rng.normal(0, SD, shape)


def ramp(percent):
    """Drift by so many percent in a straight line from first run to last."""
    return lambda rng, shape: gaussian(rng, shape) + percent / 100 * T * np.linspace(0, 1, shape[1])


def settling(rng, shape):
    """The first runs take 2 % longer; that wears off with a time constant of two blocks."""
    return gaussian(rng, shape) + 0.02 * T * np.exp(-np.arange(shape[1]) / 6)


def cold_start(rng, shape):
    """The first run takes 10 % longer, the next ones 5 %, 3 % ...: within half a block."""
    return gaussian(rng, shape) + 0.1 * T * np.exp(-np.arange(shape[1]) / 1.5)


def steps(rng, shape):
    """Two jumps of 1 %, up or down, each at any run."""
    times = gaussian(rng, shape)
    for _ in range(2):
        at, sign = rng.integers(0, shape[1], (shape[0], 1)), rng.choice([-1, 1], (shape[0], 1))
        times += 0.01 * T * sign * (np.arange(shape[1]) >= at)
    return times


def heavy(rng, shape):
    """Student's t with three degrees of freedom, scaled to the same sd."""
    return rng.standard_t(3, shape) * SD / 3**0.5


def skewed(rng, shape):
    """Exponential: never faster than the best, sometimes much slower."""
    return rng.exponential(SD, shape)


def autoregressive(rho):
    """AR(1) from run to run, of the same sd."""

    def noise(rng, shape):
        fresh = gaussian(rng, shape)
        times = fresh.copy()
        for run in range(1, shape[1]):
            times[:, run] = rho * times[:, run - 1] + (1 - rho**2) ** 0.5 * fresh[:, run]
        return times

    return noise


def walk(rng, shape):
    """A random walk whose step from run to run is as large as the noise."""
    return gaussian(rng, shape) + np.cumsum(gaussian(rng, shape), axis=1)


NOISE = {
    "Gaussian": gaussian,
    "drift 1 %": ramp(1),
    "drift 5 %": ramp(5),
    "settling": settling,
    "cold start": cold_start,
    "steps": steps,
    "t3": heavy,
    "skewed": skewed,
    "AR(1) 0.5": autoregressive(0.5),
    "AR(1) 0.8": autoregressive(0.8),
    "random walk": walk,
}


@cache
def orders(n):
    """Which arm (0 and 1 off, 2 on) each place of each block has, for every repetition."""
    return np.array([order(seed, n) for seed in range(REPETITIONS)], dtype=np.int8)


def order(seed, n):
    runs = schedule(ONE, n, seed)
    flat = [run.twin if run.arm.name == OFF else 2 for run in runs]
    return np.array(flat).reshape(n, 3)


def by_arm(times, places):
    """Times in the order of the session, sorted to rows x blocks x arm."""
    rows, n, runs = len(times), places.shape[-2], places.shape[-1]
    found = np.empty((rows, n, runs))
    where = np.broadcast_to(places, found.shape).astype(int)
    np.put_along_axis(found, where, times.reshape(found.shape), axis=2)
    return found


@cache
def sessions(kind, n):
    """Off times (rows x blocks x 2), on times without any cost, samples: REPETITIONS sessions."""
    rng = np.random.default_rng([n, list(NOISE).index(kind)])
    times = by_arm(T + NOISE[kind](rng, (REPETITIONS, 3 * n)), orders(n))
    samples = rng.normal(SAMPLES, SAMPLES / 10, (REPETITIONS, n))
    return times[..., :2], times[..., 2], samples


def coverage(kind, n):
    off, on, samples = sessions(kind, n)
    low, high, g = stats.fieller(on + COST * samples - off.mean(axis=2), samples)
    assert (g < 1).all()
    return float(np.mean((low <= COST) & (high >= COST)))


def a_a_false_positives(kind, n):
    off, _, _ = sessions(kind, n)
    return significant(off[..., 0] - off[..., 1])


def significant(d):
    """Share of rows whose paired t interval leaves 0 out, as in stats.difference."""
    low, high, _ = stats.fieller(d, np.ones_like(d))
    return float(np.mean((low > 0) | (high < 0)))


def tost_errors(kind, n, sign=1):
    """Called equivalent although the slow-down is just the margin, 1 %."""
    off, on, _ = sessions(kind, n)
    level = off.mean(axis=2)
    extra = on - level + sign * 0.01 * T
    # The true slow-down is relative to the true off time, which noise with a mean adds to.
    margin = 0.01 * T / float(level.mean())
    return float(np.mean(stats_compare.tost(extra, level, margin) < stats_compare.LEVEL))


def sign_flip_rejections(d):
    """The exact test of stats.sign_flip, for many rows at once."""
    n = d.shape[1]
    signs = ((np.arange(1 << (n - 1))[:, None] >> np.arange(n)) & 1) * 2.0 - 1
    hits = 0
    for rows in np.array_split(d, 20):
        seen = np.abs(rows.sum(axis=1))[:, None] * (1 - 1e-12)
        hits += np.count_nonzero(np.mean(np.abs(rows @ signs.T) >= seen, axis=1) < 0.05)
    return hits / len(d)


@pytest.mark.parametrize("n", BLOCKS)
def test_gaussian_noise_is_covered_as_promised(n):
    assert 0.93 <= coverage("Gaussian", n) <= 0.97


@pytest.mark.parametrize("n", BLOCKS)
@pytest.mark.parametrize("kind", [kind for kind in NOISE if kind != "Gaussian"])
def test_other_noise_is_never_covered_less(kind, n):
    assert coverage(kind, n) >= 0.93


@pytest.mark.parametrize("n", BLOCKS)
@pytest.mark.parametrize("kind", NOISE)
def test_identical_runs_are_called_different_in_at_most_7_of_100_sessions(kind, n):
    assert a_a_false_positives(kind, n) <= 0.07


@pytest.mark.parametrize("n", [6, 10])
@pytest.mark.parametrize("kind", NOISE)
def test_exact_sign_flip_false_positives(kind, n):
    off, _, _ = sessions(kind, n)
    d = off[..., 0] - off[..., 1]
    found = sign_flip_rejections(d)
    assert found <= 0.07
    few = [stats.sign_flip(row) < 0.05 for row in d[:60]]
    assert sign_flip_rejections(d[:60]) == np.mean(few)


def test_one_arm_after_the_other_finds_a_difference_nine_times_in_ten():
    """What interleaving is for: AAAA..BBBB under the 1 % drift, ten runs each, Welch's test."""
    rng = np.random.default_rng(1)
    times = ramp(1)(rng, (REPETITIONS, 20))
    a, b = times[:, :10], times[:, 10:]
    assert np.mean(sps.ttest_ind(a, b, axis=1, equal_var=False).pvalue < 0.05) > 0.85


def of_seeds(places, kind, n):
    """A/A false positives of each single schedule, as for people who all leave the seed at 1."""
    rng = np.random.default_rng(n)
    found = []
    for place in places:
        by = by_arm(NOISE[kind](rng, (4000, 3 * n)), place)
        found.append(significant(by[..., 0] - by[..., 1]))
    return found


@pytest.mark.parametrize("kind", ["drift 5 %", "settling"])
def test_no_seed_is_an_unlucky_one(kind):
    """Mirrored: at most 7 % for each of 60 seeds. Merely random orders: some are much worse."""
    mirrored = of_seeds([order(seed, 8) for seed in range(60)], kind, 8)
    assert max(mirrored) <= 0.07
    rng = np.random.default_rng(3)
    thrown = [rng.permuted(np.tile(np.arange(3), (8, 1)), axis=1) for _ in range(60)]
    assert max(of_seeds(thrown, kind, 8)) > {"drift 5 %": 0.15, "settling": 0.08}[kind]


def test_mirrored_blocks_are_closer_to_the_truth_under_drift():
    """The estimate's own error, against merely random orders of the same sessions: 5 %, n = 6."""
    rng = np.random.default_rng(5)
    times = ramp(5)(rng, (REPETITIONS, 18))
    places = {
        "mirrored": orders(6),
        "random": rng.permuted(np.broadcast_to(np.arange(3), (REPETITIONS, 6, 3)), axis=2),
    }
    error = {}
    for name, place in places.items():
        by = by_arm(times, place)
        error[name] = float((by[..., 2] - by[..., :2].mean(axis=2)).mean(axis=1).std())
    assert error["mirrored"] < 0.8 * error["random"]
    assert error["mirrored"] == pytest.approx(SD * (1.5 / 6) ** 0.5, rel=0.03)


# One-sided tests suffer from skew where two-sided ones do not, and from noise that is not
# independent: these three are above 5 % and said to be so in docs/sweep.md.
TOST_BOUND = {"skewed": 0.08, "AR(1) 0.5": 0.065, "AR(1) 0.8": 0.065}


@pytest.mark.parametrize("n", BLOCKS)
@pytest.mark.parametrize("kind", NOISE)
def test_a_slow_down_at_the_margin_is_called_equivalent_in_at_most_5_of_100(kind, n):
    bound = TOST_BOUND.get(kind, 0.05 + MONTE_CARLO)
    for sign in (1, -1):
        assert tost_errors(kind, n, sign) <= bound


def test_no_slow_down_is_called_equivalent_when_the_blocks_suffice():
    off, on, _ = sessions("Gaussian", 10)
    level = off.mean(axis=2)
    assert np.mean(stats_compare.tost(on - level, level, 0.01) < 0.05) > 0.99
    # A margin as small as the noise: nothing can be shown, and nothing is.
    assert np.mean(stats_compare.tost(on - level, level, 0.001) < 0.05) < 0.05


def test_holm_holds_the_family_of_five_trackers():
    """Five arms that cost nothing, compared with the same off runs: at most 5 % of the sessions."""
    rng = np.random.default_rng(8)
    rows, n = 5000, 8
    times = gaussian(rng, (rows, n, 7))
    d = times[..., 2:] - times[..., :2].mean(axis=2, keepdims=True)
    p = sps.ttest_1samp(d, 0.0, axis=1).pvalue
    adjusted = np.array([stats_compare.holm(list(row)) for row in p])
    assert np.mean((adjusted < 0.05).any(axis=1)) <= 0.05 + 3 * (0.05 * 0.95 / rows) ** 0.5
    assert np.mean((p < 0.05).any(axis=1)) > 0.12


def doses_of(settings, n, kind, seed=1, fixed=0.1):
    """Sessions with several settings of one tracker; blocks differ by a random walk of 1 %.

    Samples are `exact`, `vary` (10 %, independent of the time), or follow the `rate`: a run that
    takes longer for any reason has more of them.
    """
    rng = np.random.default_rng([seed, n])
    shape = (REPETITIONS, n, len(settings) + 2)
    times = T + gaussian(rng, shape) + np.cumsum(rng.normal(0, 0.01 * T, (*shape[:2], 1)), axis=1)
    samples = np.broadcast_to(np.array(settings), (*shape[:2], len(settings)))
    if kind == "vary":
        samples = samples * rng.normal(1, 0.1, samples.shape)
    elif kind == "rate":
        samples = samples * times[..., 2:] / T
    return times[..., 2:] + fixed + COST * samples, times[..., :2].mean(axis=2), samples


@pytest.mark.parametrize("n", BLOCKS)
@pytest.mark.parametrize("kind", ["exact", "vary", "rate"])
@pytest.mark.parametrize("settings", [(5e5, 2e6), (2e5, 5e5, 1e6, 2e6)])
def test_fixed_cost_is_told_from_per_sample_cost(settings, kind, n):
    """F = 0.1 s and c = 250 ns: bias below 2 % of c and 3 ms of F, both intervals 93 to 97 %."""
    fixed = 0.1
    found = stats_dose.fit(*doses_of(settings, n, kind))
    assert found.clear.all()
    assert abs(found.per_sample.mean() - COST) < 0.02 * COST
    assert abs(found.fixed.mean() - fixed) < 0.003
    inside = (found.per_sample_low <= COST) & (found.per_sample_high >= COST)
    assert 0.93 <= inside.mean() <= 0.97
    assert 0.93 <= np.mean(np.abs(found.fixed - fixed) <= found.fixed_half) <= 0.97


def test_one_on_off_comparison_mixes_both():
    """The reason for the above: F = 0.1 s makes 250 ns look like 350."""
    on, off, samples = doses_of((1e6,), 10, "exact")
    assert np.mean((on[..., 0] - off).sum(axis=1) / samples[..., 0].sum(axis=1)) == pytest.approx(
        350e-9, rel=0.02
    )


def test_mean_doses_do_not_take_slow_runs_for_cost():
    """Settings 10 % apart at a fixed rate: a slope over single runs is wrong by half of c."""
    on, off, samples = doses_of((1e6, 1.1e6), 20, "rate")
    found = stats_dose.fit(on, off, samples)
    assert abs(found.per_sample[found.clear].mean() - COST) < 0.1 * COST
    y, x = (values - values.mean(axis=2, keepdims=True) for values in (on, samples))
    single = (x * y).sum(axis=(1, 2)) / (x * x).sum(axis=(1, 2))
    assert single.mean() - COST > 0.4 * COST


@pytest.mark.parametrize("settings", [2, 3, 5])
def test_settings_that_sample_alike_pass_for_different_in_5_of_100(settings):
    found = stats_dose.fit(*doses_of((1e6,) * settings, 6, "vary"))
    assert found.clear.mean() <= 0.05 + MONTE_CARLO


@pytest.mark.parametrize("n", BLOCKS)
def test_drift_of_the_off_runs_is_covered(n):
    off, _, _ = sessions("drift 1 %", n)
    change, half = stats_session.trend(off.mean(axis=2))
    # The line runs from the middle of the first block to that of the last.
    truth = 0.01 * T * (3 * n - 3) / (3 * n - 1)
    assert 0.93 <= np.mean(np.abs(change - truth) <= half) <= 0.97


@pytest.mark.parametrize("n", BLOCKS)
def test_first_blocks_show_a_cold_start_and_little_else(n):
    """Where the A/A comparison sees nothing: found in most sessions, in 5 % of the sound ones."""

    def share(kind):
        off, _, _ = sessions(kind, n)
        found = [stats_session.drift(row).first_interval for row in off[:1500].mean(axis=2)]
        return np.mean([not interval.holds_zero for interval in found])

    assert share("Gaussian") <= 0.05 + 3 * (0.05 * 0.95 / 1500) ** 0.5
    assert share("cold start") > 0.9


def test_deleting_far_blocks_makes_intervals_too_short():
    """Why nothing is deleted: Gaussian noise, six blocks, 95 % becomes less than 91 %."""
    rng = np.random.default_rng(6)
    rows = rng.normal(0, 1, (2000, 6))
    kept = [np.delete(row, stats_session.far_blocks(row)) for row in rows]
    flagged = np.mean([len(row) < 6 for row in kept])
    assert 0.12 <= flagged <= 0.18
    covered = []
    for row in kept:
        reach = sps.t.ppf(0.975, len(row) - 1) * row.std(ddof=1) / len(row) ** 0.5
        covered.append(abs(row.mean()) <= reach)
    assert np.mean(covered) < 0.91
