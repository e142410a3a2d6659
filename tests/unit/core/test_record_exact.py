"""Recordings to the last figure: where ranges do not begin at 0, and steps are short or uneven."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from hotkit.core.record import (
    HotRange,
    Phase,
    Recording,
    address_at,
    agreement,
    cut,
    grid,
    hot_ranges,
    mean_share,
    noticed_s,
    over_time,
    truth,
    working_set,
    working_set_percentiles,
)
from tests.unit.core.test_record import NAN, PAGE, SECOND, phase, recording, same


@pytest.fixture(autouse=True)
def no_warnings():
    """Nothing is divided by 0, nothing is lost on the way to another type."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize(
    ("bins", "steps", "shape", "words"),
    [
        (0, 1, (0, 1), "a recording has at least one bin and one step"),
        (1, 0, (1, 0), "a recording has at least one bin and one step"),
        (2, 1, (1, 1), "(1, 1) shares for 2 bins and 1 steps"),
        (1, 2, (1, 1), "(1, 1) shares for 1 bins and 2 steps"),
        (2, 1, (1, 2), "(1, 2) shares for 2 bins and 1 steps"),
    ],
)
def test_what_does_not_fit_is_said(bins, steps, shape, words):
    with pytest.raises(ValueError) as caught:
        Recording(
            bins=tuple((n, n + 1) for n in range(bins)), since_ns=np.arange(steps),
            at_ns=np.arange(steps) + 1, share=np.zeros(shape),
        )  # fmt: skip
    assert str(caught.value) == words


def test_each_range_is_cut_from_its_own_beginning():
    assert cut([(1, 10), (20, 28)], 4) == ((1, 5), (5, 9), (9, 10), (20, 24), (24, 28))
    assert cut([], 4) == ()


def test_sizes_and_times():
    seen = recording([[0, NAN], [0, 0]], bins=((PAGE, 4 * PAGE), (8 * PAGE, 9 * PAGE)), at_s=[1, 4])
    assert (seen.steps, seen.size_bytes, seen.duration_s) == (2, 4 * PAGE, 4)
    assert seen.bin_bytes.tolist() == [3 * PAGE, PAGE]
    assert seen.step_s.tolist() == [1, 3]
    assert seen.looked_fraction == 1 - (3 / 4) ** 2
    assert not seen.heat_seen and recording([[NAN, 0.1]]).heat_seen


def test_without_a_duration_what_was_looked_at_is_counted():
    seen = Recording(
        bins=((0, 1), (1, 2)), since_ns=np.array([5]), at_ns=np.array([5]),
        share=np.array([[NAN], [0.5]]),
    )  # fmt: skip
    assert seen.looked_fraction == 0.5
    same(mean_share(seen), [NAN, NAN])
    assert grid(seen, seen.share, rows=2, columns=1).shape == (2, 1)


TOP = 1 << 63


def test_the_truth_also_of_a_kernel_s_addresses():
    """A hot range that lies beside a bin, on whatever side, has nothing of it."""
    bins = tuple((TOP + n * PAGE, TOP + (n + 1) * PAGE) for n in range(4))
    hot = Phase(since_ns=0, hot_start=TOP + PAGE, hot_bytes=PAGE * 3 // 2)
    same(truth(recording([[0]] * 4, bins=bins, phases=[hot])), [[0], [1], [0.5], [0]])


def test_a_phase_that_begins_in_the_middle_of_a_step_has_it():
    half = Phase(since_ns=SECOND * 3 // 2, hot_start=PAGE, hot_bytes=PAGE)
    same(truth(recording([[0] * 3] * 2, phases=[phase(0, 0, 1), half])), [[1, 0, 0], [0, 1, 1]])


def test_the_percentiles_are_quarters_unless_told_otherwise():
    seen = recording([[0, 0.25, 0.5, 0.75, 1]])
    assert working_set_percentiles(seen) == {
        0: 0, 25: PAGE / 4, 50: PAGE / 2, 75: PAGE * 3 / 4, 100: PAGE,
    }  # fmt: skip
    same(working_set(recording([[NAN, 0], [1, 0.5]])), [PAGE, PAGE / 2])


def test_a_hot_range_of_three_bins_of_different_sizes():
    """(2 + 0.5 * 1 + 0.75 * 1) / 4; where it begins does not weigh."""
    bins = ((5, 7), (7, 8), (8, 9), (9, 12), (20, 21))
    assert hot_ranges(recording([[1], [0.5], [0.75], [0.25], [0.5]], bins=bins)) == (
        HotRange(start=5, end=9, share=3.25 / 4),
        HotRange(start=20, end=21, share=0.5),
    )
    assert hot_ranges(recording([[0.2]]), at_least=0.3) == ()


def test_agreement_at_the_threshold_and_of_bins_that_nobody_looked_at():
    """Bins of 2, 1, 1 and 4 bytes; the hot range is the first and half of the last."""
    seen = recording(
        [[0.25, NAN], [1, 0.25], [NAN, 0.5], [0.125, 0.75]],
        bins=((2, 4), (4, 5), (5, 6), (6, 10)),
        phases=[Phase(since_ns=0, hot_start=2, hot_bytes=2)],
    )
    found = agreement(seen)
    same(found.found, [0, NAN])
    same(found.right, [0, 0])
    same(found.inside, [0.25, NAN])
    same(found.outside, [(1 + 0.5) / 5, (0.25 + 0.5 + 3) / 6])
    lower = agreement(seen, 0.25)
    same(lower.found, [1, NAN])
    same(lower.right, [2 / 3, 0])
    same(agreement(seen, 0).right, [2 / 7, 0])


def test_from_half_a_share_on_a_bin_is_called_hot():
    seen = recording([[0.5, 0.499]], phases=[phase(0, 0, 1)])
    same(agreement(seen).found, [1, 0])
    assert over_time(agreement(seen).found, seen) == 0.5


def test_a_move_is_noticed_until_the_very_end_of_its_phase():
    rows = [[1, 1, 1, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 1]]
    moves = [phase(0, 0, 1), phase(1, 1, 1), phase(3, 2, 1), phase(4, 0, 1)]
    assert noticed_s(recording(rows, phases=moves[::-1])) == (2.0, 1.0, None)
    # In the last step of all.
    assert noticed_s(recording(rows, phases=[phase(0, 0, 1), phase(2, 2, 1)])) == (2.0,)
    assert noticed_s(recording([[1, 1], [0, 1]], phases=[phase(0, 0, 1), phase(1, 1, 1)])) == (1.0,)
    # A step that ends after the next move says nothing of the one before.
    moves = [phase(0, 0, 1), phase(1, 1, 1), phase(3, 2, 1)]
    assert noticed_s(recording(rows, phases=moves, at_s=[1, 2, 4, 5, 6])) == (None, 2.0)


def test_by_which_share_of_the_hot_memory_a_move_is_noticed():
    rows = [[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0.3, 0.3]]
    moves = [phase(0, 0, 1), phase(1, 1, 3)]
    assert noticed_s(recording(rows, phases=moves)) == (None,)
    assert noticed_s(recording(rows, phases=moves), 0.3) == (1.0,)
    assert noticed_s(recording(rows, phases=moves), found_share=1 / 3) == (1.0,)


def test_steps_of_less_than_a_second_weigh_as_others_do():
    seen = Recording(
        bins=((0, 1),), since_ns=np.array([7, 8]), at_ns=np.array([8, 11]),
        share=np.array([[1.0, 0.0]]),
    )  # fmt: skip
    same(mean_share(seen), [0.25])
    assert over_time(np.array([0.0, 1.0]), seen) == 0.75
    same(grid(seen, seen.share, rows=1, columns=2), [[0.5, 0]])
    same(grid(seen, seen.share, rows=1, columns=3, until_ns=13), [[0.5, 0, NAN]])
    same(grid(seen, seen.share, rows=2, columns=8), [[1, 1, 0, 0, 0, 0, 0, 0]] * 2)


def test_a_picture_of_bins_of_different_sizes():
    seen = recording([[1], [0]], bins=((4, 7), (9, 10)))
    same(grid(seen, seen.share, rows=2, columns=1), [[1], [0.5]])
    same(grid(seen, seen.share, rows=4, columns=1), [[1], [1], [1], [0]])


def test_until_when_a_picture_goes_where_no_time_passes():
    """One nanosecond: the step is in it as a whole."""
    seen = Recording(
        bins=((0, 1),), since_ns=np.array([5]), at_ns=np.array([6]), share=np.array([[1.0]])
    )
    same(grid(seen, seen.share, rows=1, columns=1, until_ns=5), [[1]])
    same(grid(seen, seen.share, rows=1, columns=2, until_ns=4), [[1, 1]])


def test_an_address_behind_a_gap():
    seen = recording([[0]] * 2, bins=((10, 12), (20, 23)))
    assert [address_at(seen, offset) for offset in (0, 1.9, 2, 4, 5, 9)] == [10, 11, 20, 22, 23, 23]
