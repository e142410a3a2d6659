"""The algebra of range sets: laws, checked on a small line of addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.ranges import Range, RangeSet, align_down, align_up

RANGES = st.builds(
    lambda start, size: Range(start, start + size), st.integers(0, 60), st.integers(1, 20)
)
SETS = st.lists(RANGES, max_size=6).map(RangeSet.of)


def points(ranges):
    return {point for item in ranges for point in range(item.start, item.end)}


@given(SETS)
def test_a_set_is_ordered_disjoint_and_not_adjacent(found):
    for first, second in zip(found.ranges, found.ranges[1:], strict=False):
        assert first.end < second.start
    assert found.size_bytes == len(points(found))
    assert RangeSet.of(found) == found


@given(SETS)
def test_an_empty_set_is_false(found):
    assert bool(found) == (len(found) > 0) == (found.size_bytes > 0)


def test_as_the_kernel_prints_it():
    assert str(Range(0x1000, 0x2000)) == "[mem 0x1000-0x1fff]"


@given(SETS, SETS)
def test_operations_are_those_of_sets_of_points(a, b):
    assert points(a.union(b)) == points(a) | points(b)
    assert points(a.intersect(b)) == points(a) & points(b)
    assert points(a.subtract(b)) == points(a) - points(b)


@given(SETS, SETS, SETS)
def test_laws(a, b, c):
    assert a.union(b) == b.union(a)
    assert a.intersect(b) == b.intersect(a)
    assert a.subtract(b.union(c)) == a.subtract(b).subtract(c)
    assert a.intersect(b.union(c)) == a.intersect(b).union(a.intersect(c))
    assert a.subtract(b).union(a.intersect(b)) == a
    assert not a.subtract(b).intersect(b)


@given(st.integers(0, 1 << 64), st.sampled_from([1, 4096, 1 << 20, 1 << 30]))
def test_alignment(value, unit):
    assert align_down(value, unit) <= value <= align_up(value, unit) < value + unit
    assert align_up(value, unit) % unit == align_down(value, unit) % unit == 0


@pytest.mark.parametrize(("start", "end"), [(1, 1), (2, 1), (-1, 1)])
def test_no_empty_or_negative_range(start, end):
    with pytest.raises(ValueError, match="not a range"):
        Range(start, end)
