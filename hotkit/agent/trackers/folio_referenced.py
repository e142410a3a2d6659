"""folio_referenced(): reclaim's question "accessed since the last look?", and with it TPP's.

Asked through the patched kernel's trigger (hotkit/folio_referenced_scan, docs/kernel.md), which
goes over the LRU lists of a node or a memcg and reclaims nothing. Waking kswapd is no trigger: it
returns from a balanced node before it looks at a page. On x86 ptep_clear_flush_young() does not
flush (arch/x86/mm/pgtable.c), so `flush: stock` is blind to base pages that stay in the TLB.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hotkit.agent.access import no_memory_cgroup, refused
from hotkit.agent.cgroup import ROOT
from hotkit.agent.counters import HOTKIT
from hotkit.agent.protocol import AgentError
from hotkit.agent.samples import Samples
from hotkit.agent.trackers.base import Probe, Setting, Settings, Target
from hotkit.agent.trackers.flush import FLUSH, kernel_counts, no_hotkit, set_mode, why_not
from hotkit.agent.trackers.scanned import Scanned

LRU_GEN = Path("/sys/kernel/mm/lru_gen/enabled")


class FolioReferenced(Scanned):
    """Triggers a scan at a fixed interval; the scan runs in the process that asks for it."""

    name = "folio-referenced"
    how = "reclaim's walk over the LRU lists (TPP's), which tests and clears A bits by the rmap"
    units = {"examined": "folio asked about", "positive": "folio referenced"}
    settings = {
        "interval_ms": Setting(200, "ms between two scans", least=1),
        "of": Setting(
            "cgroup", "the workload's cgroup, or all of node `node`", choices=("cgroup", "node")
        ),
        "node": Setting(0, "the node of `of: node`", least=0),
        "flush": FLUSH,
    }

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._before: dict[str, int] = {}
        self._after: dict[str, int] = {}

    def probe(self, settings: Settings) -> Probe:
        missing = no_hotkit("the trigger", Path(HOTKIT + "folio_referenced_scan"))
        if missing:
            return missing
        why = no_memory_cgroup() if settings["of"] == "cgroup" else None
        if why:
            return Probe(False, why[0], "of: node, or " + why[1])
        why = refused(LRU_GEN, os.O_RDWR) if LRU_GEN.exists() else None
        if why:
            return Probe(False, *why)
        return why_not("folio_referenced", settings) or Probe(True)

    def start(self, target: Target, settings: Settings) -> None:
        if LRU_GEN.exists():
            # There folio_referenced() clears the bits of a page's neighbours too: EBUSY.
            self.undo.write(str(LRU_GEN), "0")
        set_mode(self.undo, "folio_referenced", settings)
        request = f"node {settings['node']}"
        if settings["of"] == "cgroup":
            if not target["cgroup"]:
                raise AgentError("the workload has no memory cgroup", "of: node")
            request = f"memcg /{Path(target['cgroup']).relative_to(ROOT)}"
        self._before = kernel_counts("folio_referenced")
        self.start_scan("folio", target, settings, "--request", request)

    def stop(self) -> None:
        super().stop()
        self._after = self._after or kernel_counts("folio_referenced")

    def samples(self) -> Samples:
        """What the kernel counted: all folios of the cgroup or node, not of the workload alone.

        The first scan only clears; it is in the counts as well.
        """
        count = super().samples()
        for name in ("samples", "samples_positive"):
            delta = self._after.get(name, 0) - self._before.get(name, 0)
            setattr(count, "examined" if name == "samples" else "positive", delta)
        return count
