"""The checks over a VM in full: what is wanted, what was found, and where the limits lie."""

from __future__ import annotations

import pytest

from hotkit.core.check import Check, Verdict
from hotkit.core.kernelproof import judge
from hotkit.core.vmproof import (
    dirty_log,
    first_read,
    kvm_flushes,
    lets_kvm_flush,
    notes,
    witness,
)


def check(name, expected, found, sentence, *, ok=True):
    verdict = Verdict.PASS if ok else Verdict.FAIL
    return Check(name=name, expected=expected, found=found, verdict=verdict, sentence=sentence)


@pytest.mark.parametrize(
    ("tracker", "mode", "flushes"),
    [
        ("damon", 0, False), ("damon", 1, False), ("damon", 2, True), ("page_idle", 3, True),
        ("page_idle", 4, False), ("folio_referenced", 0, True), ("folio_referenced", 2, True),
    ],
)  # fmt: skip
def test_when_kvm_flushes(tracker, mode, flushes):
    assert lets_kvm_flush(tracker, mode) is flushes


def counted(mode, requests, sent, done, young=0, proof="damon"):
    return {
        "proof": proof, "mode": mode, "kvm_remote_tlb_flush_requests": requests,
        "kvm_remote_tlb_flush": sent, "kvm_tlb_flush": done, "secondary_young": young,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("figures", "ok"),
    [
        ((9, 9, 9, 9), True), ((9, 1, 1, 9), True),
        ((9, 0, 1, 9), False), ((9, 1, 0, 9), False), ((9, 10, 9, 9), False),
        ((9, 9, 10, 9), False), ((8, 8, 8, 9), False), ((0, 0, 0, 0), False),
        ((1, 1, 1, 1), True),
    ],
)  # fmt: skip
def test_flushes_with_the_young_entries(figures, ok):
    asked, sent, done, young = figures
    said = (
        f"x: KVM was asked for {asked} flushes, sent {sent}, a vCPU did {done},"
        f" for {young} young entries"
    )
    for line in (counted(2, *figures), counted(0, *figures, proof="folio_referenced")):
        assert list(kvm_flushes("x", line)) == [
            check("x: KVM's flushes", str(young), str(asked), said, ok=ok)
        ]


@pytest.mark.parametrize(
    ("figures", "ok"),
    [((0, 0, 0), True), ((1, 0, 0), False), ((0, 1, 0), False), ((0, 0, 1), False),
     ((1, 1, 1), False)],
)  # fmt: skip
def test_no_flushes_in_other_modes(figures, ok):
    asked, sent, done = figures
    said = f"x: KVM was asked for {asked} flushes, sent {sent}, a vCPU did {done}"
    assert list(kvm_flushes("x", counted(1, *figures, young=5))) == [
        check("x: KVM's flushes", "0", str(asked), said, ok=ok)
    ]


@pytest.mark.parametrize(
    ("logged", "missing", "extra", "ok"),
    [(4, 0, 0, True), (3, 0, 0, False), (5, 0, 0, False), (4, 1, 1, False), (4, 0, 1, False),
     (4, 1, 0, False)],
)  # fmt: skip
def test_the_dirty_log_has_the_guests_counter_too(logged, missing, extra, ok):
    line = {
        "cleared": "by hand", "written": 3, "pages": 32, "logged": logged, "missing": missing,
        "extra": extra,
    }  # fmt: skip
    name = "KVM's dirty log, cleared by hand, 3 pages written"
    said = (
        f"{name} of 32 read: {logged} logged with the guest's counter, {missing} missing,"
        f" {extra} too many"
    )
    assert list(dirty_log(line)) == [check(name, "4", str(logged), said, ok=ok)]


@pytest.mark.parametrize(
    ("logged", "ok"), [(0, True), (1, False), (31, False), (32, True), (33, False)]
)
def test_all_first_reads_are_logged_or_none(logged, ok):
    said = f"KVM's dirty log has {logged} of 32 pages that the guest only read, for the first time"
    assert list(first_read({"read": 32, "logged": logged})) == [
        check("KVM's dirty log, first reads", "all or none", str(logged), said, ok=ok)
    ]


def access(**changes):
    line = {
        "proof": "witness", "test": "access_tracking_perf_test", "option": "-s", "pages": 100,
        "marks": 2, "still_idle": [10, 30],
    }  # fmt: skip
    return line | changes


SAID = (
    "the kernel's own access_tracking_perf_test -s found {} of 100 pages accessed, which it marked"
    " idle between two runs of the VM"
)
NAME = "witness access_tracking_perf_test -s"


@pytest.mark.parametrize(
    ("changes", "found", "ok"),
    [
        ({"secondary_young": 180}, "90.0%", True),
        ({"secondary_young": 179}, "89.5%", False),
        ({"secondary_young": 0}, "0.0%", False),
        ({}, "80.0%", False),
        ({"still_idle": [2, 0]}, "99.0%", True),
        # Without a mark its own counts say it.
        ({"secondary_young": 180, "marks": 0}, "80.0%", False),
    ],
)
def test_an_access_witness_by_itself(changes, found, ok):
    assert list(witness(access(**changes), None)) == [
        check(NAME, ">= 90%", found, SAID.format(found), ok=ok)
    ]


@pytest.mark.parametrize(
    ("young", "ours", "found", "agrees", "ok"),
    [
        (200, 1.0, "100.0%", True, True),
        (180, 1.0, "90.0%", True, True),
        (180, 0.79, "90.0%", False, False),
        (200, 0.875, "100.0%", False, False),
        (40, 0.1, "20.0%", True, False),  # 0.1 apart, to the bit
        (0, 0.0, "0.0%", True, False),
    ],
)
def test_an_access_witness_beside_ours(young, ours, found, agrees, ok):
    words = "it agrees" if agrees else "it does not agree"
    said = f"{SAID.format(found)}; {words} with ours, {ours:.1%} where the tick ends each run"
    assert list(witness(access(secondary_young=young), ours)) == [
        check(NAME, f"about {ours:.0%}", found, said, ok=ok)
    ]


@pytest.mark.parametrize(
    "changes", [{"pages": 0}, {"still_idle": []}, {"pages": 0, "secondary_young": 5}, {"why": "x"}]
)
def test_a_witness_that_tells_nothing_is_not_judged(changes):
    assert list(witness(access(**changes), 1.0)) == []


def test_ours_are_the_first_row_with_the_tick():
    def damon(**changes):
        return {
            "proof": "damon", "space": "fvaddr", "memory": "vm", "beside": 1, "mode": 0,
            "pages": 32, "hot_pages": 8, "checks": 100, "hot_seen": 760, "cold_seen": 0,
        } | changes  # fmt: skip

    lines = [
        damon(beside=0, hot_seen=8), damon(memory="4k", hot_seen=16), damon(),
        damon(hot_seen=800), access(secondary_young=200),
    ]  # fmt: skip
    (found,) = [one for one in judge(lines, patched=False) if one.name == NAME]
    assert found.expected == "about 95%"


@pytest.mark.parametrize(
    ("pages", "logged", "found", "ok"),
    [
        (9, [9, 9], "9, 9", True),
        (9, [9, 9, 9], "9, 9, 9", True),
        (9, [9], "9", False),
        (9, [9, 8], "9, 8", False),
        (9, [], "no", False),
        (1, [1, 1], "1, 1", True),
        (0, [0, 0], "0, 0", False),
    ],
)
def test_a_log_witness_in_full(pages, logged, found, ok):
    line = {
        "proof": "witness", "test": "dirty_log_perf_test", "option": "", "pages": pages,
        "logged": logged,
    }  # fmt: skip
    said = (
        f"the kernel's own dirty_log_perf_test has {found} pages in its logs and wrote {pages}"
        f" each time; {'it agrees' if ok else 'it does not agree'} with ours that the log is exact"
    )
    assert list(witness(line, None)) == [
        check("witness dirty_log_perf_test", f"{pages} each time", found, said, ok=ok)
    ]


def test_notes_are_of_what_could_not_be_measured_alone():
    assert notes([access(), {"proof": "damon", "why": "x"}]) == ()
    assert notes([access(why="y", option="")]) == (
        "access_tracking_perf_test is no witness here: y",
    )
