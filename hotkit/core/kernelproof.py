"""What a kernel's proof must show: hot pages unseen in stock mode, seen when the scan flushes.

The denominator is the checks that were taken, never elapsed time: a busy or emulated machine takes
fewer than its intervals promise (research: 40 of 801).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hotkit.core.check import Check, judged

# Of the checks taken. "Nearly": a tick or another process may flush a TLB by chance.
BLIND_AT_MOST = 0.05
SEEN_AT_LEAST = 0.95
# Cold pages that idle page tracking finds not idle at first sit in per-CPU LRU batches.
COLD_AT_MOST = 0.02
SCANS = ("damon", "page_idle", "folio_referenced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One tracker in one mode on one kind of memory. Fractions are of the checks taken."""

    tracker: str
    memory: str
    beside: bool
    mode: int
    checks: int
    hot: float
    cold: float
    flushes: int | None

    @property
    def name(self) -> str:
        beside = ", a second process beside" if self.beside else ""
        return f"{self.tracker} {self.memory} mode {self.mode}{beside}"


def rows(lines: Iterable[Mapping[str, Any]]) -> tuple[Row, ...]:
    """The rows of a proof's lines (kernel/proof); lines of other kinds are left out."""
    found = []
    for line in lines:
        if line["proof"] not in SCANS:
            continue
        hots, checks = int(line["hot_pages"]), int(line["checks"])
        colds = int(line["pages"]) - hots
        found.append(
            Row(
                tracker=f"damon {line['space']}" if line["proof"] == "damon" else line["proof"],
                memory=str(line["memory"]),
                beside=bool(line["beside"]),
                mode=int(line["mode"]),
                checks=checks,
                hot=int(line["hot_seen"]) / (hots * checks) if checks else 0.0,
                cold=int(line["cold_seen"]) / (colds * checks) if checks and colds else 0.0,
                flushes=line.get("flush_primary"),
            )
        )
    return tuple(found)


def judge(lines: Iterable[Mapping[str, Any]], *, patched: bool) -> tuple[Check, ...]:
    """One verdict per row and per single fact. `patched`: the switches must be there."""
    lines = tuple(lines)
    checks = [_row_check(row) for row in rows(lines)]
    for line in lines:
        if line["proof"] == "console":
            found = "; ".join(line["splats"][:3]) or "nothing"
            checks.append(
                judged("console", "nothing", found, not line["splats"],
                       f"the kernel's own checkers found {found}")
            )  # fmt: skip
        elif line["proof"] == "kswapd":
            checks.append(_kswapd(line))
        elif line["proof"] == "damon" and patched:
            checks.append(_witness(line))
        elif line["proof"] == "demotion" and patched:
            share = line["on_node1_after"] / line["pages"]
            checks.append(
                judged("demotion", "90 % of the pages", f"{share:.0%}", share >= 0.9,
                       f"memory.reclaim demoted {share:.0%} of the pages to the CPU-less node")
            )  # fmt: skip
        elif line["proof"] == "promotion" and patched:
            share = line["hot_on_node0"] / line["hot_pages"]
            checks.append(
                judged("promotion", "all hot pages", f"{share:.0%}", share == 1,
                       f"numa_balancing=2 promoted {share:.0%} of the hot pages in"
                       f" {line['seconds']:.1f} s")
            )  # fmt: skip
    return tuple(checks)


def _row_check(row: Row) -> Check:
    said = f"{row.hot:.1%} of {row.checks} checks saw a hot page, {row.cold:.1%} a cold one"
    # What folio_referenced() flushes in stock mode: huge pages. A context switch flushes for all.
    sees = row.mode > 0 or row.beside or row.tracker == "folio_referenced" and row.memory == "thp"
    if row.beside and row.mode == 0:
        wanted, ok = "most hot pages", row.hot > BLIND_AT_MOST
    elif sees:
        wanted, ok = f"hot >= {SEEN_AT_LEAST:.0%}", row.hot >= SEEN_AT_LEAST
    else:
        wanted, ok = f"hot <= {BLIND_AT_MOST:.0%}", row.hot <= BLIND_AT_MOST
    ok = ok and row.cold <= COLD_AT_MOST and row.checks >= 20
    return judged(row.name, wanted, said, ok, f"{row.name}: {said}")


def _witness(line: Mapping[str, Any]) -> Check:
    """damon_samples against a kprobe on the check function: one sample per region and call."""
    counted, witnessed = line["samples"], line["checks"] * line["pages"]
    ok = counted == witnessed
    name = f"samples of damon {line['space']} {line['memory']} mode {line['mode']:g}"
    said = f"{counted} counted, {witnessed} by a kprobe"
    return judged(name, str(witnessed), str(counted), ok, f"{name}: {said}")


def _kswapd(line: Mapping[str, Any]) -> Check:
    ok = line["woken"] > 0 and line["samples"] == 0
    said = f"kswapd woke {line['woken']} times and asked about {line['samples']} folios"
    return judged("kswapd", "woken, asks about nothing", said, ok, said)
