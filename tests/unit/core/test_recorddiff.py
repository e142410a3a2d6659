"""Two recordings compared: by address, by offset, what is hotter and what colder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.record import Recording
from hotkit.core.recorddiff import By, Change, RecordDiff, compare

K = 4096


def some(shares, base=0, size=K):
    """One step; a share per bin."""
    return Recording(
        bins=tuple((base + size * n, base + size * (n + 1)) for n in range(len(shares))),
        since_ns=np.array([0]), at_ns=np.array([10**9]),
        share=np.array(shares, dtype=float)[:, None],
    )  # fmt: skip


def test_what_got_hotter_and_what_colder():
    found = compare(some([1, 1, 0, 0.2, 0.5]), some([1, 0, 0, 0.9, 0.55]))
    assert (found.by, found.common, found.alike) == (By.ADDRESS, 5 * K, 0.6)
    assert (found.hot_before, found.hot_after, found.hot_both) == (3 * K, 3 * K, 2 * K)
    first, second = found.changes
    assert (first.start, first.end, first.before, first.after) == (K, 2 * K, 1, 0)
    assert (second.start, second.after) == (3 * K, 0.9)
    assert found.mean_before == pytest.approx(0.54)


def test_adjacent_pieces_of_one_direction_are_one():
    found = compare(some([0, 0.2, 1]), some([1, 1, 0]))
    assert [(one.start, one.end) for one in found.changes] == [(0, 2 * K), (2 * K, 3 * K)]
    assert found.changes[0].before == pytest.approx(0.1)


def test_bins_of_different_size_are_cut_at_the_edges_of_both():
    found = compare(some([1, 0], size=2 * K), some([1, 1, 1, 0, 0]))
    assert (found.common, found.only_before, found.only_after) == (4 * K, 0, K)
    assert [(one.start, one.end) for one in found.changes] == [(2 * K, 3 * K)]


def test_without_a_common_address_the_offset_counts():
    one, two = some([1, 0]), some([1, 0], base=1 << 40)
    assert compare(one, two).by is By.OFFSET and not compare(one, two).changes
    with pytest.raises(ValueError, match="no memory that both looked at"):
        compare(one, two, by=By.ADDRESS)
    assert compare(some([1, 0]), some([0, 1], base=K)).by is By.ADDRESS


def test_what_one_did_not_look_at_is_not_compared():
    found = compare(some([1, np.nan, 0]), some([np.nan, 1, 0]))
    assert (found.common, found.only_before, found.only_after) == (K, K, K)
    assert not found.changes


SHARES = st.lists(st.sampled_from([0, 0.3, 0.5, 1, np.nan]), min_size=1, max_size=8)


@given(one=SHARES, two=SHARES, base=st.sampled_from([0, K, 5 * K]))
def test_both_ways_round_are_mirror_images(one, two, base):
    a, b = some(one), some(two, base=base, size=2 * K)
    try:
        there = compare(a, b)
    except ValueError:
        with pytest.raises(ValueError):
            compare(b, a)
        return
    back = compare(b, a)
    assert (there.common, there.hot_both, there.alike) == (back.common, back.hot_both, back.alike)
    assert (there.hot_before, there.only_before) == (back.hot_after, back.only_after)
    assert {(c.start, c.end, c.before, c.after) for c in there.changes} == {
        (c.start, c.end, c.after, c.before) for c in back.changes
    }


@given(shares=SHARES)
def test_a_recording_is_like_itself(shares):
    if np.isnan(shares).all():
        return
    found = compare(some(shares), some(shares))
    assert found.alike == 1 and not found.changes and found.hot_before == found.hot_both


def apart(*bins, shares):
    return Recording(
        bins=bins, since_ns=np.array([0]), at_ns=np.array([10**9]),
        share=np.array(shares, dtype=float)[:, None],
    )  # fmt: skip


def test_all_figures_of_a_comparison():
    """By address [2, 4) and [6, 9) are common, 5 bytes; A has [0, 2) more, B [4, 5) and [9, 12)."""
    one = apart((0, 4), (6, 8), (8, 9), shares=[0.5, 0.875, 0.25])
    two = apart((2, 5), (6, 12), shares=[0.375, 0.5])
    assert compare(one, two) == RecordDiff(
        by=By.ADDRESS,
        common=5,
        only_before=2,
        only_after=4,
        mean_before=(2 * 0.5 + 2 * 0.875 + 0.25) / 5,
        mean_after=(2 * 0.375 + 3 * 0.5) / 5,
        hot_before=4,
        hot_after=3,
        hot_both=2,
        alike=0,
        changes=(
            Change(start=6, end=8, before=0.875, after=0.5),
            Change(start=2, end=4, before=0.5, after=0.375),
            Change(start=8, end=9, before=0.25, after=0.5),
        ),
    )
    found = compare(one, two, at_least=0.375)
    assert (found.hot_before, found.hot_after, found.hot_both) == (4, 5, 4)


def test_by_offset_gaps_do_not_count():
    """[0, 4), [4, 6) and [6, 7) against [0, 3) and [3, 9)."""
    one = apart((0, 4), (6, 8), (8, 9), shares=[0.5, 0.875, 0.25])
    two = apart((2, 5), (6, 12), shares=[0.375, 0.5])
    found = compare(one, two, by=By.OFFSET)
    assert (found.by, found.common, found.only_before, found.only_after) == (By.OFFSET, 7, 0, 2)
    assert found.changes == (
        Change(start=4, end=6, before=0.875, after=0.5),
        Change(start=0, end=3, before=0.5, after=0.375),
        Change(start=6, end=7, before=0.25, after=0.5),
    )
    assert found.alike == pytest.approx(1 / 7)


def test_pieces_that_are_joined_are_weighted_by_their_bytes():
    one = apart((2, 5), (5, 6), (6, 8), (10, 11), shares=[0, 0.5, 0.25, 0.25])
    two = apart((2, 5), (5, 6), (6, 8), (10, 11), shares=[0.5, 1, 0.5, 0.5])
    assert compare(one, two).changes == (
        Change(start=2, end=8, before=1 / 6, after=3.5 / 6),
        Change(start=10, end=11, before=0.25, after=0.5),
    )


def test_of_equal_changes_the_lower_address_is_first():
    shares = [0.5, 0, 0.5, 0, 0.5, 0]
    found = compare(some(shares), some([1, 0, 0, 0, 1, 0]))
    assert [one.start for one in found.changes] == [0, 2 * K, 4 * K]


@pytest.mark.parametrize(
    ("one", "two", "by"),
    [
        # Such that only adjoin have nothing in common, on either side.
        ([(0, 2)], [(2, 4)], By.OFFSET),
        ([(2, 4)], [(0, 2)], By.OFFSET),
        ([(1, 2), (4, 6)], [(2, 4), (6, 7)], By.OFFSET),
        ([(0, 3)], [(2, 4)], By.ADDRESS),
        ([(2, 4)], [(0, 3)], By.ADDRESS),
        ([(0, 1), (8, 9)], [(3, 4), (7, 9)], By.ADDRESS),
        ([(0, 9)], [(3, 4)], By.ADDRESS),
        ([(0, 1), (3, 4)], [(0, 9)], By.ADDRESS),
        # Where a double does not tell them apart.
        ([(2**63 + 1, 2**63 + 2)], [(2**63 + 2, 2**63 + 3)], By.OFFSET),
        ([(1, 2), (2**63 + 1, 2**63 + 3)], [(2**63 + 2, 2**63 + 3)], By.ADDRESS),
    ],
)
def test_whether_any_address_is_in_both(one, two, by):
    a, b = (apart(*bins, shares=[1] * len(bins)) for bins in (one, two))
    assert (compare(a, b).by, compare(b, a).by) == (by, by)


def test_what_lies_between_bins_is_in_none():
    one = apart((0, 1), (5, 6), shares=[1, 1])
    two = apart((0, 8), shares=[1])
    found = compare(one, two)
    assert (found.common, found.only_before, found.only_after) == (2, 0, 6)
    top = 2**63
    one = apart((1, 2), (top + 1, top + 2), shares=[1, 1])
    two = apart((1, 2), (top + 2, top + 3), shares=[1, 1])
    found = compare(one, two)
    assert (found.common, found.only_before, found.only_after) == (1, 1, 1)


@pytest.mark.parametrize(("after", "alike"), [(0.59375, 1), (0.609375, 0)])
def test_a_tenth_is_a_change(after, alike):
    assert compare(some([0.5]), some([after])).alike == alike
    assert compare(some([0.0]), some([0.1])).alike == 0
