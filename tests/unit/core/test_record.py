"""Recordings by hand: four bins of a page, steps of a second."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.record import (
    HotRange,
    Phase,
    Recording,
    address_at,
    agreement,
    grid,
    hot_ranges,
    mean_share,
    noticed_s,
    over_time,
    pieces,
    truth,
    working_set,
    working_set_percentiles,
)

PAGE = 4096
SECOND = 10**9
NAN = float("nan")


def recording(rows, *, bins=None, at_s=None, phases=()):
    """`rows`: one per bin, a share per step."""
    share = np.array(rows, dtype=float)
    bins = bins or tuple((i * PAGE, (i + 1) * PAGE) for i in range(len(share)))
    at = np.array(at_s or range(1, share.shape[1] + 1), dtype=np.int64) * SECOND
    since = np.concatenate([[0], at[:-1]])
    return Recording(bins=bins, since_ns=since, at_ns=at, share=share, phases=tuple(phases))


def phase(at_s, first, count):
    return Phase(since_ns=at_s * SECOND, hot_start=first * PAGE, hot_bytes=count * PAGE)


def same(found, wanted):
    np.testing.assert_allclose(found, np.array(wanted, dtype=float), rtol=0, atol=1e-12)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2 bins and 1 steps"):
        Recording(
            bins=((0, 1), (1, 2)), since_ns=np.array([0]), at_ns=np.array([1]),
            share=np.zeros((1, 2)),
        )  # fmt: skip
    with pytest.raises(ValueError, match="at least one"):
        Recording(bins=(), since_ns=np.array([]), at_ns=np.array([]), share=np.zeros((0, 0)))


def test_working_set_is_in_bytes_and_leaves_out_what_nobody_looked_at():
    seen = recording([[1, 0.5, NAN], [0, 1, NAN], [0, NAN, NAN]])
    same(working_set(seen), [PAGE, 1.5 * PAGE, NAN])
    found = working_set_percentiles(seen, (0, 50, 100))
    assert found == {0: PAGE, 50: 1.25 * PAGE, 100: 1.5 * PAGE}
    assert working_set_percentiles(recording([[NAN]])) == {}


def test_mean_share_weighs_by_time():
    seen = recording([[1, 0], [NAN, 0.5], [NAN, NAN]], at_s=[1, 4])
    same(mean_share(seen), [0.25, 0.5, NAN])
    assert seen.looked_fraction == pytest.approx((4 + 3) / 12)


def test_hot_ranges_join_adjacent_bins_only():
    rows = [[1.0], [0.5], [0.49], [NAN], [1.0]]
    assert hot_ranges(recording(rows)) == (
        HotRange(start=0, end=2 * PAGE, share=0.75),
        HotRange(start=4 * PAGE, end=5 * PAGE, share=1.0),
    )
    apart = recording([[1.0], [1.0]], bins=((0, PAGE), (8 * PAGE, 9 * PAGE)))
    assert [(found.start, found.end) for found in hot_ranges(apart)] == [
        (0, PAGE), (8 * PAGE, 9 * PAGE),
    ]  # fmt: skip
    # The short last bin of a range weighs less.
    short = recording([[1.0], [0.6]], bins=((0, 3 * PAGE), (3 * PAGE, 4 * PAGE)))
    assert hot_ranges(short)[0].share == pytest.approx(0.9)
    assert hot_ranges(recording(rows), at_least=0.49)[0].end == 3 * PAGE


def test_truth_moves_with_its_phases_and_splits_bins():
    seen = recording([[0] * 3] * 4, phases=[phase(2, 2, 2), phase(0, 0, 1)])
    same(truth(seen), [[1, 1, 0], [0, 0, 0], [0, 0, 1], [0, 0, 1]])
    half = Phase(since_ns=0, hot_start=PAGE // 2, hot_bytes=PAGE)
    same(truth(recording([[0], [0]], phases=[half])), [[0.5], [0.5]])
    assert np.isnan(truth(recording([[0]]))).all()


def test_a_phase_that_begins_within_a_step_counts_from_its_middle_on():
    late = Phase(since_ns=int(1.6 * SECOND), hot_start=PAGE, hot_bytes=PAGE)
    same(truth(recording([[0] * 3] * 2, phases=[phase(0, 0, 1), late])), [[1, 1, 0], [0, 0, 1]])


def test_the_first_phase_holds_from_the_beginning():
    """Populated before the tracker starts; the clock says when the work began."""
    same(truth(recording([[0, 0]], phases=[phase(1, 0, 1)])), [[1, 1]])


def test_agreement():
    seen = recording(
        [[1, 1, NAN], [1, 0, NAN], [1, 0.2, NAN], [0, 0, NAN]], phases=[phase(0, 0, 2)]
    )
    found = agreement(seen)
    same(found.found, [1, 0.5, NAN])
    same(found.right, [2 / 3, 1, NAN])
    same(found.inside, [1, 0.5, NAN])
    same(found.outside, [0.5, 0.1, NAN])
    assert over_time(found.right, seen) == pytest.approx(5 / 6)
    assert agreement(recording([[1]])) is None


def test_agreement_leaves_out_hot_memory_that_nobody_looked_at():
    """It was not missed; it was not examined. looked_fraction tells that."""
    found = agreement(recording([[1], [NAN], [0], [0]], phases=[phase(0, 0, 2)]))
    same(found.found, [1])
    nothing_hot = agreement(recording([[0], [0]], phases=[phase(0, 0, 1)]))
    same(nothing_hot.found, [0])
    same(nothing_hot.right, [NAN])


def test_grid_is_the_mean_over_what_a_cell_covers():
    seen = recording([[1, 0], [0, 0], [0.5, NAN], [0.5, NAN]])
    same(grid(seen, seen.share, rows=2, columns=2), [[0.5, 0], [0.5, NAN]])
    same(grid(seen, seen.share, rows=2, columns=1), [[0.25], [0.5]])
    same(grid(seen, seen.share, rows=1, columns=2), [[0.5, 0]])
    # More cells than bins and steps: each shows the bin and step that it lies in.
    same(grid(seen, seen.share, rows=4, columns=4)[0], [1, 1, 0, 0])
    same(grid(seen, seen.share, rows=8, columns=2)[:4, 0], [1, 1, 0, 0])


def test_grid_leaves_the_future_empty():
    seen = recording([[1, 1]])
    same(
        grid(seen, seen.share, rows=1, columns=4, until_ns=4 * SECOND), [[1, 1, NAN, NAN]]
    )  # fmt: skip


def test_grid_weighs_a_long_step_by_its_length():
    seen = recording([[0, 1]], at_s=[3, 4])
    same(grid(seen, seen.share, rows=1, columns=4), [[0, 0, 0, 1]])
    same(grid(seen, seen.share, rows=1, columns=1), [[0.25]])


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.integers(1, 12), st.data()
)  # fmt: skip
def test_grid_keeps_the_mean(bins, steps, rows, columns, data):
    """Whatever the picture's size, its mean is that of the recording."""
    values = data.draw(
        st.lists(st.floats(0, 1), min_size=bins * steps, max_size=bins * steps)
    )  # fmt: skip
    seen = recording(np.array(values).reshape(bins, steps))
    picture = grid(seen, seen.share, rows=rows, columns=columns)
    assert picture.mean() == pytest.approx(seen.share.mean(), abs=1e-9)


def test_the_clock_may_have_run_for_years():
    """A float holds no ns since boot: shares must not bleed from one step to the next."""
    since = 3 * 365 * 86400 * SECOND + np.array([1, 2], dtype=np.int64)
    seen = Recording(
        bins=((0, PAGE),), since_ns=since, at_ns=since + 1, share=np.array([[1.0, 0.0]])
    )
    same(grid(seen, seen.share, rows=1, columns=2), [[1, 0]])


def test_addresses_skip_the_gaps_between_ranges():
    seen = recording([[0]] * 3, bins=((0, PAGE), (PAGE, 2 * PAGE), (8 * PAGE, 9 * PAGE)))
    assert pieces(seen) == [(0, 2 * PAGE), (8 * PAGE, 9 * PAGE)]
    places = [address_at(seen, offset * PAGE) for offset in (0, 0.5, 1.5, 2, 2.5, 3)]
    assert places == [0, PAGE // 2, 1.5 * PAGE, 8 * PAGE, 8.5 * PAGE, 9 * PAGE]


def test_when_a_move_was_noticed():
    """Hot are bins 0-1, from second 2 on bins 2-3, from second 6 on bins 0-1 again."""
    moves = [phase(0, 0, 2), phase(2, 2, 2), phase(6, 0, 2)]
    late = [[1, 1, 1, 1, 0, 0, 0, 0]] * 2 + [[0, 0, 0, 1, 1, 1, 1, 1]] * 2
    # Seen in the step from 3 s to 4 s, two seconds after the move; the way back was never noticed.
    assert noticed_s(recording(late, phases=moves)) == (2.0, None)
    at_once = [[1, 1, 0, 0, 0, 0, 1, 1]] * 2 + [[0, 0, 1, 1, 1, 1, 0, 0]] * 2
    # A step that began before the move says nothing about it.
    assert noticed_s(recording(at_once, phases=moves)) == (1.0, 1.0)
    half = [[1, 1, 0, 0, 0, 0, 1, 1]] * 3 + [[0, 0, 1, 1, 1, 1, 0, 0]]
    assert noticed_s(recording(half, phases=moves)) == (1.0, 1.0)
    assert noticed_s(recording(half, phases=moves), found_share=0.6)[0] is None
    assert noticed_s(recording(at_once)) == ()
