"""Verdicts on a kernel's proof: blind in stock mode, seeing when it flushes, by checks taken."""

import pytest

from hotkit.core.check import Verdict
from hotkit.core.kernelproof import judge, rows


def damon(**changes):
    line = {
        "proof": "damon", "space": "fvaddr", "memory": "4k", "beside": 0, "mode": 0, "pages": 32,
        "hot_pages": 8, "checks": 100, "hot_seen": 0, "cold_seen": 0, "samples": 3200,
        "flush_primary": 0,
    }  # fmt: skip
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
        ({"checks": 10, "samples": 320}, False),  # too few to say anything
        ({"checks": 0, "samples": 0}, False),
        ({"samples": 3199}, False),  # the counter and the kprobe differ
    ],
)
def test_damon(changes, ok):
    checks = judge([damon(**changes)], patched=True)
    assert len(checks) == 2
    assert all(check.verdict is Verdict.PASS for check in checks) == ok


def test_an_unpatched_kernel_has_no_counters():
    line = damon()
    del line["samples"], line["flush_primary"]
    (check,) = judge([line], patched=False)
    assert check.verdict is Verdict.PASS


def test_stock_folio_referenced_flushes_huge_pages():
    line = damon(proof="folio_referenced", memory="thp", pages=4, hot_pages=1, hot_seen=100)
    assert [c.verdict for c in judge([line], patched=True)] == [Verdict.PASS]
    assert [c.verdict for c in judge([line | {"hot_seen": 0}], patched=True)] == [Verdict.FAIL]


@pytest.mark.parametrize(
    ("line", "ok"),
    [
        ({"proof": "kswapd", "woken": 10, "samples": 0}, True),
        ({"proof": "kswapd", "woken": 0, "samples": 0}, False),
        ({"proof": "kswapd", "woken": 10, "samples": 1}, False),
        ({"proof": "console", "splats": []}, True),
        ({"proof": "console", "splats": ["WARNING: possible recursive locking"]}, False),
        ({"proof": "demotion", "pages": 2000, "on_node1_after": 2000}, True),
        ({"proof": "demotion", "pages": 2000, "on_node1_after": 0}, False),
        ({"proof": "promotion", "hot_pages": 64, "hot_on_node0": 64, "seconds": 5.0}, True),
        ({"proof": "promotion", "hot_pages": 64, "hot_on_node0": 60, "seconds": 25.0}, False),
    ],
)
def test_single_facts(line, ok):
    (check,) = judge([line], patched=True)
    assert (check.verdict is Verdict.PASS) == ok
