"""Which trackers no other one beats in both cost and accuracy."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.pareto import front

POINTS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.01, 0.02, 0.5]), st.sampled_from([0.0, 0.3, 0.9, 1.0])),
    max_size=8,
)


def test_a_dearer_one_is_on_the_front_only_when_it_sees_more():
    cheap_blind, dear_seeing, dear_blind = (0.0, 0.3), (0.1, 0.9), (0.1, 0.3)
    assert front([cheap_blind, dear_seeing, dear_blind]) == (True, True, False)


def test_equal_points_are_both_on_the_front():
    assert front([(0.1, 0.5), (0.1, 0.5)]) == (True, True)
    assert front([(0.1, 0.5), (0.1, 0.6)]) == (False, True)
    assert front([(0.1, 0.5), (0.2, 0.5)]) == (True, False)


@given(POINTS)
def test_who_is_off_the_front_is_beaten_by_one_that_is_on_it(points):
    on = front(points)
    best = [point for point, is_on in zip(points, on, strict=True) if is_on]
    assert bool(best) == bool(points)
    for point, is_on in zip(points, on, strict=True):
        beaten = [p for p in best if p[0] <= point[0] and p[1] >= point[1] and p != point]
        assert is_on == (not beaten)
