"""Whether a run did what its arm is called: it flushed, and moved no page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def run_errors(
    tracker: str, settings: Mapping[str, Any], moves_pages: bool, deltas: Mapping[str, int]
) -> tuple[str, ...]:
    """Why this run is no result; empty when it is one. `deltas`: growth of counters in the run.

    An arm that is called flush must have flushed, by the kernel's own count and (where the kernel
    keeps it) by /proc/vmstat; a stock arm must not have. A tracker that only collects must not have
    moved pages: their time would be in its cost.
    """
    found = []
    flush = settings.get("flush")
    scan = _SCANS.get(tracker)
    counted = deltas.get(f"hotkit.{scan}_flush_primary") if scan else None
    if flush == "stock" and counted:
        found.append(f"flush: stock, but the kernel counted {counted} flushes of this scan")
    elif flush not in (None, "stock"):
        if not counted:
            found.append(
                f"flush: {flush}, but the kernel's counter of this scan's flushes did not move"
            )
        sent = [value for name, value in deltas.items() if name.startswith("vmstat.nr_tlb_")]
        if sent and not any(sent):
            found.append(f"flush: {flush}, but no nr_tlb_* of /proc/vmstat moved")
    if not moves_pages:
        found += [
            f"{deltas[name]} {what} in a run that should only collect"
            for name, what in _MOVED.items()
            if deltas.get(name)
        ]
    return tuple(found)
