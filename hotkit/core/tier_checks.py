"""The checks about tiers: PMEM that is RAM of a node, distance, memory tier, demotion."""

from __future__ import annotations

from collections.abc import Iterator

from hotkit.core.check import Check, judged, unknown
from hotkit.core.layout import Layout, SlowPmem
from hotkit.core.observed import Observed
from hotkit.core.pmem import online_bytes, struct_page_bytes
from hotkit.core.ranges import RangeSet
from hotkit.core.units import format_size


def tier_checks(layout: Layout, observed: Observed) -> Iterator[Check]:
    """What a layout with two tiers promises of its slow one."""
    if layout.slow_pmem is not None:
        yield check_slow_pmem(layout.slow_pmem, observed)
    if len(layout.tiers) == 2:
        yield check_distance(layout, observed)
        yield check_tier(layout, observed)


def check_slow_pmem(slow: SlowPmem, observed: Observed) -> Check:
    """The wanted part of the PMEM is online as RAM of its node, to the memory block, and no more.

    MemTotal is all of it; with memmap_on_memory the struct pages (1/64) are taken from it.
    """
    name = f"pmem-node{slow.node}"
    if not observed.block_bytes:
        return unknown(name, "PMEM online as RAM", "not shown", "The kernel shows no blocks.")
    wanted = online_bytes(slow.range, slow.wanted_bytes, observed.block_bytes)
    expected = f"{_in_blocks(wanted, observed)} of {slow.range} online as RAM"
    whole = RangeSet((slow.range,))
    devices = [
        item
        for item in observed.dax
        if item.driver == "kmem" and RangeSet((item.range,)).intersect(whole)
    ]
    online = sum(item.online_bytes for item in devices)
    state = observed.node(slow.node)
    memtotal = state.memtotal_bytes if state else None
    found = f"{_in_blocks(online, observed)} online"
    if memtotal is not None:
        found += f", MemTotal of node {slow.node} {format_size(memtotal)}"
    stray = observed.hotplugged_ram.subtract(whole)
    if not devices:
        return judged(name, expected, found, False, "None of this PMEM is used as RAM.")
    if any(item.node != slow.node for item in devices):
        where = ", ".join(f"{item.name} on node {item.node}" for item in devices)
        return judged(name, expected, where, False, "The kernel made it RAM of another node.")
    if stray:
        sentence = f"RAM was added at {stray.ranges[0]}, too."
        return judged(name, expected, found, False, sentence)
    if online != wanted:
        side = "more than" if online > wanted else "less than"
        return judged(name, expected, found, False, f"That is {side} the profile asks for.")
    if memtotal is None:
        return unknown(name, expected, found, "The node's meminfo could not be read.")
    ok = wanted - struct_page_bytes(wanted) <= memtotal <= wanted
    sentence = "The slow tier is there, to the memory block." if ok else "Its MemTotal is another."
    return judged(name, expected, found, ok, sentence)


def check_distance(layout: Layout, observed: Observed) -> Check:
    """From the fast to the slow node it is as far as the firmware's SLIT says."""
    fast, slow = layout.tiers
    name = f"distance-node{slow}"
    found = observed.distance(fast, slow)
    expected = f"{layout.distance or 'any'} from node {fast}"
    if not layout.distance:
        shown = "not shown" if found is None else str(found)
        return judged(name, expected, shown, True, "The firmware names no distances.")
    if found is None:
        return unknown(name, expected, "not shown", f"Node {slow} is not online.")
    ok = layout.distance == found
    sentence = "As the firmware says." if ok else "The kernel uses another distance."
    return judged(name, expected, str(found), ok, sentence)


def check_tier(layout: Layout, observed: Observed) -> Check:
    """Which memory tier the kernel has put the slow node into, and whether it demotes.

    PMEM must be in a slower tier than the fast node. A CPU-less DRAM node is in the fast node's own
    tier on stock kernels (Linux 6.1, mm/memory-tiers.c): no promise, so it is told, not judged.
    """
    fast, slow = layout.tiers
    name = f"tier-node{slow}"
    is_pmem = layout.slow_pmem is not None
    expected = f"slower than node {fast}'s" if is_pmem else "any"
    if not observed.tiers:
        return judged(name, expected, "none", True, "This kernel has no memory tiers.")
    ours, theirs = observed.tier_of(slow), observed.tier_of(fast)
    if ours is None or theirs is None:
        without = slow if ours is None else fast
        return judged(name, expected, "none", not is_pmem, f"Node {without} is in no memory tier.")
    found = f"memory_tier{ours}, node {fast} in memory_tier{theirs}"
    if observed.demotion is not None:
        found += f"; demotion {'on' if observed.demotion else 'off'}"
    if ours > theirs:
        sentence = "A slower tier: pages are demoted to it where demotion is on."
    else:
        sentence = "No slower tier: the kernel demotes nothing to it."
    return judged(name, expected, found, ours > theirs or not is_pmem, sentence)


def _in_blocks(size_bytes: int, observed: Observed) -> str:
    count = size_bytes // observed.block_bytes
    return f"{format_size(size_bytes)} ({count} blocks of {format_size(observed.block_bytes)})"
