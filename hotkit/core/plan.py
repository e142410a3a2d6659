"""Planning: a topology and a profile become a layout, proven on the kernel's own arithmetic.

The lowest addresses of each node are kept (the kernel, DMA and firmware need low memory); what lies
behind the cut is reserved up to the end of the node's RAM. Reserved are RAM and, where that saves a
region, holes that the firmware itself claims (reserved, ACPI: reserving them again changes
nothing). Address space that nobody claims is never covered: PCI bridges and hot-plug live there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hotkit.core import cmdline, memmap
from hotkit.core.e820 import E820Type
from hotkit.core.footprint import present_for_managed
from hotkit.core.layout import Layout, NodePlan, SlowPmem
from hotkit.core.plan_error import PlanError
from hotkit.core.plan_pmem import distance_to, pmem_node, slow_pmem
from hotkit.core.profile import Profile
from hotkit.core.ranges import Range, RangeSet, align_up
from hotkit.core.savings import save_arguments
from hotkit.core.topology import Topology
from hotkit.core.units import MIB, format_size, kernel_size

# Below this the kernel, loaded at 16 MiB, and its initrd do not fit.
LOWEST_NODE_MIN_BYTES = 64 * MIB
# Firmware types that `$` may lie over: the higher type wins, and none of them is storage.
CLAIMED = (E820Type.RESERVED, E820Type.ACPI, E820Type.NVS, E820Type.UNUSABLE)
_ARCHES = ("x86_64", "i686", "i586", "i386", "amd64")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """One node's part: kept below the ranges, reserved in them."""

    reserved: tuple[Range, ...]
    wanted_bytes: int | None
    role: str


def plan(topology: Topology, profile: Profile) -> Layout:
    """The layout that gives `profile` on `topology`. Raises PlanError when that cannot be.

    What is predicted per node does not come from the cuts computed here but from running the
    command line through the model of the kernel's parser on the firmware's map; the two must agree.
    """
    refuse_without_memmap(topology)
    stock = memmap.stock_ram(topology.firmware)
    if not stock:
        raise PlanError(f"{topology.name} has no RAM in its firmware map")
    roles = _roles(topology, profile)
    cpus = _cpus(topology, profile)
    cuts = {
        node: _cut(topology, profile, node, role, stock) for node, role in sorted(roles.items())
    }
    taken = RangeSet.of(item for cut in cuts.values() for item in cut.reserved)
    pmem = slow_pmem(topology, profile, stock, stock.subtract(taken))
    if pmem and pmem.emulated:
        cut = cuts[pmem.node]
        cuts[pmem.node] = replace(cut, reserved=_without(cut.reserved, pmem.range))
    args = _args(profile, cuts, pmem, stock)
    outcome = memmap.apply(topology.firmware, args)
    if outcome.panic:
        raise PlanError(f"the planned command line would not boot: {outcome.panic}")
    nodes = tuple(
        NodePlan(
            node=node,
            role=cut.role,
            wanted_bytes=cut.wanted_bytes,
            present_bytes=topology.node_ram(node).size_bytes,
            reserved=cut.reserved,
            predicted=outcome.system_ram.intersect(topology.span(node)),
        )
        for node, cut in cuts.items()
    )
    _agree(topology, stock, nodes, pmem)
    _reachable(topology, nodes)
    tiers = _tier_nodes(profile, pmem)
    return Layout(
        profile=profile.name,
        topology=topology.name,
        style=profile.style,
        size_means=profile.size_means,
        args=args,
        nodes=nodes,
        cpus=cpus,
        pmem=tuple((node, item) for node in topology.nodes for item in topology.pmem(node)),
        slow_pmem=pmem,
        tiers=tiers,
        distance=distance_to(topology, profile, tiers[-1]),
    )


def refuse_without_memmap(topology: Topology) -> None:
    """Raise PlanError, naming the architecture, where the kernel has no memmap= of this kind."""
    if topology.arch not in _ARCHES:
        raise PlanError(
            f"{topology.name} is {topology.arch}: its kernel has no memmap= that reserves ranges",
            "layouts work on x86_64 only; elsewhere try mem= or the lab machine",
        )


def _roles(topology: Topology, profile: Profile) -> dict[int, str]:
    roles = dict.fromkeys(topology.nodes, "off")
    known = ", ".join(map(str, topology.nodes))
    for name, tier in (("fast", profile.fast), ("slow", profile.slow)):
        if tier is None:
            continue
        node = tier.node if tier.in_dram else pmem_node(topology, profile)
        assert node is not None
        if node not in roles:
            raise PlanError(
                f"{profile.name} wants its {name} tier on node {node}, "
                f"{topology.name} has nodes {known}",
                key=f"{name}.node",
            )
        if tier.in_dram and not topology.node_ram(node):
            what = "PMEM only: write pmem: true" if topology.pmem(node) else "no RAM"
            raise PlanError(
                f"{profile.name} wants its {name} tier on node {node}, which has {what}",
                key=f"{name}.node",
            )
        roles[node] = "pmem" if tier.pmem else name
    for node in topology.nodes:
        if roles[node] == "off" and topology.pmem(node) and not topology.node_ram(node):
            roles[node] = "pmem"
    return roles


def _cpus(topology: Topology, profile: Profile) -> tuple[int, ...]:
    order = topology.cpus
    if not order:
        return tuple(range(profile.cpus or 0))
    count = len(order) if profile.cpus is None else profile.cpus
    if count > len(order):
        raise PlanError(
            f"{profile.name} wants {count} CPUs, {topology.name} has {len(order)}", key="cpus"
        )
    chosen = order[:count]
    fast = profile.fast.node
    strays = [cpu for cpu in chosen if cpu.node != fast]
    if profile.cpus is not None and profile.cpus_on == "fast" and strays:
        there = len(topology.node_cpus(fast)) if fast is not None else 0
        raise PlanError(
            f"of the first {count} CPUs that {topology.name} brings up, CPU {strays[0].number} is "
            f"on node {strays[0].node}, not on the fast node {fast}"
            + (f", which has {there} CPUs in all" if there < count else ""),
            f"{profile.cpu_limit}= counts in the firmware's order; "
            "write cpus_on: any when that is meant",
            key="cpus",
        )
    return tuple(cpu.number for cpu in chosen)


def _cut(topology: Topology, profile: Profile, node: int, role: str, stock: RangeSet) -> _Cut:
    wanted = profile.kept_by_node.get(node)
    span = topology.span(node)
    ram = stock.intersect(span)
    if not wanted:
        nothing = _reserve(topology, profile, ram, span, 0)
        return _Cut(reserved=nothing, wanted_bytes=wanted, role=role)
    measured = span if profile.size_means == "span" else ram
    keep = wanted
    if profile.size_means == "managed":
        low = node == low_node(topology)
        possible = len(topology.cpus)
        if profile.cpu_limit == "nr_cpus" and profile.cpus:
            possible = profile.cpus  # per-CPU memory of the others is not even allocated
        keep = present_for_managed(wanted, low_node=low, cpus_possible=possible)
    if keep > measured.size_bytes:
        meaning = {"present": "of RAM", "span": "of span", "managed": "of RAM"}[profile.size_means]
        more = "" if keep == wanted else f" ({format_size(keep)} before the kernel's own share)"
        raise PlanError(
            f"{profile.name} wants {format_size(wanted)}{more} on node {node}, "
            f"which has {format_size(measured.size_bytes)} {meaning}",
            key=f"{role}.size",
        )
    edge = align_up(_address_of(measured, keep), profile.align_bytes)
    return _Cut(
        reserved=_reserve(topology, profile, ram, span, edge), wanted_bytes=wanted, role=role
    )


def _without(regions: tuple[Range, ...], hole: Range) -> tuple[Range, ...]:
    pieces = (RangeSet((item,)).subtract(RangeSet((hole,))) for item in regions)
    return tuple(piece for item in pieces for piece in item)


def _tier_nodes(profile: Profile, pmem: SlowPmem | None) -> tuple[int, ...]:
    slow = pmem.node if pmem else profile.slow.node if profile.slow else None
    return tuple(node for node in (profile.fast.node, slow) if node is not None)


def _address_of(measured: RangeSet, size_bytes: int) -> int:
    """The address below which `measured` holds exactly `size_bytes`."""
    left = size_bytes
    for item in measured:
        if left <= item.size_bytes:
            return item.start + left
        left -= item.size_bytes
    raise AssertionError("the size was checked before")


def _reserve(
    topology: Topology, profile: Profile, ram: RangeSet, span: RangeSet, edge: int
) -> tuple[Range, ...]:
    """The regions behind `edge`: per SRAT range, RAM joined over holes that firmware claims."""
    behind = RangeSet((Range(edge, 1 << 64),))
    if profile.size_means == "span":
        # The published spelling: from the cut to the end of each range, whatever is in it. A range
        # without any RAM behind the cut needs none.
        return tuple(
            item
            for item in span.intersect(behind)
            if ram.intersect(RangeSet((item,)))
        )  # fmt: skip
    claimed = RangeSet.of(e.range for e in topology.firmware if e.type in CLAIMED)
    storage = RangeSet.of(
        e.range for e in topology.firmware if e.type not in (*CLAIMED, E820Type.RAM)
    )
    coverable = claimed.subtract(storage).union(ram).intersect(span)
    left = ram.intersect(behind)
    regions: list[Range] = []
    for block in coverable.intersect(behind):
        inside = left.intersect(RangeSet((block,)))
        if inside:
            regions.append(Range(inside.ranges[0].start, inside.ranges[-1].end))
    return tuple(regions)


def _args(
    profile: Profile, cuts: dict[int, _Cut], pmem: SlowPmem | None, stock: RangeSet
) -> tuple[str, ...]:
    args: list[str] = []
    if profile.cpus is not None:
        args.append(f"{profile.cpu_limit}={profile.cpus}")
    # Touching regions of neighbour nodes become one: KASLR steps around four at most.
    regions = RangeSet.of(item for cut in cuts.values() for item in cut.reserved)
    spelled = [spell(item, profile.style) for item in regions]
    kept = stock.subtract(regions)
    if pmem and pmem.emulated:
        kept = kept.subtract(RangeSet((pmem.range,)))
        spelled.append(spell(pmem.range, profile.style, pmem=True))
    if spelled:
        args.append("memmap=" + ",".join(spelled))
        if not profile.keep_kaslr:
            args.append("nokaslr")
    args.extend(save_arguments(profile.save, profile.mask_units, kept.size_bytes))
    args.extend(profile.extra)
    length = len(cmdline.render(args))
    if length > cmdline.MAX_LENGTH:
        raise PlanError(
            f"{profile.name} needs a command line of {length} characters, "
            f"the kernel reads {cmdline.MAX_LENGTH}"
        )
    return tuple(args)


def spell(region: Range, style: str, *, pmem: bool = False) -> str:
    """One region in either spelling: `1G$4G` adds a reserved entry, `1G%4G-1+2` converts RAM.

    With `pmem` it becomes legacy PMEM: `1G!4G`, or `1G%4G-1+12`.
    """
    size, start = kernel_size(region.size_bytes), kernel_size(region.start)
    if style == "$":
        return f"{size}{'!' if pmem else '$'}{start}"
    return f"{size}%{start}-1+{int(E820Type.PRAM if pmem else E820Type.RESERVED)}"


def low_node(topology: Topology) -> int | None:
    """The node that owns the lowest RAM: the kernel cannot live without it."""
    lowest = RangeSet(memmap.stock_ram(topology.firmware).ranges[:1])
    for node in topology.nodes:
        if lowest.intersect(topology.span(node)):
            return node
    return None


def _reachable(topology: Topology, nodes: tuple[NodePlan, ...]) -> None:
    low = low_node(topology)
    for item in nodes:
        if item.node != low:
            continue
        if item.role not in ("fast", "slow"):
            raise PlanError(
                f"node {item.node} holds the lowest memory, where the kernel lives: "
                "the profile must keep some of it",
                f"give node {item.node} to the fast or to the slow tier",
            )
        if item.kept_bytes < LOWEST_NODE_MIN_BYTES:
            raise PlanError(
                f"{format_size(item.kept_bytes)} on node {item.node} hold no kernel: "
                f"keep at least {format_size(LOWEST_NODE_MIN_BYTES)} of the lowest memory"
            )


def _agree(
    topology: Topology, stock: RangeSet, nodes: tuple[NodePlan, ...], pmem: SlowPmem | None
) -> None:
    """What was cut and what the kernel's parser makes of it must be the same, to the byte."""
    taken = (pmem.range,) if pmem and pmem.emulated else ()
    for item in nodes:
        cut = RangeSet.of((*item.reserved, *taken))
        meant = stock.intersect(topology.span(item.node)).subtract(cut)
        if meant != item.predicted:
            raise PlanError(
                f"node {item.node} of {topology.name}: the plan keeps "
                f"{format_size(meant.size_bytes)}, the kernel's parser leaves "
                f"{format_size(item.kept_bytes)}",
                "do the ranges of two nodes overlap in its SRAT? else this is a bug in hotkit",
            )
