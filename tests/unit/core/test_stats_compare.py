"""Holm, TOST and the word per arm on hand-made cases; error rates: test_stats_simulated.py."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from hotkit.core import stats_compare
from hotkit.core.stats_compare import LEVEL, Answer, equivalence, holm, tost

OFF = np.array([10.0, 10.1, 9.9, 10.0, 10.2, 9.8])
NOISE = np.array([0.01, -0.02, 0.02, -0.01, 0.015, -0.015])


def test_holm_by_hand():
    # Sorted .01 .02 .03 times 3 2 1: .03 .04 .03, and never less than the one before.
    assert holm([0.03, 0.01, 0.02]) == pytest.approx((0.04, 0.03, 0.04))
    assert holm([0.6, 0.7]) == (1.0, 1.0)
    assert holm([]) == ()


def test_an_undefined_test_is_no_member_of_the_family():
    assert holm([None, 0.02, None, 0.5]) == pytest.approx((None, 0.04, None, 0.5))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_only_raises(values):
    found = holm(values)
    for p, adjusted in zip(values, found, strict=True):
        assert p <= adjusted <= 1.0
    smallest = min(values)
    assert min(found) == min(1.0, len(values) * smallest)  # the smallest pays Bonferroni's price
    by_p = [adjusted for _, adjusted in sorted(zip(values, found, strict=True))]
    assert by_p == sorted(by_p)


def test_tost_is_the_larger_of_two_paired_t_tests():
    extra = NOISE + 0.03
    one = sps.ttest_1samp(extra - 0.01 * OFF, 0.0, alternative="less").pvalue
    other = sps.ttest_1samp(extra + 0.01 * OFF, 0.0, alternative="greater").pvalue
    assert tost(extra[None], OFF[None], 0.01)[0] == pytest.approx(max(one, other))
    assert tost(-extra[None], OFF[None], 0.01)[0] == pytest.approx(max(one, other), rel=0.1)


def test_each_row_is_tested_by_itself_and_one_without_variance_warns_nobody():
    constant = np.full(6, 10.0)
    rows = [
        (NOISE, OFF),
        (3 * NOISE + 0.05, OFF),
        (0.05 * constant, constant),
        (constant, constant),
    ]
    extra, off = (np.array(side) for side in zip(*rows, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = tost(extra, off, 0.1)
        alone = [tost(mine[None], its[None], 0.1)[0] for mine, its in rows]
        assert np.isnan(tost(constant[None], 10 * constant[None], 0.1)[0])
    assert list(found) == alone
    assert list(found[2:]) == [0, 1]


def test_the_interval_ends_where_a_one_sided_test_has_5_percent():
    found = equivalence(NOISE + 0.05, OFF, margin=0.01, p_different=None)
    for end, side in ((found.interval.low, "greater"), (found.interval.high, "less")):
        rest = NOISE + 0.05 - end * OFF
        assert sps.ttest_1samp(rest, 0.0, alternative=side).pvalue == pytest.approx(0.05)
    assert (found.margin, found.p) == (0.01, tost(NOISE[None] + 0.05, OFF[None], 0.01)[0])


def test_a_p_value_of_exactly_the_level_shows_nothing(monkeypatch):
    apart = NOISE + 0.2
    assert equivalence(apart, OFF, margin=0.01, p_different=LEVEL).answer == "inconclusive"
    monkeypatch.setattr(stats_compare, "tost", lambda *_: np.array([LEVEL]))
    assert equivalence(NOISE, OFF, margin=0.01, p_different=None).answer == "inconclusive"


def test_two_blocks_can_be_tested():
    found = equivalence([0.001, 0.002], OFF[:2], margin=0.01, p_different=None)
    assert (found.answer, found.undefined) == ("equivalent", None)


@given(st.floats(-0.3, 0.3))
def test_equivalent_is_the_same_as_the_90_percent_interval_within_the_margin(effect):
    found = equivalence(NOISE + effect, OFF, margin=0.01, p_different=None)
    inside = found.interval.low > -0.01 and found.interval.high < 0.01
    assert (found.answer is Answer.EQUIVALENT) == inside
    assert found.interval.confidence == pytest.approx(0.90)


@pytest.mark.parametrize(
    ("effect", "noise", "p_different", "answer"),
    [
        (0.0, 1, 0.9, "equivalent"),
        # Surely there, and surely too small to matter: equivalent goes first.
        (0.04, 1, 0.001, "equivalent"),
        (0.2, 1, 0.001, "different"),
        (-0.2, 1, 0.001, "different"),
        # Different on its own, no longer so among many trackers.
        (0.2, 1, 0.08, "inconclusive"),
        (0.2, 1, None, "inconclusive"),
        (0.0, 20, 0.9, "inconclusive"),
    ],
)
def test_the_word(effect, noise, p_different, answer):
    found = equivalence(noise * NOISE + effect, OFF, margin=0.01, p_different=p_different)
    assert found.answer == answer
    assert found.undefined is None


@pytest.mark.parametrize(
    ("extra", "words"), [([0.1], "too few blocks"), ([0.1] * 6, "constant times")]
)
def test_undefined_is_named(extra, words):
    found = equivalence(extra, OFF[: len(extra)], margin=0.01, p_different=0.5)
    assert (found.answer, found.p, found.interval, found.margin) == (None, None, None, 0.01)
    assert words in found.undefined


def test_a_margin_of_nothing_is_refused():
    with pytest.raises(ValueError, match="margin of 0"):
        equivalence(NOISE, OFF, margin=0.0, p_different=None)
