"""What the tracker `perf` makes of the addresses that it read."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from hotkit.agent.perf_ring import Records
from hotkit.agent.trackers.base import complete
from hotkit.agent.trackers.perf import PAGE_BYTES, PageCounts, Perf
from hotkit.agent.undo import Undo

START = 0x7F0000000000


def test_pages_are_counted_and_only_the_ranges_own():
    pages = PageCounts(START, START + 3 * PAGE_BYTES)
    inside = pages.add(
        array("Q", [START, START + 1, START - 1, START + 3 * PAGE_BYTES, START + 2 * PAGE_BYTES, 0])
    )
    assert inside == 3
    found = pages.heat()
    assert (found.start, list(found.heat), found.possible) == (START, [2, 0, 1], 0)


def test_a_range_within_pages():
    """The heat is of whole pages, the count of the range's own bytes."""
    pages = PageCounts(START + 100, START + PAGE_BYTES + 1)
    assert pages.add(array("Q", [START + 99, START + 100, START + PAGE_BYTES])) == 2
    found = pages.heat()
    assert (found.start, list(found.heat)) == (START, [1, 1])


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=20))
def test_the_hottest_page_is_255_at_most_and_touched_pages_are_never_0(counts):
    pages = PageCounts(START, START + len(counts) * PAGE_BYTES)
    for page, times in enumerate(counts):
        pages.add(array("Q", [START + page * PAGE_BYTES]) * times)
    heat = list(pages.heat().heat)
    assert max(heat) == min(255, max(counts))
    assert [value > 0 for value in heat] == [times > 0 for times in counts]
    # Hotter is never shown as colder.
    order = sorted(range(len(counts)), key=counts.__getitem__)
    assert [heat[page] for page in order] == sorted(heat)


def test_every_record_is_accounted_for(tmp_path):
    perf = Perf(Undo(tmp_path))
    perf._ranges = [PageCounts(START, START + PAGE_BYTES)]
    records = Records()
    records.addresses.extend([START, START + 5, 0, 77])
    records.samples = 6  # two of another process
    records.lost, records.lost_samples, records.throttled, records.unthrottled = 9, 4, 2, 1
    for _ in range(2):
        perf._take(records)
    found = perf.samples()
    assert (found.examined, found.positive) == (12, 4)
    assert found.extra == {
        "elsewhere": 4, "no_address": 2, "other_process": 4, "lost_ring": 18, "lost_hardware": 8,
        "throttled": 4, "unthrottled": 2, "unknown_records": 0,
    }  # fmt: skip


def test_settings_are_typed():
    assert complete(Perf, {})["event"] == "auto"
    assert Perf.settings["period"].problem(-1)
    assert Perf.settings["wakeup"].problem(1.5)
    assert Perf.settings["kernel"].problem(1)
