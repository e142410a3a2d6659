"""The checks about memory: System RAM, MemTotal, numactl and PMEM of each node."""

from __future__ import annotations

from collections.abc import Iterable

from hotkit.core.check import Check, judged, unknown
from hotkit.core.layout import Layout, NodePlan
from hotkit.core.observed import Observed
from hotkit.core.ranges import Range, RangeSet, align_down, align_up
from hotkit.core.units import KIB, MIB, PAGE_BYTES, format_size


def check_system_ram(plan: NodePlan, observed: Observed) -> Check:
    """System RAM inside the node's span, equal to the prediction to the page."""
    name = f"system-ram-node{plan.node}"
    expected = _describe(pages(plan.predicted))
    topology = observed.topology
    if observed.system_ram is None or topology is None:
        why = (
            "the kernel hides the addresses in /proc/iomem from who is not root"
            if observed.system_ram is None
            else "the firmware's SRAT could not be read, so no address belongs to a node"
        )
        return unknown(name, expected, "not shown", f"Not checked: {why}.")
    wanted = pages(plan.predicted)
    here = pages(observed.system_ram.intersect(topology.span(plan.node).union(plan.predicted)))
    missing, extra = wanted.subtract(here), here.subtract(wanted)
    parts = []
    if missing:
        parts.append(f"{format_size(missing.size_bytes)} missing, first at {missing.ranges[0]}")
    if extra:
        parts.append(
            f"{format_size(extra.size_bytes)} more than planned, first at {extra.ranges[0]}"
        )
    sentence = "; ".join(parts) + "." if parts else "Equal to the prediction, to the page."
    return judged(name, expected, _describe(here), not parts, sentence)


def check_no_other_ram(layout: Layout, observed: Observed) -> Check:
    """No RAM outside the plan: none on an unplanned node, none added by a driver later."""
    name, expected = "no-other-ram", "none"
    if observed.system_ram is None:
        return unknown(
            name,
            expected,
            "not shown",
            "Not checked: the kernel hides the addresses in /proc/iomem.",
        )
    known = RangeSet.of(item for plan in layout.nodes for item in plan.predicted)
    if observed.topology is not None:
        for plan in layout.nodes:
            if plans_ram(plan):
                known = known.union(observed.topology.span(plan.node))
    known = known.union(layout.pmem_as_ram)
    added = observed.hotplugged_ram.subtract(layout.pmem_as_ram)
    stray = pages(observed.system_ram.subtract(known).union(added))
    if not stray:
        return judged(name, expected, "none", True, "No RAM appears outside the planned nodes.")
    kind = "a driver turned it into RAM" if added else "no planned node owns it"
    return judged(name, expected, _describe(stray), False, f"RAM at {stray.ranges[0]}: {kind}.")


def check_memtotal(plan: NodePlan, observed: Observed, bounds: tuple[int, int]) -> Check:
    """MemTotal of the node within what the model allows for its System RAM."""
    low, high = bounds
    name = f"memtotal-node{plan.node}"
    expected = f"{_kib(low)} to {_kib(high)} KiB" if high else "0 KiB"
    state = observed.node(plan.node)
    found_bytes = state.memtotal_bytes if state else 0
    if found_bytes is None:
        return unknown(name, expected, "not shown", "The node's meminfo could not be read.")
    found = f"{_kib(found_bytes)} KiB" if state else "node not online"
    if found_bytes < low:
        gap = f"{format_size(low - found_bytes)} below"
    elif found_bytes > high:
        gap = f"{format_size(found_bytes - high)} above"
    else:
        return judged(name, expected, found, True, "Within the model of what the kernel keeps.")
    return judged(name, expected, found, False, f"{gap} what the model allows.")


def check_numactl(layout: Layout, observed: Observed) -> Check:
    """`numactl -H` lists every node that keeps RAM, with its size, and no other node with RAM."""
    wanted = {plan.node for plan in layout.nodes if plan.kept_bytes}
    if layout.slow_pmem is not None:
        wanted.add(layout.slow_pmem.node)
    expected = "RAM on node " + (", ".join(map(str, sorted(wanted))) or "none")
    if observed.numactl_nodes is None:
        return unknown(
            "numactl",
            expected,
            "not run",
            "numactl is not installed on the host: install the package numactl.",
        )
    sizes = {
        item.node: item.numactl_bytes
        for item in observed.nodes
        if item.node in observed.numactl_nodes and item.numactl_bytes is not None
    }
    found = ", ".join(f"node {node} {size // MIB} MB" for node, size in sorted(sizes.items()))
    with_ram = {node for node, size in sizes.items() if size}
    parts = []
    if wanted - with_ram:
        parts.append(f"node {_numbers(wanted - with_ram)} has no RAM")
    if with_ram - wanted:
        parts.append(f"node {_numbers(with_ram - wanted)} has RAM that was not planned")
    totals = {item.node: item.memtotal_bytes for item in observed.nodes}
    for node in sorted(wanted & with_ram):
        size, total = sizes[node], totals[node]
        # numactl prints MemTotal in whole MiB, rounded down (numactl.c: hardware()).
        if total is not None and size != align_down(total, MIB):
            parts.append(f"node {node}: its size is not the node's MemTotal")
    sentence = "; ".join(parts) + "." if parts else "numactl sees the planned nodes."
    return judged("numactl", expected, found or "no node", not parts, sentence)


def check_pmem(node: int, planned: Range, observed: Observed) -> Check:
    """A non-volatile range is still in the firmware's tables, and the kernel uses none as RAM."""
    name = f"pmem-node{node}"
    expected = f"{format_size(planned.size_bytes)} non-volatile {planned}"
    if observed.system_ram is None:
        return unknown(
            name,
            expected,
            "not shown",
            "Not checked: the kernel hides the addresses in /proc/iomem.",
        )
    whole = RangeSet((planned,))
    as_ram = observed.system_ram.union(observed.hotplugged_ram).intersect(whole)
    if as_ram:
        return judged(
            name, expected, f"System RAM at {as_ram.ranges[0]}", False,
            f"{format_size(as_ram.size_bytes)} of PMEM is used as RAM.",
        )  # fmt: skip
    if observed.topology is None:
        return unknown(
            name,
            expected,
            "no RAM there",
            "The firmware's SRAT could not be read: nothing says that the PMEM exists.",
        )
    here = observed.topology.pmem(node)
    if here.intersect(whole) != whole:
        return judged(
            name, expected, _describe(here), False,
            "The firmware does not show this range as non-volatile memory of this node.",
        )  # fmt: skip
    claimed = bool(observed.pmem.intersect(whole))
    found = "there, Persistent Memory in iomem" if claimed else "there, no driver has claimed it"
    return judged(name, expected, found, True, "The PMEM is there and is not used as RAM.")


def plans_ram(plan: NodePlan) -> bool:
    """Whether the node has RAM to plan with: not so a node of PMEM alone."""
    return plan.role != "pmem" or plan.present_bytes > 0


def pages(ranges: RangeSet) -> RangeSet:
    """The whole pages inside `ranges`: what the kernel can hand out."""
    whole = ((align_up(r.start, PAGE_BYTES), align_down(r.end, PAGE_BYTES)) for r in ranges)
    return RangeSet.of(Range(start, end) for start, end in whole if start < end)


def _describe(ranges: RangeSet) -> str:
    if not ranges:
        return "none"
    plural = "range" if len(ranges) == 1 else "ranges"
    count = f"{ranges.size_bytes // PAGE_BYTES} pages in {len(ranges)} {plural}"
    return f"{format_size(ranges.size_bytes)} ({count})"


def _kib(size_bytes: int) -> int:
    return size_bytes // KIB


def _numbers(items: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(items)))
