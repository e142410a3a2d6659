"""An arm is what it is called, or it is no result."""

import pytest

from hotkit.core.armcheck import run_errors

FLUSHED = {"hotkit.page_idle_flush_primary": 500, "vmstat.nr_tlb_remote_flush": 480}


@pytest.mark.parametrize(
    ("tracker", "settings", "deltas", "wrong"),
    [
        ("idlepage", {"flush": "primary"}, FLUSHED, ()),
        ("idlepage", {"flush": "primary"}, {**FLUSHED, "vmstat.nr_tlb_remote_flush": 0},
         ("no nr_tlb_",)),
        # A kernel without DEBUG_TLBFLUSH has no witness, but its own counter.
        ("idlepage", {"flush": "primary"}, {"hotkit.page_idle_flush_primary": 500}, ()),
        ("idlepage", {"flush": "primary"}, {"hotkit.page_idle_flush_primary": 0},
         ("did not move",)),
        # The counter of another scan is no witness.
        ("damon", {"flush": "primary+secondary"}, FLUSHED, ("did not move",)),
        ("idlepage", {"flush": "stock"}, FLUSHED, ("stock, but the kernel counted 500",)),
        ("idlepage", {"flush": "stock"}, {"vmstat.nr_tlb_remote_flush": 9}, ()),
        ("softdirty", {}, FLUSHED, ()),
        ("reclaim", {"flush": "stock"}, {"vmstat.pgdemote_direct": 7}, ("7 pages were demoted",)),
        ("numa-hint", {}, {"vmstat.numa_pages_migrated": 3}, ("3 pages were migrated",)),
        ("none", {}, {"swap": 2}, ("2 pages were swapped",)),
    ],
)  # fmt: skip
def test_run_errors(tracker, settings, deltas, wrong):
    found = run_errors(tracker, settings, False, deltas)
    assert len(found) == len(wrong)
    assert all(part in sentence for part, sentence in zip(wrong, found, strict=True))


def test_a_tracker_that_moves_pages_may():
    assert run_errors("x", {}, True, {"vmstat.pgdemote_direct": 7}) == ()
