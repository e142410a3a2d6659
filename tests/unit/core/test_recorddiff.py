"""Two recordings compared: by address, by offset, what is hotter and what colder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.record import Recording
from hotkit.core.recorddiff import By, compare

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
