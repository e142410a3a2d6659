"""How much of a node's RAM a booted kernel still hands out: the stated model behind "managed".

MemTotal of a node = System RAM - struct pages - what boot code keeps for good. Struct pages are
exact; the rest is a stated allowance with a stated doubt, taken from the capture of a two-socket
machine with 144 CPUs (144 MiB on node 0, 28 MiB on node 1) and from the same layout booted in QEMU
with 4 CPUs (67 and 35 MiB), both Linux 6.x.
"""

from __future__ import annotations

from hotkit.core.layout import Layout
from hotkit.core.ranges import Range, RangeSet, align_down, align_up
from hotkit.core.units import KIB, MIB, PAGE_BYTES

SECTION_BYTES = 128 * MIB  # SECTION_SIZE_BITS 27, arch/x86/include/asm/sparsemem.h
STRUCT_PAGE_BYTES = 64
SECTION_COST_BYTES = SECTION_BYTES // PAGE_BYTES * STRUCT_PAGE_BYTES  # 2 MiB

# The node with the low memory carries the kernel's image, 64 MiB of swiotlb and per-CPU areas of
# every possible CPU; any node may be handed early hash tables, page tables and its own NODE_DATA.
LOW_NODE_BYTES = 64 * MIB
PER_CPU_BYTES = 512 * KIB
OTHER_NODE_BYTES = 32 * MIB
LOW_NODE_DOUBT_BYTES = 192 * MIB
OTHER_NODE_DOUBT_BYTES = 96 * MIB


def struct_pages_bytes(ram: RangeSet) -> int:
    """What the memory map of `ram` costs: 64 bytes a page in every 128 MiB section it touches.

    mm/sparse.c memblocks_present() and mm/sparse-vmemmap.c populate whole sections, holes too.
    """
    touched = RangeSet.of(
        Range(align_down(item.start, SECTION_BYTES), align_up(item.end, SECTION_BYTES))
        for item in ram
    )
    return touched.size_bytes // SECTION_BYTES * SECTION_COST_BYTES


def memtotal_estimate(ram: RangeSet, *, low_node: bool, cpus_possible: int) -> int:
    """The likely MemTotal of a node that has `ram`; 0 for a node without RAM."""
    taken = LOW_NODE_BYTES + cpus_possible * PER_CPU_BYTES if low_node else OTHER_NODE_BYTES
    return max(0, ram.size_bytes - struct_pages_bytes(ram) - taken)


def memtotal_bounds(ram: RangeSet, *, low_node: bool, cpus_possible: int) -> tuple[int, int]:
    """Between what a node's MemTotal must lie, in bytes, when /proc/iomem shows `ram` there.

    The upper end allows nothing but struct pages of sections that the node has to itself; the
    lower end is the estimate minus the doubt.
    """
    doubt = LOW_NODE_DOUBT_BYTES if low_node else OTHER_NODE_DOUBT_BYTES
    estimate = memtotal_estimate(ram, low_node=low_node, cpus_possible=cpus_possible)
    # The first and the last section may be shared with, and paid by, a neighbour node.
    shared = 2 * SECTION_COST_BYTES
    high = ram.size_bytes - max(0, struct_pages_bytes(ram) - shared)
    return max(0, estimate - doubt), high


def layout_memtotal_bounds(layout: Layout, cpus_possible: int) -> dict[int, tuple[int, int]]:
    """`memtotal_bounds` for every node of a layout that keeps RAM."""
    kept = {plan.node: plan.predicted for plan in layout.nodes if plan.predicted}
    first = {node: ram.ranges[0].start for node, ram in kept.items()}
    return {
        node: memtotal_bounds(
            ram, low_node=first[node] == min(first.values()), cpus_possible=cpus_possible
        )
        for node, ram in kept.items()
    }


def present_for_managed(wanted_bytes: int, *, low_node: bool, cpus_possible: int) -> int:
    """How much System RAM to keep so that MemTotal is likely `wanted_bytes`: the model inverted."""
    taken = LOW_NODE_BYTES + cpus_possible * PER_CPU_BYTES if low_node else OTHER_NODE_BYTES
    need = wanted_bytes + taken
    # present - present/64 = need, and sections are paid whole.
    return align_up(need * 64 // 63, MIB) + SECTION_COST_BYTES
