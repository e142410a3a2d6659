"""Which trackers no other one beats in both cost and accuracy."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.analysis import analyse
from hotkit.core.pareto import front, places
from tests.unit.core.test_analysis import SEEN, session

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


def analysed(trusted=True, errors=()):
    """Two arms: one costs 10 % and sees 0.8, the other 20 % and sees 0.5."""
    runs = session(twin_shift=0 if trusted else 0.05)
    other = [
        replace(run, arm="deaf", name=run.name + "-deaf", duration=run.duration + 0.1,
                accuracy=replace(SEEN, top=0.5), errors=errors)
        for run in session() if run.arm == "soft"
    ]  # fmt: skip
    return analyse(runs + other, blocks=6, sesoi_fraction=0.01)


def test_places_are_those_of_the_arms_the_cheapest_first():
    cheap, dear = places(analysed())
    assert (cheap.arm, round(cheap.gain, 9), cheap.on_front) == ("soft", 0.8, True)
    assert (dear.arm, round(dear.gain, 9), dear.on_front) == ("deaf", 0.5, False)
    assert 0.09 < cheap.cost < 0.11 < 0.19 < dear.cost < 0.21


def test_who_has_no_figures_has_no_place():
    assert places(analysed(trusted=False)) == ()
    assert [place.arm for place in places(analysed(errors=("flush: none",)))] == ["soft"]
    blind = [replace(run, accuracy=None) for run in session()]
    assert places(analyse(blind, blocks=6, sesoi_fraction=0.01)) == ()
