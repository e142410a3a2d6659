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
    found = run_errors(tracker, settings, False, deltas, "", False)
    assert len(found) == len(wrong)
    assert all(part in sentence for part, sentence in zip(wrong, found, strict=True))


def test_a_tracker_that_moves_pages_may():
    assert run_errors("x", {}, True, {"vmstat.pgdemote_direct": 7}, "", False) == ()


KVM = {"kvm.tlb_flush": 0, "kvm.remote_tlb_flush": 0}
HOST = {
    "hotkit.damon_flush_primary": 9, "hotkit.damon_entries_young": 9,
    "hotkit.damon_flush_secondary": 50, "hotkit.damon_secondary_young": 40,
}  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "flush", "deltas", "wrong"),
    [
        # In the guest its own kernel is the witness, not the host's.
        ("guest", "primary", {"guest.hotkit.damon_flush_primary": 5}, ()),
        ("guest", "primary", HOST, ("did not move",)),
        ("guest", "stock", {"guest.hotkit.damon_flush_primary": 5},
         ("stock, but the kernel counted 5",)),
        ("guest", "stock", {"hotkit.damon_flush_primary": 5}, ()),
        ("guest", "primary",
         {"guest.hotkit.damon_flush_primary": 5, "guest.vmstat.nr_tlb_local_flush_one": 0,
          "vmstat.nr_tlb_remote_flush": 7}, ("no nr_tlb_",)),
        # Over a VM the host's own entries may all be old: nothing was there to flush.
        ("host", "primary", {"hotkit.damon_flush_primary": 0, "hotkit.damon_entries_young": 0}, ()),
        ("host", "primary", {"hotkit.damon_flush_primary": 0, "hotkit.damon_entries_young": 3},
         ("did not move",)),
        ("host", "always", {"hotkit.damon_flush_primary": 0, "hotkit.damon_entries_young": 0},
         ("did not move",)),
        ("host", "primary+secondary", {**HOST, "kvm.remote_tlb_flush": 40}, ()),
        # No debugfs of KVM: no witness.
        ("host", "primary+secondary", HOST, ()),
        ("host", "primary+secondary", {**HOST, "hotkit.damon_flush_secondary": 0},
         ("flushes asked of KVM did not move",)),
        # Asked, and left out.
        ("host", "primary+secondary", {**HOST, **KVM}, ("KVM counted no flush",)),
        ("host", "primary+secondary", {**HOST, **KVM, "hotkit.damon_secondary_young": 0}, ()),
        ("host", "primary+secondary", {**HOST, **KVM, "kvm.tlb_flush": 3}, ()),
        # Nothing was young: no witness has to move.
        ("host", "primary",
         {"hotkit.damon_flush_primary": 0, "hotkit.damon_entries_young": 0,
          "vmstat.nr_tlb_remote_flush": 0}, ()),
        ("host", "primary",
         {"hotkit.damon_flush_primary": 0, "hotkit.damon_entries_young": 1,
          "vmstat.nr_tlb_remote_flush": 0}, ("did not move", "no nr_tlb_")),
        # In the guest, and without one, a scan finds what the workload touched.
        ("guest", "primary", {"guest.hotkit.damon_flush_primary": 0,
                              "guest.hotkit.damon_entries_young": 0}, ("did not move",)),
        ("", "primary", {"hotkit.damon_flush_primary": 0, "hotkit.damon_entries_young": 0},
         ("did not move",)),
        # KVM is asked by scans of the host alone.
        ("guest", "primary+secondary", {"guest.hotkit.damon_flush_primary": 5}, ()),
        ("", "primary+secondary", {"hotkit.damon_flush_primary": 5}, ()),
        ("host", "primary", {**HOST, "hotkit.damon_flush_secondary": 0}, ()),
    ],
)  # fmt: skip
def test_the_witness_is_where_the_tracker_ran(scope, flush, deltas, wrong):
    found = run_errors("damon", {"flush": flush}, False, deltas, scope, scope != "")
    assert len(found) == len(wrong), found
    assert all(part in sentence for part, sentence in zip(wrong, found, strict=True))


def test_pages_that_moved_in_the_guest():
    assert run_errors("none", {}, False, {"guest.swap": 2}, "host", True) == (
        "2 pages of the guest were swapped in a run that should only collect",
    )
    # Of a sweep without a guest such a counter is nobody's.
    assert run_errors("none", {}, False, {"guest.swap": 2}, "", False) == ()
    both = run_errors(
        "none", {}, False, {"guest.vmstat.pgpromote_success": 4, "swap": 1}, "host", True
    )
    assert both == (
        "1 pages were swapped in a run that should only collect",
        "4 pages of the guest were promoted in a run that should only collect",
    )


def test_a_tracker_without_a_scan_in_the_kernel_cannot_have_flushed():
    counted = {**FLUSHED, "hotkit.None_flush_primary": 5}
    assert run_errors("perf", {"flush": "stock"}, False, counted, "", False) == ()
    assert run_errors("perf", {"flush": "primary"}, False, counted, "", False) == (
        "flush: primary, but the kernel's counter of this scan's flushes did not move",
    )
