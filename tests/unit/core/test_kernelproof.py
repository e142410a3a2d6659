"""Verdicts on a kernel's proof: blind in stock mode, seeing when it flushes, by checks taken."""

import pytest

from hotkit.core.check import Verdict
from hotkit.core.kernelproof import judge, rows


def damon(**changes):
    line = {
        "proof": "damon", "space": "fvaddr", "memory": "4k", "beside": 0, "mode": 0, "pages": 32,
        "hot_pages": 8, "checks": 100, "checks_in_all": 104, "hot_seen": 0, "cold_seen": 0,
        "samples": 3328, "samples_positive": 0, "flush_primary": 0, "tlb_flush_events": 0,
        "vmstat_remote_flushes": 0,
    }  # fmt: skip
    line |= changes
    if "samples_positive" not in changes:
        line["samples_positive"] = line["hot_seen"] + line["cold_seen"]
    return line


def verdicts(line, *, patched=True):
    """Of the parts of one line: a single line is never the whole proof."""
    return [c.verdict for c in judge([line], patched=patched) if c.name != "whole"]


def demotion(**changes):
    line = {"proof": "demotion", "pages": 2000, "on_node0_before": 2000, "on_node1_after": 2000}
    return line | changes


def reclaim(**changes):
    line = {
        "proof": "memory_reclaim", "mode": 0, "pages": 2000, "hot_pages": 64, "samples": 4000,
        "hot_left": 0, "cold_left": 5,
    }  # fmt: skip
    return line | changes


def mglru(**changes):
    line = {"proof": "mglru", "beside": 0, "hot_pages": 64, "youngest": 0, "second": 0}
    return line | changes


def test_fractions_are_of_the_checks_taken():
    (row,) = rows([damon(mode=1, hot_seen=784, cold_seen=24), {"proof": "kswapd"}])
    assert (row.hot, row.cold) == (0.98, 0.01)
    assert row.name == "damon fvaddr 4k mode 1"


@pytest.mark.parametrize(
    ("changes", "ok"),
    [
        ({}, True),
        ({"hot_seen": 41}, False),  # stock mode that sees
        ({"mode": 1, "hot_seen": 784}, True),
        ({"mode": 1, "hot_seen": 700}, False),  # flush mode that is blind
        ({"mode": 1, "hot_seen": 784, "cold_seen": 100}, False),
        ({"beside": 1, "hot_seen": 730}, True),  # context switches flush for stock
        ({"beside": 1, "hot_seen": 0}, False),
        ({"beside": 1, "mode": 1, "hot_seen": 700}, True),  # it has not every interval a turn
        ({"beside": 1, "mode": 1, "hot_seen": 600}, False),
        ({"checks": 10, "checks_in_all": 14, "samples": 448}, False),  # too few to say anything
        ({"checks": 0, "checks_in_all": 0, "samples": 0}, False),
        ({"samples": 3327}, False),  # the counter and the kprobe differ
        ({"samples_positive": 32}, True),  # in the aggregation that was cut off
        ({"samples_positive": 129}, False),  # more than that one had checks
        ({"mode": 1, "hot_seen": 784, "flush_primary": 784, "tlb_flush_events": 784,
          "vmstat_remote_flushes": 787}, True),
        ({"flush_primary": 200, "tlb_flush_events": 195, "vmstat_remote_flushes": 195}, True),
        ({"flush_primary": 200, "tlb_flush_events": 180, "vmstat_remote_flushes": 180}, False),
        ({"tlb_flush_events": 3, "vmstat_remote_flushes": 3}, False),  # more than were asked for
        ({"flush_primary": 3, "vmstat_remote_flushes": 3}, False),  # the tracepoint saw none
        ({"flush_primary": 3, "tlb_flush_events": 3}, False),  # vmstat saw none
        ({"vmstat_remote_flushes": 100}, False),  # flushes that nobody counted
    ],
)  # fmt: skip
def test_damon(changes, ok):
    found = verdicts(damon(**changes))
    assert len(found) == (3 if changes.get("beside") else 5)
    assert all(verdict is Verdict.PASS for verdict in found) == ok


def test_an_unpatched_kernel_has_no_counters():
    line = damon()
    del line["samples"], line["flush_primary"]
    assert verdicts(line, patched=False) == [Verdict.PASS]


def test_a_part_that_was_not_measured_is_no_pass():
    (_, whole) = judge([damon()], patched=False)
    assert whole.verdict is Verdict.FAIL
    missing = "page_idle, mglru, console, kvm_dirty, kvm_first_read"
    assert whole.sentence == f"not measured: {missing}"


def test_stock_folio_referenced_flushes_huge_pages():
    line = damon(proof="folio_referenced", memory="thp", pages=4, hot_pages=1, hot_seen=100)
    line["asked"] = 400
    assert verdicts(line) == [Verdict.PASS] * 2
    assert verdicts(line | {"hot_seen": 0}) == [Verdict.FAIL, Verdict.PASS]
    assert verdicts(line | {"asked": 399}) == [Verdict.PASS, Verdict.FAIL]


@pytest.mark.parametrize(
    ("line", "ok"),
    [
        ({"proof": "kswapd", "woken": 10, "samples": 0}, True),
        ({"proof": "kswapd", "woken": 0, "samples": 0}, False),
        ({"proof": "kswapd", "woken": 10, "samples": 1}, False),
        ({"proof": "console", "splats": []}, True),
        ({"proof": "console", "splats": ["WARNING: possible recursive locking"]}, False),
        ({"proof": "error", "message": "no /sys/kernel/mm/page_idle/bitmap"}, False),
        (demotion(), True),
        (demotion(on_node1_after=0), False),
        (demotion(on_node0_before=0), False),
        (reclaim(), True),
        (reclaim(hot_left=37), True),  # chance: stock has no promise to keep
        (reclaim(mode=1, hot_left=64), True),
        (reclaim(mode=1, hot_left=5), False),
        (reclaim(samples=0), False),
        (reclaim(cold_left=1936), False),
        (mglru(), True),
        (mglru(second=64), False),
        (mglru(beside=1, second=64), True),
        (mglru(beside=1, youngest=64), True),
        (mglru(beside=1, second=1936), False),
        (mglru(beside=1), False),
        ({"proof": "promotion", "hot_pages": 64, "hot_on_node0": 64, "seconds": 5.0}, True),
        ({"proof": "promotion", "hot_pages": 64, "hot_on_node0": 60, "seconds": 25.0}, False),
    ],
)
def test_single_facts(line, ok):
    (verdict,) = verdicts(line)
    assert (verdict is Verdict.PASS) == ok
