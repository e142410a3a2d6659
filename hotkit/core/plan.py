"""Planning: a topology and a profile become a layout, proven on the kernel's own arithmetic.

The lowest addresses of each node are kept (the kernel, DMA and firmware need low memory); what lies
behind the cut is reserved up to the end of the node's RAM. Reserved are RAM and, where that saves a
region, holes that the firmware itself claims (reserved, ACPI: reserving them again changes
nothing). Address space that nobody claims is never covered: PCI bridges and hot-plug live there.
"""

from __future__ import annotations

from dataclasses import dataclass

from hotkit.core import cmdline, memmap
from hotkit.core.e820 import E820Type
from hotkit.core.footprint import present_for_managed
from hotkit.core.layout import Layout, NodePlan
from hotkit.core.profile import Profile
from hotkit.core.ranges import Range, RangeSet, align_up
from hotkit.core.topology import Topology
from hotkit.core.units import MIB, format_size, kernel_size

# Below this the kernel, loaded at 16 MiB, and its initrd do not fit.
LOWEST_NODE_MIN_BYTES = 64 * MIB
# Firmware types that `$` may lie over: the higher type wins, and none of them is storage.
CLAIMED = (E820Type.RESERVED, E820Type.ACPI, E820Type.NVS, E820Type.UNUSABLE)
_ARCHES = ("x86_64", "i686", "i586", "i386", "amd64")


class PlanError(ValueError):
    """A profile that this machine cannot give; the message is one sentence with the reason.

    `key` is the path to the profile's key that asks too much ("slow.node"), if it is one key.
    """

    def __init__(self, message: str, hint: str | None = None, *, key: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.key = key


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
    args = _args(profile, cuts)
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
    _agree(topology, stock, nodes)
    _reachable(topology, nodes)
    return Layout(
        profile=profile.name,
        topology=topology.name,
        style=profile.style,
        size_means=profile.size_means,
        args=args,
        nodes=nodes,
        cpus=cpus,
        pmem=tuple((node, item) for node in topology.nodes for item in topology.pmem(node)),
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
        node = pmem_node(topology, profile) if tier.pmem else tier.node
        assert node is not None
        if node not in roles:
            raise PlanError(
                f"{profile.name} wants its {name} tier on node {node}, "
                f"{topology.name} has nodes {known}",
                key=f"{name}.node",
            )
        if not tier.pmem and not topology.node_ram(node):
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


def pmem_node(topology: Topology, profile: Profile) -> int:
    """The node of the slow tier's PMEM: the one named, else the nearest to the fast node."""
    slow = profile.slow
    fast = profile.fast.node
    candidates = [node for node in topology.nodes if topology.pmem(node) and node != fast]
    if slow is None or not candidates:
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
        chosen = min(candidates, key=lambda node: (_distance(topology, profile, node), node))
    there = topology.pmem(chosen).size_bytes
    if slow.size_bytes and slow.size_bytes > there:
        raise PlanError(
            f"{profile.name} wants {format_size(slow.size_bytes)} of PMEM on node {chosen}, "
            f"which has {format_size(there)}",
            key="slow.size",
        )
    return chosen


def _distance(topology: Topology, profile: Profile, node: int) -> int:
    try:
        row = topology.distances[topology.nodes.index(profile.fast.node or 0)]
        return row[topology.nodes.index(node)] or 255
    except (IndexError, ValueError):
        return 255  # nobody knows the distances: the lowest node number decides


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
    if role == "pmem" and not ram:
        return _Cut(reserved=(), wanted_bytes=None, role=role)
    if role in ("off", "pmem"):
        return _Cut(
            reserved=_reserve(topology, profile, ram, span, 0), wanted_bytes=None, role=role
        )
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


def _args(profile: Profile, cuts: dict[int, _Cut]) -> tuple[str, ...]:
    args: list[str] = []
    if profile.cpus is not None:
        args.append(f"{profile.cpu_limit}={profile.cpus}")
    # Touching regions of neighbour nodes become one: KASLR steps around four at most.
    regions = RangeSet.of(item for cut in cuts.values() for item in cut.reserved)
    if regions:
        args.append("memmap=" + ",".join(spell(item, profile.style) for item in regions))
        if not profile.keep_kaslr:
            args.append("nokaslr")
    args.extend(profile.extra)
    length = len(cmdline.render(args))
    if length > cmdline.MAX_LENGTH:
        raise PlanError(
            f"{profile.name} needs a command line of {length} characters, "
            f"the kernel reads {cmdline.MAX_LENGTH}"
        )
    return tuple(args)


def spell(region: Range, style: str) -> str:
    """One region in either spelling: `1G$4G` adds a reserved entry, `1G%4G-1+2` converts RAM."""
    size, start = kernel_size(region.size_bytes), kernel_size(region.start)
    return f"{size}${start}" if style == "$" else f"{size}%{start}-1+2"


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


def _agree(topology: Topology, stock: RangeSet, nodes: tuple[NodePlan, ...]) -> None:
    """What was cut and what the kernel's parser makes of it must be the same, to the byte."""
    for item in nodes:
        meant = stock.intersect(topology.span(item.node)).subtract(RangeSet.of(item.reserved))
        if meant != item.predicted:
            raise PlanError(
                f"node {item.node} of {topology.name}: the plan keeps "
                f"{format_size(meant.size_bytes)}, the kernel's parser leaves "
                f"{format_size(item.kept_bytes)}",
                "do the ranges of two nodes overlap in its SRAT? else this is a bug in hotkit",
            )
