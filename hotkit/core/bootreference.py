"""What a machine's memory was like once it had booted: the ground that a forecast stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotkit.core.footprint import struct_pages_bytes
from hotkit.core.kernelhashes import early_bytes
from hotkit.core.labels import Label
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.units import GIB, KIB, PAGE_BYTES

FOUR_GIB = 4 * GIB
# Where the log does not say: what one CPU takes of the first chunk ("Embedded 61 pages/cpu", 6.1).
PERCPU_BYTES = 244 * KIB
# struct pglist_data, what each node keeps (NODE_DATA in the boot log: 172 KiB, Linux 6.1).
NODE_DATA_BYTES = 172 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class BootReference:
    """One boot of a machine; every mapping is by node, sizes in bytes.

    `ram` is System RAM (/proc/iomem), `memtotal` and `memfree` are the nodes' own (free on lists
    of CPUs included). `image_at` is the address where the kernel began, None when the source does
    not say, `image_bytes` what it kept; `swiotlb_bytes` the bounce buffers of devices with 32-bit
    addresses, 0 where there are none. `cpu_nodes` maps every possible CPU to its node. Of what is
    used, `reclaimable_bytes` is page cache and reclaimable slab, `programs_bytes` anonymous memory,
    shared memory and huge pages: what a machine that has been up for days may hold for its users.
    `percpu_first_bytes` is one CPU's part of the first per-CPU chunk, `percpu_bytes` meminfo's
    Percpu. `pmem_online_bytes` is PMEM that was RAM. `initrd_bytes` and `initrd_unpacked_bytes` are
    the initramfs of the entry that is to boot, 0 when unknown.
    """

    name: str
    label: Label | None = None
    kernel_release: str = ""
    ram: Mapping[int, RangeSet]
    memtotal: Mapping[int, int]
    memfree: Mapping[int, int]
    image_at: int | None = None
    image_bytes: int = 0
    swiotlb_bytes: int = 0
    cpu_nodes: Mapping[int, int] = field(default_factory=dict)
    cpus_online: int = 1
    reclaimable_bytes: int = 0
    programs_bytes: int = 0
    percpu_first_bytes: int = PERCPU_BYTES
    percpu_bytes: int = 0
    pmem_online_bytes: int = 0
    initrd_bytes: int = 0
    initrd_unpacked_bytes: int = 0
    uptime_s: float = 0.0

    @property
    def used_bytes(self) -> int:
        """What is not free on the nodes that have DRAM; pages on lists of CPUs are free."""
        return sum(self.memtotal[node] - self.memfree[node] for node in self.nodes)

    @property
    def nodes(self) -> tuple[int, ...]:
        """The nodes with DRAM whose sizes are known."""
        known = (node for node in self.ram if node in self.memtotal and node in self.memfree)
        return tuple(sorted(node for node in known if self.ram[node]))

    @property
    def ram_bytes(self) -> int:
        return sum(self.ram[node].size_bytes for node in self.nodes)

    def residual(self, node: int) -> int:
        """What boot code kept of a node beyond what `kept` computes: the same in the next boot."""
        ram = self.ram[node]
        mine = self.image_at is not None and bool(ram.intersect(_page(self.image_at)))
        here = kept(
            ram,
            image=self.image_bytes if mine else 0,
            swiotlb=self.swiotlb_bytes if node == swiotlb_node(self.ram) else 0,
            percpu=self.percpu_first_bytes * sum(n == node for n in self.cpu_nodes.values()),
            early=early_bytes(self.ram_bytes, len(self.nodes)),
        )
        return ram.size_bytes - self.memtotal[node] - here

    @property
    def top_bytes(self) -> int:
        """Of the residual, what lies at the highest RAM, on whatever node that is.

        Boot code that asks for no node gets the highest (mm/memblock.c, top down): section maps,
        page tables. Seen as what the highest node keeps and a node needs not; 0 with one node.
        """
        if len(self.nodes) < 2:
            return 0
        return max(0, self.residual(highest(self.ram)) - NODE_DATA_BYTES)


def _page(address: int) -> RangeSet:
    return RangeSet((Range(address, address + PAGE_BYTES),))


def highest(ram: Mapping[int, RangeSet]) -> int:
    """The node with the highest RAM. Raises ValueError without any."""
    return max((node for node in ram if ram[node]), key=lambda node: ram[node].ranges[-1].end)


def kept(ram: RangeSet, *, image: int, swiotlb: int, percpu: int, early: int) -> int:
    """What boot code keeps of a node's RAM, as far as it can be computed.

    The memory map (mm/sparse.c), the kernel that lies there, bounce buffers (kernel/dma/swiotlb.c),
    the first per-CPU chunk's parts of its CPUs (mm/percpu.c, pcpu_embed_first_chunk()), and, where
    no other node has RAM, large hashes.
    """
    return struct_pages_bytes(ram) + image + swiotlb + percpu + early


def swiotlb_node(ram: Mapping[int, RangeSet]) -> int | None:
    """Where bounce buffers lie: memblock takes the highest RAM below 4 GiB."""
    low = RangeSet((Range(0, FOUR_GIB),))
    tops = {node: item.intersect(low) for node, item in ram.items()}
    known = {node: item.ranges[-1].end for node, item in tops.items() if item}
    return max(known, key=lambda node: known[node], default=None)
