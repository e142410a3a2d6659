"""What a kernel's proof must show of a VM: when KVM flushes, what its log has, what witnesses say.

The VM runs in the machine that is proven, so that all of it is nested, under emulation mostly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hotkit.core.check import Check, judged

SECONDARY_FLUSH = 2  # the bit of a mode that lets KVM flush
# access_tracking_perf_test's own limit; its pages in per-CPU LRU batches cannot be marked.
_FOUND_AT_LEAST = 0.9
_APART_AT_MOST = 0.1


def lets_kvm_flush(tracker: str, mode: int) -> bool:
    """folio_referenced() always does (docs/kernel.md), the others in a mode with that bit."""
    return bool(mode & SECONDARY_FLUSH) or tracker == "folio_referenced"


def kvm_flushes(name: str, line: Mapping[str, Any]) -> Iterable[Check]:
    """KVM's own counters move with the young entries of a scan that lets it flush, or never."""
    asked = line["kvm_remote_tlb_flush_requests"]
    sent, done = line["kvm_remote_tlb_flush"], line["kvm_tlb_flush"]
    said = f"{name}: KVM was asked for {asked} flushes, sent {sent}, a vCPU did {done}"
    if lets_kvm_flush(line["proof"], int(line["mode"])):
        young = line["secondary_young"]
        # A vCPU that was asked twice before it runs again flushes once.
        ok = asked == young and 0 < sent <= asked and 0 < done <= asked
        wanted, said = str(young), f"{said}, for {young} young entries"
    else:
        wanted, ok = "0", asked == sent == done == 0
    yield judged(f"{name}: KVM's flushes", wanted, str(asked), ok, said)


def dirty_log(line: Mapping[str, Any]) -> Iterable[Check]:
    """The pages that were written, and the one in which the guest counts its turns."""
    written, logged = line["written"], line["logged"]
    name = f"KVM's dirty log, cleared {line['cleared']}, {written} pages written"
    said = (
        f"{name} of {line['pages']} read: {logged} logged with the guest's counter,"
        f" {line['missing']} missing, {line['extra']} too many"
    )
    ok = line["missing"] == line["extra"] == 0 and logged == written + 1
    yield judged(name, f"{written + 1}", str(logged), ok, said)


def first_read(line: Mapping[str, Any]) -> Iterable[Check]:
    """Linux 6.1 and 6.12 log the first read of a page: KVM's new entry for it allows writes."""
    read, logged = line["read"], line["logged"]
    said = (
        f"KVM's dirty log has {logged} of {read} pages that the guest only read, for the first time"
    )
    yield judged("KVM's dirty log, first reads", "all or none", str(logged),
                 logged in (0, read), said)  # fmt: skip


def witness(line: Mapping[str, Any], seen_with_tick: float | None) -> Iterable[Check]:
    """One of the kernel's own programs; `seen_with_tick` is what stock DAMON saw of hot pages."""
    if "why" in line:
        return
    if line["test"] == "dirty_log_perf_test":
        yield _log_witness(line)
    elif (found := _found(line)) is not None:
        yield _access_witness(line, found, seen_with_tick)


def notes(lines: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """A sentence for each part that could not be measured here, and is no fault of the kernel's."""
    said = []
    for line in lines:
        if line["proof"] == "no_vm":
            said.append(f"nothing was measured over a VM: {line['why']}")
        elif line["proof"] == "no_tickless":
            said.append(f"a row over a VM has the tick beside: {line['why']}")
        elif line["proof"] == "witness" and "why" in line:
            said.append(f"{_program(line)} is no witness here: {line['why']}")
    return tuple(dict.fromkeys(said))


def _program(line: Mapping[str, Any]) -> str:
    return f"{line['test']} {line['option']}".strip()


def _found(line: Mapping[str, Any]) -> float | None:
    """Of the pages that were marked idle after an access, those found accessed; None: not told."""
    pages, told = line["pages"], line["still_idle"]
    marked = pages * line["marks"]
    if marked and "secondary_young" in line:
        return float(line["secondary_young"] / marked)
    return 1 - sum(told) / (pages * len(told)) if pages and told else None


def _access_witness(line: Mapping[str, Any], found: float, seen_with_tick: float | None) -> Check:
    """It enters the VM anew for each of its rounds, which under emulation flushes the TLB."""
    said = (
        f"the kernel's own {_program(line)} found {found:.1%} of {line['pages']} pages accessed,"
        " which it marked idle between two runs of the VM"
    )
    ok, wanted = found >= _FOUND_AT_LEAST, f">= {_FOUND_AT_LEAST:.0%}"
    if seen_with_tick is not None:
        agrees = abs(found - seen_with_tick) <= _APART_AT_MOST
        said += (
            f"; {'it agrees' if agrees else 'it does not agree'} with ours, {seen_with_tick:.1%}"
        )
        said += " where the tick ends each run"
        ok, wanted = ok and agrees, f"about {seen_with_tick:.0%}"
    return judged(f"witness {_program(line)}", wanted, f"{found:.1%}", ok, said)


def _log_witness(line: Mapping[str, Any]) -> Check:
    pages, logged = line["pages"], line["logged"]
    found = ", ".join(map(str, logged)) or "no"
    ok = pages > 0 and len(logged) >= 2 and set(logged) == {pages}
    said = (
        f"the kernel's own {_program(line)} has {found} pages in its logs and wrote {pages} each"
        f" time; {'it agrees' if ok else 'it does not agree'} with ours that the log is exact"
    )
    return judged(f"witness {_program(line)}", f"{pages} each time", found, ok, said)
