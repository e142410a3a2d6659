"""Planning the slow tier that is PMEM: which node's, where, and whether enough of it can be RAM."""

from __future__ import annotations

from hotkit.core.layout import SlowPmem
from hotkit.core.plan_error import PlanError
from hotkit.core.pmem import memory_block_bytes, online_bytes
from hotkit.core.profile import Profile
from hotkit.core.ranges import Range, RangeSet, align_down, align_up
from hotkit.core.topology import Topology
from hotkit.core.units import format_size

_NO_WAY = 255  # SLIT's word for it


def distance_to(topology: Topology, profile: Profile, node: int) -> int:
    """From the fast node to `node` by SLIT; 0 when the topology does not say, or names no way."""
    try:
        row = topology.distances[topology.nodes.index(profile.fast.node or 0)]
        found = row[topology.nodes.index(node)]
    except (IndexError, ValueError):
        return 0
    return 0 if found == _NO_WAY else found


def pmem_node(topology: Topology, profile: Profile) -> int:
    """The node of the slow tier's PMEM: the one named, else the nearest to the fast node."""
    slow, fast = profile.slow, profile.fast.node
    assert slow is not None
    candidates = [node for node in topology.nodes if topology.pmem(node) and node != fast]
    if not candidates:
        lacks = (
            f"has it on the fast node {fast} only, where it makes no node of its own"
            if fast is not None and topology.pmem(fast)
            else "has no non-volatile range"
        )
        raise PlanError(
            f"{profile.name} wants PMEM as its slow tier, {topology.name} {lacks}", key="slow.pmem"
        )
    if slow.node is not None:
        if slow.node not in candidates:
            raise PlanError(
                f"{profile.name} wants PMEM on node {slow.node}, "
                f"{topology.name} has it on {', '.join(map(str, candidates))}",
                key="slow.node",
            )
        chosen = slow.node
    else:
        # Where nobody knows the distances the lowest node number decides.
        chosen = min(
            candidates, key=lambda node: (distance_to(topology, profile, node) or _NO_WAY, node)
        )
    there = topology.pmem(chosen).size_bytes
    if slow.size_bytes and slow.size_bytes > there:
        raise PlanError(
            f"{profile.name} wants {format_size(slow.size_bytes)} of PMEM on node {chosen}, "
            f"which has {format_size(there)}",
            key="slow.size",
        )
    return chosen


def slow_pmem(
    topology: Topology, profile: Profile, stock: RangeSet, kept: RangeSet
) -> SlowPmem | None:
    """Where the slow tier's PMEM lies; `kept` is what the layout leaves of the `stock` RAM."""
    slow = profile.slow
    if slow is None or not slow.pmem:
        return None
    block = memory_block_bytes(kept.ranges[-1].end if kept else 0, virtual=False)
    if not slow.emulated:
        node = pmem_node(topology, profile)
        where = max(topology.pmem(node), key=lambda item: item.size_bytes)
        _must_fit(profile, where, slow.size_bytes, block)
        return SlowPmem(node=node, range=where, wanted_bytes=slow.size_bytes)
    assert slow.node is not None and slow.size_bytes is not None
    ram = max(stock.intersect(topology.span(slow.node)), key=lambda item: item.size_bytes)
    start = align_up(ram.start, block)
    where = Range(start, start + max(align_down(slow.size_bytes, block), block) + block)
    if where.end > ram.end:
        raise PlanError(
            f"{profile.name} wants {format_size(slow.size_bytes)} of emulated PMEM on node "
            f"{slow.node}: with a memory block of {format_size(block)} for its info block that is "
            f"{format_size(where.size_bytes)} in one piece, and the node has "
            f"{format_size(max(0, ram.end - start))}",
            key="slow.size",
        )
    _must_fit(profile, where, slow.size_bytes, block)
    return SlowPmem(node=slow.node, range=where, wanted_bytes=slow.size_bytes, emulated=True)


def _must_fit(profile: Profile, where: Range, wanted: int | None, block: int) -> None:
    online = online_bytes(where, wanted, block)
    if online and (wanted is None or online == align_down(wanted, block)):
        return
    asked = "all" if wanted is None else format_size(wanted)
    raise PlanError(
        f"{profile.name} wants {asked} of the PMEM at {where} as RAM: of its "
        f"{format_size(where.size_bytes)}, {format_size(online_bytes(where, None, block))} can be, "
        f"in memory blocks of {format_size(block)} behind the info block",
        key="slow.size",
    )
