"""Whether a run did what its arm is called: it flushed, and moved no page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# What the names of a guest's counters begin with, in a sweep whose workload is in one.
GUEST = "guest."
KVM_FLUSHES = ("kvm.remote_tlb_flush", "kvm.tlb_flush")
# A tracker's scan in the patched kernel's counters (docs/kernel.md).
_SCANS = {
    "damon": "damon",
    "idlepage": "page_idle",
    "folio-referenced": "folio_referenced",
    "reclaim": "folio_referenced",
}
_MOVED = {
    "vmstat.numa_pages_migrated": "pages were migrated by NUMA balancing",
    "vmstat.pgpromote_success": "pages were promoted",
    "vmstat.pgdemote_kswapd": "pages were demoted by kswapd",
    "vmstat.pgdemote_direct": "pages were demoted by direct reclaim",
    "vmstat.pgdemote_khugepaged": "pages were demoted by khugepaged",
    "vmstat.pgdemote_proactive": "pages were demoted by proactive reclaim",
    "swap": "pages were swapped",
}
_MOVED_IN_GUEST = {
    GUEST + name: what.replace("pages", "pages of the guest", 1) for name, what in _MOVED.items()
}


def run_errors(
    tracker: str,
    settings: Mapping[str, Any],
    moves_pages: bool,
    deltas: Mapping[str, int],
    scope: str,
    in_guest: bool,
) -> tuple[str, ...]:
    """Why this run is no result; empty when it is one. `deltas`: growth of counters in the run.

    An arm that is called flush must have flushed, by the kernel's own count and (where the kernel
    keeps it) by /proc/vmstat; a stock arm must not have. A tracker that only collects must not have
    moved pages: their time would be in its cost. `in_guest`: the workload was in a guest, whose
    counters begin with "guest."; `scope` says where the tracker ran then.
    """
    found = []
    flush = settings.get("flush")
    scan = _SCANS.get(tracker)
    if flush == "stock":
        counted = deltas.get(f"{_kernel(scope)}{scan}_flush_primary") if scan else None
        if counted:
            found.append(f"flush: stock, but the kernel counted {counted} flushes of this scan")
    elif flush is not None:
        found += _not_flushed(flush, scan, deltas, scope)
    if not moves_pages:
        found += [
            f"{deltas[name]} {what} in a run that should only collect"
            # Of 100,000 runs: a guest's counters are asked for where there is a guest.
            for moved in ((_MOVED, _MOVED_IN_GUEST) if in_guest else (_MOVED,))
            for name, what in moved.items()
            if deltas.get(name)
        ]
    return tuple(found)


def _kernel(scope: str) -> str:
    """What the names of the patched kernel's counters begin with: that kernel did the scan."""
    return GUEST + "hotkit." if scope == "guest" else "hotkit."


def _not_flushed(
    flush: str, scan: str | None, deltas: Mapping[str, int], scope: str
) -> Iterator[str]:
    """What an arm called flush did not do."""

    def of(name: str) -> int | None:
        return deltas.get(f"{_kernel(scope)}{scan}_{name}") if scan else None

    # A guest's accesses set no A bit in the page tables of the VM's process, so that a scan of the
    # host may find none set, and nothing to flush: it is blind there, and is what it is called.
    nothing_young = scope == "host" and flush != "always" and of("entries_young") == 0
    flushed = of("flush_primary")
    if not flushed and not nothing_young:
        yield f"flush: {flush}, but the kernel's counter of this scan's flushes did not move"
    nr_tlb = (GUEST if scope == "guest" else "") + "vmstat.nr_tlb_"
    sent = [value for name, value in deltas.items() if name.startswith(nr_tlb)]
    if sent and not any(sent) and not nothing_young:
        yield f"flush: {flush}, but no nr_tlb_* of /proc/vmstat moved"
    if scope != "host" or not flush.endswith("+secondary"):
        return
    if not of("flush_secondary"):
        yield f"flush: {flush}, but the kernel's counter of flushes asked of KVM did not move"
    # KVM may be asked to flush and leave it out (KVM_ELIDE_TLB_FLUSH_IF_YOUNG, Linux 6.13).
    sent = [deltas[name] for name in KVM_FLUSHES if name in deltas]
    if of("secondary_young") and sent and not any(sent):
        yield f"flush: {flush}, but KVM counted no flush of the VM's TLBs"
