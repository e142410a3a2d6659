"""Verdicts on a proof over a VM: recorded lines hold, and each thing that may be wrong fails."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from hotkit.core.check import Check, Verdict, failed
from hotkit.core.kernelproof import VM, judge, rows
from hotkit.core.vmproof import notes
from tests.unit.kernelproofs import RECORDED, lines, one


def verdicts(line: dict[str, Any]) -> dict[str, Check]:
    """Of one line, by name: a single line is never the whole proof."""
    return {c.name: c for c in judge([line], patched=True) if c.name != "whole"}


def wrong(line: dict[str, Any]) -> list[str]:
    return [check.name for check in failed(verdicts(line).values())]


def damon(mode: int, beside: int = 0) -> dict[str, Any]:
    return one("6.1", "damon", mode=mode, beside=beside)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(name: str) -> None:
    """All holds but that it is no whole proof: the recording is of these parts alone."""
    checks = judge(lines(name), patched="unpatched" not in name)
    assert [check.name for check in failed(checks)] == ["whole"]
    assert {row.memory for row in rows(lines(name))} == {VM}
    assert all(line["nested"] for line in lines(name) if line["proof"] not in ("kernel", "console"))


@pytest.mark.parametrize("name", ["6.1", "6.12"])
def test_only_a_flush_of_kvm_shows_what_is_hot(name: str) -> None:
    seen = {(row.tracker, row.mode, row.beside): row for row in rows(lines(name))}
    for tracker in ("damon fvaddr", "page_idle"):
        assert seen[tracker, 0, False].hot == 0
        assert seen[tracker, 1, False].hot < 0.02  # the flush of the host's own entry, at first
        assert seen[tracker, 3, False].hot == 1
    assert seen["damon fvaddr", 0, True].hot == 1  # each tick is a VM exit
    assert seen["folio_referenced", 0, False].hot == 1  # it lets KVM flush in every mode
    assert {row.cold for row in seen.values()} == {0}


def test_names() -> None:
    names = [row.name for row in rows([damon(0), damon(0, beside=1)])]
    assert names == ["damon fvaddr vm mode 0", "damon fvaddr vm mode 0, the tick beside"]
    assert [row.company for row in rows([damon(0), damon(0, beside=1)])] == ["", "the tick"]


@pytest.mark.parametrize(
    ("mode", "changes", "name"),
    [
        (0, {"hot_seen": 100, "samples_positive": 100}, "damon fvaddr vm mode 0"),
        # A flush of the host's entries must make no difference.
        (1, {"hot_seen": 700, "samples_positive": 700}, "damon fvaddr vm mode 1"),
        (3, {"hot_seen": 10, "samples_positive": 10}, "damon fvaddr vm mode 3"),
        (0, {"kvm_tlb_flush": 1}, "damon fvaddr vm mode 0: KVM's flushes"),
        (1, {"kvm_remote_tlb_flush_requests": 1}, "damon fvaddr vm mode 1: KVM's flushes"),
        (3, {"kvm_remote_tlb_flush_requests": 519}, "damon fvaddr vm mode 3: KVM's flushes"),
        (3, {"kvm_remote_tlb_flush": 0}, "damon fvaddr vm mode 3: KVM's flushes"),
        (3, {"kvm_tlb_flush": 521}, "damon fvaddr vm mode 3: KVM's flushes"),
    ],
)
def test_a_tracker_that_does_not_do_what_its_mode_says(
    mode: int, changes: dict[str, Any], name: str
) -> None:
    assert wrong(damon(mode)) == []
    assert wrong({**damon(mode), **changes}) == [name]


def test_folio_referenced_flushes_in_every_mode() -> None:
    line = one("6.1", "folio_referenced")
    assert wrong(line) == []
    blind = {**line, "hot_seen": 0, "kvm_remote_tlb_flush_requests": 0, "kvm_tlb_flush": 0}
    assert wrong(blind) == [
        "folio_referenced vm mode 0", "folio_referenced vm mode 0: KVM's flushes",
    ]  # fmt: skip


@pytest.mark.parametrize("changes", [{"missing": 1}, {"extra": 1}, {"logged": 5}])
def test_a_log_that_is_not_exact(changes: dict[str, Any]) -> None:
    line = one("6.1", "kvm_dirty", cleared="by hand", written=3)
    assert wrong(line) == []
    assert wrong({**line, **changes}) == ["KVM's dirty log, cleared by hand, 3 pages written"]


@pytest.mark.parametrize(("logged", "ok"), [(32, True), (0, True), (5, False)])
def test_first_reads(logged: int, ok: bool) -> None:
    (check,) = verdicts({**one("6.1", "kvm_first_read"), "logged": logged}).values()
    assert (check.verdict is Verdict.PASS) == ok
    assert check.sentence.startswith(f"KVM's dirty log has {logged} of 32 pages")


def witness(checks: Iterable[Check]) -> Check:
    (check,) = [check for check in checks if check.name.startswith("witness")]
    return check


@pytest.mark.parametrize(
    ("changes", "found", "ok"),
    [
        ({}, "99.5%", True),
        ({"secondary_young": 1024}, "50.0%", False),
        # On a kernel without counters by what it told of pages that were idle already.
        ({"secondary_young": None, "still_idle": [0, 10]}, "99.5%", True),
        ({"secondary_young": None, "still_idle": [0, 1024]}, "50.0%", False),
    ],
)
def test_access_witness(changes: dict[str, Any], found: str, ok: bool) -> None:
    line = {**one("6.1", "witness", test="access_tracking_perf_test"), **changes}
    line = {key: value for key, value in line.items() if value is not None}
    check = witness(judge([damon(0, beside=1), line], patched=True))
    assert (check.found, check.verdict is Verdict.PASS) == (found, ok)
    assert ("it agrees with ours, 100.0%" in check.sentence) == ok
    # Rows of other memory, and without the tick, are not what it is held against.
    others = [damon(0), {**damon(0, beside=1), "memory": "4k"}]
    assert witness(judge([*others, damon(0, beside=1), line], patched=True)) == check
    # By itself it is held against its own limit.
    alone = witness(judge([line], patched=True))
    assert (alone.verdict is Verdict.PASS) == ok and "ours" not in alone.sentence


def test_an_access_witness_that_tells_nothing() -> None:
    line = one("6.12", "witness", test="access_tracking_perf_test")
    del line["secondary_young"]
    assert verdicts(line) == {}


@pytest.mark.parametrize("logged", [[], [1024], [1024, 1023]])
def test_log_witness(logged: list[int]) -> None:
    line = one("6.1", "witness", test="dirty_log_perf_test", option="-g")
    assert wrong(line) == []
    bad = {**line, "logged": logged}
    assert wrong(bad) == ["witness dirty_log_perf_test -g"]
    assert "it does not agree" in verdicts(bad)["witness dirty_log_perf_test -g"].sentence


def test_what_could_not_be_measured_is_a_note_and_no_failure() -> None:
    no_vm = {"proof": "no_vm", "why": "the kernel has no /dev/kvm"}
    program = {"proof": "witness", "test": "dirty_log_perf_test", "option": "-g", "why": "no rsync"}
    no_tickless = {"proof": "no_tickless", "why": "it does not stop"}
    assert notes([no_vm, program, no_tickless, no_tickless, damon(0)]) == (
        "nothing was measured over a VM: the kernel has no /dev/kvm",
        "dirty_log_perf_test -g is no witness here: no rsync",
        "a row over a VM has the tick beside: it does not stop",
    )
    assert verdicts(program) == {} and verdicts(no_vm) == {}
    (whole,) = judge([no_vm], patched=False)
    assert "kvm_dirty" not in whole.sentence
