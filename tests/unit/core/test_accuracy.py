"""Accuracy on cases that can be done by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.accuracy import HeatRange, HotPhase, accuracy, truth_of

PAGE = 4096
BASE = 0x7F0000000000


def ready(pages=8, hot=2, first=0, weight=9, **more):
    return {
        "start": BASE, "bytes": pages * PAGE, "hot_start": BASE + first * PAGE,
        "hot_bytes": hot * PAGE, "weight": weight, "distribution": "hotset", **more,
    }  # fmt: skip


def heat(*counts, possible=10, first=0):
    return HeatRange(
        start=BASE + first * PAGE, page_bytes=PAGE, heat=bytes(counts), possible=possible
    )


def judged(*ranges, **more):
    return accuracy(ranges, truth_of(ready(**more)))


def test_perfect():
    found = judged(heat(10, 10, 0, 0, 0, 0, 0, 0))
    assert (found.precision, found.recall, found.f1, found.top, found.found) == (1, 1, 1, 1, 1)
    assert found.rank == pytest.approx(1)
    assert (found.pages, found.hot_pages) == (8, 2)


def test_blind():
    """No heat: nothing was right or wrong, and nothing can be ranked."""
    found = judged(heat(0, 0, 0, 0, 0, 0, 0, 0))
    assert (found.recall, found.f1, found.found) == (0, 0, 0)
    assert found.precision is None and found.top is None and found.rank is None


def test_weighted_by_page_and_time():
    """One hot page found always, one in half of the looks, a cold one in three of ten."""
    found = judged(heat(10, 5, 3, 0, 0, 0, 0, 0))
    assert found.recall == pytest.approx(1.5 / 2)
    assert found.precision == pytest.approx(1.5 / 1.8)
    assert found.f1 == pytest.approx(2 * 1.5 / (1.8 + 2))
    assert found.top == 1


def test_everything_looks_accessed():
    """No information: the hottest pages are drawn among equals, and there is no order."""
    found = judged(heat(*[10] * 8))
    assert found.recall == 1 and found.precision == pytest.approx(2 / 8)
    assert found.top == pytest.approx(2 / 8)
    assert found.rank is None


def test_a_sampler_has_no_recall():
    found = judged(heat(200, 100, 50, 0, 0, 0, 0, 50, possible=0))
    assert found.recall is None and found.f1 is None
    assert found.precision == pytest.approx(300 / 400)
    assert found.top == 1 and found.found == 1


def test_pages_nobody_looked_at_are_not_found():
    found = judged(heat(10, 0, first=1))
    assert found.recall == 0.5 and found.found == 0.5
    # Memory of the process that is not the workload's does not count.
    assert judged(heat(10, 10, first=-2), heat(10, 10)).recall == 1


def test_huge_pages_stand_for_their_base_pages():
    wide = HeatRange(start=BASE, page_bytes=4 * PAGE, heat=bytes([10, 0]), possible=10)
    found = judged(wide)
    assert found.recall == 1 and found.precision == 0.5


def test_no_heat_is_not_no_accuracy():
    assert accuracy([], truth_of(ready())) is None
    assert truth_of({"pid": 1}) is None


def test_a_hot_set_that_moved():
    """Half of the time pages 0-1, then pages 4-5: right is who saw each half of the time."""
    phases = [
        HotPhase(at_ns=1000, hot_start=BASE, hot_bytes=2 * PAGE),
        HotPhase(at_ns=2000, hot_start=BASE + 4 * PAGE, hot_bytes=2 * PAGE),
    ]
    truth = truth_of(ready(), phases, 3000)
    assert truth.hot.tolist() == [0.5, 0.5, 0, 0, 0.5, 0.5, 0, 0]
    found = accuracy([heat(5, 5, 0, 0, 5, 5, 0, 0)], truth)
    assert (found.precision, found.recall) == (1, 1)
    # Who never noticed the move calls the first place hot all the time.
    late = accuracy([heat(10, 10, 0, 0, 0, 0, 0, 0)], truth)
    assert (late.precision, late.recall) == (0.5, 0.5)


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_zipf(order):
    said = {"start": BASE, "bytes": 100 * PAGE, "distribution": "zipf", "theta": 0.99,
            "order": order, "rank_bytes": PAGE}  # fmt: skip
    truth = truth_of(said)
    assert truth.rate.sum() == pytest.approx(1)
    rate = truth.rate if order == "ascending" else truth.rate[::-1]
    assert rate[0] / rate[9] == pytest.approx(10**0.99)
    assert truth.rate[truth.hot > 0].sum() >= 0.5
    counts = np.round(truth.rate * 255 / truth.rate.max()).astype(np.uint8)
    found = accuracy([HeatRange(start=BASE, page_bytes=PAGE, heat=counts.tobytes(), possible=255)],
                     truth)  # fmt: skip
    assert found.rank > 0.95 and found.top == 1


@given(st.lists(st.integers(0, 10), min_size=8, max_size=8))
def test_bounds(counts):
    found = judged(heat(*counts))
    assert 0 <= found.recall <= 1 and 0 <= found.f1 <= 1 and 0 <= found.found <= 1
    for value in (found.precision, found.top):
        assert value is None or 0 <= value <= 1
    assert found.rank is None or -1.0001 <= found.rank <= 1.0001
