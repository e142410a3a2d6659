"""Every figure of core/stats.py by hand or by plain loops, to the last digit that tables have."""

import math

import numpy as np
import pytest

from hotkit.core import stats
from hotkit.core.stats import Difference, Interval, Ratio

# Student's t, from tables: 97.5 % with 2 and 9 degrees of freedom, 80 % with 9.
T2, T9, T9_80 = 4.302652729911275, 2.2621571627409915, 0.8834038596855186


def test_a_difference_of_three_blocks():
    found = stats.difference([1.0, 2.0, 4.0])
    mean, sd = 7 / 3, math.sqrt(7 / 3)
    half = T2 * sd / math.sqrt(3)
    assert found == Difference(
        n=3, mean=pytest.approx(mean), sd=pytest.approx(sd),
        interval=Interval(low=pytest.approx(mean - half), high=pytest.approx(mean + half)),
        # With two degrees of freedom the tail is closed: 1 - t / sqrt(2 + t^2), t^2 = 7.
        p_t=pytest.approx(1 - math.sqrt(7 / 9)), p_sign_flip=0.25,
    )  # fmt: skip
    assert stats.difference([1.0, 2.0]).interval is not None


@pytest.mark.parametrize(
    ("values", "mean", "flip", "why"),
    [
        ([], 0.0, 1.0, "too few blocks"),
        ([3.0], 3.0, 1.0, "too few blocks"),
        ([2.0, 2.0], 2.0, 0.5, "constant times: every block shows the same difference"),
        ([2, 2, 2], 2.0, 0.25, "constant times: every block shows the same difference"),
    ],
)
def test_a_difference_without_an_interval(values, mean, flip, why):
    assert stats.difference(values) == Difference(
        n=len(values), mean=mean, sd=0.0, interval=None, p_t=None, p_sign_flip=flip, undefined=why
    )


def test_ratios_without_an_interval():
    said = "1 complete block(s): an interval needs at least two"
    assert stats.ratio([1.0], [1.0]) == Ratio(
        n=1, estimate=None, interval=None, bootstrap=None, g=None, undefined=said
    )
    found = stats.ratio([5, 5, 5], [1, 2, 3])
    assert (found.n, found.estimate, found.g) == (3, 2.5, None)
    wide = stats.ratio([1.0, 2.0, 3.0], [1.0, 100.0, -60.0])
    assert (wide.n, wide.interval, wide.bootstrap) == (3, None, None)
    # t^2 var(mean of x) / mean(x)^2
    x = np.array([1.0, 100.0, -60.0])
    g = T2**2 * x.var(ddof=1) / 3 / x.mean() ** 2
    assert wide.g == pytest.approx(g) and f"g = {g:.2g} >= 1" in wide.undefined
    assert wide.estimate == pytest.approx(6 / 41)
    with pytest.raises(ValueError, match="2 numerators and 3 denominators"):
        stats.ratio([1.0, 2.0], [1.0, 2.0, 3.0])


def test_a_ratio_has_its_n_its_g_and_a_cross_check_if_wanted():
    y, x = [1.0, 2.5, 1.7, 3.1, 2.2, 1.4], [40.0, 65.0, 52.0, 77.0, 61.0, 44.0]
    found = stats.ratio(y, x)
    g = 2.5705818366147395**2 * np.var(x, ddof=1) / 6 / np.mean(x) ** 2
    assert (found.n, found.g, found.undefined) == (6, pytest.approx(g), None)
    assert found.bootstrap is not None
    assert stats.ratio(y, x, cross_check=False).bootstrap is None


def test_an_interval_that_is_just_unbounded(monkeypatch):
    nan = np.array([np.nan])
    monkeypatch.setattr(stats, "fieller", lambda y, x: (nan, nan, np.array([1.0])))
    assert "g = 1 >= 1" in stats.ratio([1.0, 2.0], [1.0, 2.0]).undefined


def test_fieller_of_denominators_around_zero_is_silent():
    """g above 1, infinite, and not a number: no ends, and nothing that numpy would warn of."""
    y = np.array([[1.0, 2.0, 4.0]] * 3)
    x = np.array([[5.0, 1.0, 3.0], [-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    with np.errstate(all="raise"):
        low, high, g = stats.fieller(y, x)
    assert 1 < g[0] < 3 and g[1] == math.inf and math.isnan(g[2])
    assert np.isnan(low).all() and np.isnan(high).all()


def test_fieller_between_one_and_two():
    low, high, g = stats.fieller(np.array([[1.0, 2.0, 4.0]]), np.array([[5.0, 1.9, 3.0]]))
    assert 1 < g[0] < 2 and np.isnan(low[0]) and np.isnan(high[0])


def _error_of_ratio(y, x):
    """The linearised standard error, block by block."""
    n, theta = len(y), sum(y) / sum(x)
    rest = [a - theta * b for a, b in zip(y, x, strict=True)]
    middle = sum(rest) / n
    sd = math.sqrt(sum((value - middle) ** 2 for value in rest) / (n - 1))
    return sd / (math.sqrt(n) * abs(sum(x) / n))


def test_the_bootstrap_is_that_of_plain_loops():
    y, x = [1.0, 2.5, 1.7, 3.1, 2.2, 1.4], [4.0, 6.5, 5.2, 7.7, 6.1, 4.4]
    theta, error = sum(y) / sum(x), _error_of_ratio(y, x)
    drawn = []
    for picks in np.random.default_rng(1).integers(0, 6, size=(400, 6)):
        ys, xs = [y[i] for i in picks], [x[i] for i in picks]
        spread = _error_of_ratio(ys, xs)
        if spread:
            drawn.append((sum(ys) / sum(xs) - theta) / spread)
    lower, upper = np.quantile(drawn, [0.025, 0.975])
    found = stats.studentised_bootstrap(np.array(y), np.array(x), draws=400)
    assert found.low == pytest.approx(theta - upper * error, rel=1e-6)
    assert found.high == pytest.approx(theta - lower * error, rel=1e-6)


def test_the_bootstrap_is_silent_where_draws_are_degenerate():
    """Of two blocks half of all draws have no spread; and sums may be zero."""
    with np.errstate(all="raise"):
        assert stats.studentised_bootstrap(np.array([1.0, 2.0]), np.array([1.0, 3.0])) is None
        zeros = np.array([1.0, 2.0, 0.0, 0.0]), np.array([1.0, -1.0, 0.0, 5.0])
        stats.studentised_bootstrap(*zeros)
        assert math.isnan(stats._ratio_error(np.ones((1, 2)), np.array([[1.0, -1.0]]))[0])
        assert math.isnan(stats._ratio_error(np.zeros((1, 2)), np.zeros((1, 2)))[0])


@pytest.mark.parametrize(("degenerate", "defined"), [(1, True), (2, False)])
def test_the_bootstrap_needs_nineteen_of_twenty_draws(monkeypatch, degenerate, defined):
    def error(y, x):
        found = np.ones(len(y))
        if len(y) > 1:
            found[:degenerate] = np.nan
        return found

    monkeypatch.setattr(stats, "_ratio_error", error)
    found = stats.studentised_bootstrap(np.array([1.0, 2.0]), np.array([1.0, 3.0]), draws=20)
    assert (found is not None) is defined


def test_sign_flip_exact_and_drawn():
    assert stats.sign_flip([]) == stats.sign_flip([0.0] * 1000) == 1.0
    # A sum of zero is as near as any: every pattern counts, drawn ones too.
    assert stats.sign_flip([1.0, -1.0]) == 1.0
    assert stats.sign_flip([1.0, -1.0] * 11) == 1.0
    d = np.random.default_rng(5).normal(0.4, 1.0, 20)
    assert (stats.sign_flip(d) * 2**20).is_integer()  # of all patterns, not of drawn ones
    more = np.random.default_rng(6).normal(0.3, 1.0, 24)
    source, hits = np.random.default_rng(1), 1
    for _ in range(128):
        signs = source.integers(0, 2, size=(1024, 24)) * 2 - 1
        hits += sum(abs(float(row @ more)) >= abs(more.sum()) * (1 - 1e-12) for row in signs)
    assert stats.sign_flip(more) == hits / 131_073


def test_sign_flip_of_many_blocks_is_the_normal_distributions():
    d = [3] * 510 + [-3] * 490
    # z = sum / sqrt(sum of squares) = 60 / sqrt(9000)
    assert stats.sign_flip(d) == pytest.approx(math.erfc(60 / math.sqrt(9000) / math.sqrt(2)))
    large = [value * 10**10 for value in d]  # nanoseconds: their squares need more than 64 bits
    assert stats.sign_flip(large) == pytest.approx(stats.sign_flip(d))


def test_smallest_effect_of_ten_blocks():
    assert stats.smallest_effect(2.0, 10) == pytest.approx((T9 + T9_80) * 2 / math.sqrt(10))


@pytest.mark.parametrize("blocks", [2, 3, 4, 5, 7, 8, 9, 12, 50, 333, 1000])
def test_blocks_needed_are_the_least(blocks):
    """Just enough for the effect that they can show; one fewer is too few."""
    effect = stats.smallest_effect(1.0, blocks)
    found = stats.blocks_needed(1.0, effect)
    assert (found, type(found)) == (blocks, int)
    assert stats.blocks_needed(1.0, effect * 0.9999) == blocks + 1


def test_blocks_needed_for_nothing_or_too_little():
    assert stats.blocks_needed(0.0, 0.0) is None and stats.blocks_needed(1.0, 1e-9) is None
    most = stats.smallest_effect(1.0, 100_000)
    assert stats.blocks_needed(1.0, most) == 100_000
    assert stats.blocks_needed(1.0, most * 0.99999) is None


def test_as_json():
    found = stats.difference([1.0, 2.0, 4.0])
    assert stats.as_json(found) == {
        "n": 3, "mean": found.mean, "sd": found.sd,
        "interval": [found.interval.low, found.interval.high], "p_t": found.p_t,
        "p_sign_flip": 0.25, "undefined": None,
    }  # fmt: skip
    assert stats.as_json({"x": 1}) == {"x": 1}
