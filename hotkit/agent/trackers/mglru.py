"""MGLRU aging: walks page tables and moves what was accessed to a young generation.

Triggered through debugfs lru_gen ("+ memcg node max_gen can_swap force_scan",
Documentation/admin-guide/mm/multigen_lru.rst). Aging clears A bits and flushes no TLB (mm/vmscan.c,
walk_pte_range), so it is as blind as stock DAMON to what stays in a TLB. The kernel shows how many
pages each generation has, not which: there is no heat per page.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hotkit.agent.access import no_debugfs, no_memory_cgroup, reachable, refused
from hotkit.agent.cgroup import ROOT
from hotkit.agent.heat import HeatRange
from hotkit.agent.lru_gen import Lruvec, parse_lru_gen
from hotkit.agent.protocol import AgentError
from hotkit.agent.trackers.base import Probe, Setting, Settings, Target
from hotkit.agent.trackers.scanner import Scanner

ENABLED = Path("/sys/kernel/mm/lru_gen/enabled")
DEBUG = Path("/sys/kernel/debug/lru_gen")


class Mglru(Scanner):
    """Ages the workload's memcg, on every node that it has pages on, from a thread of the agent."""

    name = "mglru"
    how = "ages the multi-gen LRU: page table walks that test and clear A bits"
    units = {"examined": "page of the memcg, per aging", "positive": "page in a young generation"}
    settings = {
        "interval_ms": Setting(200, "ms between two agings", least=1),
        "force_scan": Setting(
            True, "walk all page tables, also those without a young bloom filter"
        ),
    }

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._path = ""

    def probe(self, settings: Settings) -> Probe:
        if not ENABLED.exists():
            return Probe(
                False, f"there is no {ENABLED}", "a kernel of 6.1 or later with CONFIG_LRU_GEN=y"
            )
        why = refused(ENABLED, os.O_RDWR) or no_memory_cgroup() or no_debugfs()
        if why is None and not reachable(DEBUG):
            why = (f"there is no {DEBUG}", "a kernel of 6.1 or later with CONFIG_LRU_GEN=y")
        why = why or refused(DEBUG, os.O_RDWR)
        return Probe(False, *why) if why else Probe(True)

    def prepare(self, target: Target, settings: Settings) -> None:
        if not target["cgroup"]:
            raise AgentError("the workload has no memory cgroup")
        self._path = "/" + str(Path(target["cgroup"]).relative_to(ROOT))
        self._force = int(settings["force_scan"])
        self.undo.write(str(ENABLED), "7")
        if not self._lruvecs():
            raise AgentError(f"{DEBUG} does not have {self._path}")

    def release(self) -> None:
        pass

    def look(self) -> None:
        """One aging; the two youngest generations then hold what the last two walks found."""
        for lruvec in self._lruvecs():
            newest = lruvec.generations[-1].number
            order = f"+ {lruvec.memcg_id} {lruvec.node} {newest} 1 {self._force}\n"
            with DEBUG.open("w") as stream:
                stream.write(order)
        for lruvec in self._lruvecs():
            pages = [generation.anon for generation in lruvec.generations]
            self.count.examined += sum(pages)
            self.count.positive += sum(pages[-2:])

    def hot(self) -> list[HeatRange]:
        return []

    def _lruvecs(self) -> list[Lruvec]:
        found, damaged = parse_lru_gen(DEBUG.read_text())
        if damaged:
            self.count.extra["lines_damaged"] = self.count.extra.get("lines_damaged", 0) + damaged
        return [
            item
            for item in found
            if item.path == self._path and any(g.anon for g in item.generations)
        ]
