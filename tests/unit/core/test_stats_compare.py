"""Holm, TOST and the word per arm on hand-made cases; error rates: test_stats_simulated.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from hotkit.core.stats_compare import Answer, equivalence, holm, tost

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
    assert (found.answer, found.p, found.interval) == (None, None, None)
    assert words in found.undefined


def test_a_margin_of_nothing_is_refused():
    with pytest.raises(ValueError, match="margin of 0"):
        equivalence(NOISE, OFF, margin=0.0, p_different=None)
