"""Ground truth and accuracy, page by page, with the numbers written out."""

import numpy as np
import pytest
from test_accuracy import BASE, PAGE, heat, judged, ready

from hotkit.core.accuracy import Accuracy, HotPhase, accuracy, mean_accuracy, truth_of


def zipf(pages, *, theta=1.0, order="ascending", rank_bytes=PAGE):
    return truth_of(
        {"start": BASE, "bytes": pages * PAGE, "distribution": "zipf", "theta": theta,
         "order": order, "rank_bytes": rank_bytes}
    )  # fmt: skip


def one(**changes):
    fields = {"pages": 8, "hot_pages": 2, "found": 0.5, "precision": 0.5, "recall": 0.25,
              "f1": 0.3, "top": 0.1, "rank": -0.5}  # fmt: skip
    return Accuracy(**fields | changes)


def test_every_figure_is_told():
    assert one().to_dict() == {
        "pages": 8, "hot_pages": 2, "found": 0.5, "precision": 0.5, "recall": 0.25, "f1": 0.3,
        "top": 0.1, "rank": -0.5,
    }  # fmt: skip


def test_the_mean_of_runs():
    assert mean_accuracy([]) is None
    other = one(found=1.0, precision=None, recall=0.75, f1=0.5, top=0.4, rank=None)
    third = one(found=0.0, precision=1.0, recall=0.5, f1=0.4, top=None, rank=None)
    assert mean_accuracy([one(), other, third]) == one(
        found=0.5, precision=0.75, recall=0.5, f1=pytest.approx(0.4), top=0.25, rank=-0.5
    )
    nothing = one(found=0.0, precision=None, recall=None, f1=None, top=None, rank=None)
    assert mean_accuracy([nothing]) == nothing


def test_where_accesses_go():
    """Three of four to two hot pages, the rest to six cold ones."""
    truth = truth_of(ready(weight=3))
    assert truth.rate == pytest.approx([0.375] * 2 + [0.25 / 6] * 6)
    assert truth.hot.tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    plain = ready()
    del plain["weight"]
    assert truth_of(plain).rate == pytest.approx([0.45] * 2 + [0.1 / 6] * 6)


def test_all_of_the_memory_is_hot():
    truth = truth_of(ready(hot=8))
    assert truth.rate == pytest.approx([0.125] * 8) and truth.hot.tolist() == [1] * 8


def test_a_hot_range_that_ends_within_a_page():
    """The half page gets its share; hot is what is hot as a whole."""
    said = ready(weight=3) | {"hot_start": BASE + PAGE // 2, "hot_bytes": 2 * PAGE}
    truth = truth_of(said)
    assert truth.hot.tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    cold = 0.25 / 6
    assert truth.rate == pytest.approx(
        [0.375 / 2 + cold / 2, 0.375, 0.375 / 2 + cold / 2, *[cold] * 5]
    )
    assert truth.rate.sum() == pytest.approx(1)


def test_a_hot_range_within_one_page_cannot_be_found():
    said = ready() | {"hot_bytes": PAGE // 2}
    assert accuracy([heat(10, 0)], truth_of(said)) is None


def test_time_in_each_phase_counts():
    phases = [
        HotPhase(at_ns=1000, hot_start=BASE, hot_bytes=2 * PAGE),
        HotPhase(at_ns=1500, hot_start=BASE + 4 * PAGE, hot_bytes=2 * PAGE),
    ]
    truth = truth_of(ready(weight=3), phases, 3000)
    assert truth.hot.tolist() == [0.25, 0.25, 0, 0, 0.75, 0.75, 0, 0]
    first, second, cold = 0.25 * 0.375, 0.75 * 0.375, 0.25 / 6
    assert truth.rate == pytest.approx(
        [first + 0.75 * cold] * 2 + [cold] * 2 + [second + 0.25 * cold] * 2 + [cold] * 2
    )
    # When it ended is not known, or it never moved: then it stayed where the workload said.
    still = truth_of(ready(weight=3))
    for known, end in ((phases, None), (phases[1:], 3000)):
        assert np.array_equal(truth_of(ready(weight=3), known, end).hot, still.hot)


def test_zipf_by_hand():
    """1, 1/2, 1/3, 1/4: the first two have half of 25/12 and more."""
    truth = zipf(4)
    assert truth.rate == pytest.approx(np.array([12, 6, 4, 3]) / 25)
    assert truth.hot.tolist() == [1, 1, 0, 0]
    assert zipf(4, order="descending").hot.tolist() == [0, 0, 1, 1]
    # Ranks of two pages, the last one cut; ranks of less than two pages are pages.
    assert zipf(3, rank_bytes=2 * PAGE).rate == pytest.approx(np.array([2, 2, 1]) / 5)
    assert np.array_equal(zipf(4, rank_bytes=PAGE + 100).rate, truth.rate)


def test_of_equal_pages_the_first_are_hot():
    assert zipf(64, theta=0.0).hot.tolist() == [1] * 32 + [0] * 32


def test_more_looks_than_possible_are_all():
    found = judged(heat(20, 10, 10, 0, 0, 0, 0, 0))
    assert (found.recall, found.precision) == (1, pytest.approx(2 / 3))


def test_a_range_that_begins_before_or_ends_behind_the_memory():
    before = judged(heat(10, 10, 10, 0, first=-1))
    assert (before.recall, before.precision) == (1, 1)
    behind = judged(heat(10, 10, 10, first=6), heat(10, 10))
    assert (behind.recall, behind.precision) == (1, 0.5)


def test_rank_is_that_of_spearman():
    """Ranks of heat 3, 4, 2, 1 against those of rate 4, 3, 2, 1: 1 - 6 * 2 / (4 * 15)."""
    assert accuracy([heat(5, 9, 3, 1)], zipf(4)).rank == pytest.approx(0.8)
