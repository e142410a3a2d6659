"""PMEM as the slow tier: how much of a range becomes RAM of a node, and what that costs in DRAM.

A namespace in devdax mode begins with its info block; dax/kmem then hot-adds the whole memory
blocks behind it (drivers/nvdimm/pfn_devs.c, drivers/dax/kmem.c, Linux 6.1), of which as many are
put online as the profile asks for. Their struct pages come from DRAM (memmap_on_memory apart).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hotkit.core.footprint import SECTION_BYTES, SECTION_COST_BYTES
from hotkit.core.layout import SlowPmem
from hotkit.core.ranges import Range, align_down, align_up
from hotkit.core.units import GIB, MIB, format_size

# With --map=mem: the info block and its padding, up to where 2 MiB pages can begin.
INFO_BLOCK_BYTES = 2 * MIB
MIN_BLOCK_BYTES = 128 * MIB
MAX_BLOCK_BYTES = 2 * GIB
_SMALL_MACHINE_BYTES = 64 * GIB


def memory_block_bytes(ram_end: int, *, virtual: bool) -> int:
    """The size of a memory block on a kernel whose RAM ends at address `ram_end`.

    probe_memory_block_size() in arch/x86/mm/init_64.c (Linux 6.1): 128 MiB below 64 GiB, 2 GiB on
    metal, else the largest size that the end of RAM is a multiple of.
    """
    if ram_end < _SMALL_MACHINE_BYTES:
        return MIN_BLOCK_BYTES
    size = MAX_BLOCK_BYTES
    while virtual and size > MIN_BLOCK_BYTES and ram_end % size:
        size //= 2
    return size


def room_bytes(where: Range, block_bytes: int) -> int:
    """What of a region `where` can be online as RAM: whole blocks behind the info block."""
    first = align_up(where.start + INFO_BLOCK_BYTES, block_bytes)
    return max(0, align_down(where.end, block_bytes) - first)


def online_bytes(where: Range, wanted_bytes: int | None, block_bytes: int) -> int:
    """How much is to be online: what is wanted (None: all), rounded down to whole blocks."""
    room = room_bytes(where, block_bytes)
    return room if wanted_bytes is None else min(room, align_down(wanted_bytes, block_bytes))


def namespace_bytes(start: int | None, online: int, block_bytes: int, align_bytes: int) -> int:
    """The size of a namespace that holds `online` bytes of whole blocks.

    `start` is the address where it will begin, None when the kernel chooses: then there is room
    for the worst beginning. `align_bytes` is the region's own granularity.
    """
    if start is None:
        return align_up(INFO_BLOCK_BYTES + online + block_bytes, align_bytes)
    first = align_up(start + INFO_BLOCK_BYTES, block_bytes)
    return align_up(first + online - start, align_bytes)


def struct_page_bytes(online: int) -> int:
    """What `online` bytes cost in DRAM: 64 bytes a page (2 MiB per 128 MiB section)."""
    return -(-online // SECTION_BYTES) * SECTION_COST_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A named piece of a region; `alt_name` is the name that its maker gave it."""

    name: str
    size_bytes: int
    mode: str
    alt_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """An NVDIMM region. Without labels one namespace is all of it, whatever it holds."""

    name: str
    range: Range
    largest_free_bytes: int
    align_bytes: int
    labelled: bool
    namespaces: tuple[Namespace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What to do on the machine: a namespace of that size in `region`, that much of it online.

    `namespace_bytes` None: the region's only namespace is taken whole (emulated PMEM).
    """

    region: Region
    namespace_bytes: int | None
    online_bytes: int
    block_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """JSON form; the module hotkit_pmem reads it."""
        return {
            "region": self.region.name,
            "range": [self.region.range.start, self.region.range.end],
            "namespace_bytes": self.namespace_bytes,
            "online_bytes": self.online_bytes,
            "block_bytes": self.block_bytes,
        }


class PmemError(ValueError):
    """Why a machine's PMEM cannot be the slow tier: one sentence, and what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def attachment(
    slow: SlowPmem, regions: Sequence[Region], block_bytes: int, ours: str | None
) -> Attachment:
    """How `slow` is made from the regions of a machine. Raises PmemError.

    Only free space of a region with labels is taken, or the namespace that an earlier call of ours
    made there (`ours`, its alt_name): a namespace of somebody else may hold data.
    """
    inside = [item for item in regions if item.range.intersect(slow.range)]
    if not inside:
        raise PmemError(
            f"no driver shows an NVDIMM region at {slow.range}",
            "modprobe nd_e820, or a kernel with CONFIG_X86_PMEM_LEGACY"
            if slow.emulated
            else "modprobe nfit, and look at what ndctl list -R says",
        )
    online = online_bytes(slow.range, slow.wanted_bytes, block_bytes)
    if slow.emulated:
        return Attachment(
            region=inside[0], namespace_bytes=None, online_bytes=online, block_bytes=block_bytes
        )
    region = max(inside, key=lambda item: (_has(item, ours), item.largest_free_bytes))
    if not region.labelled:
        raise PmemError(
            f"{region.name} has no labels: all of it is one namespace, which may hold data",
            "when it holds none: ndctl disable-region, init-labels and enable-region",
        )
    others = [item for item in region.namespaces if item.alt_name != ours]
    size = namespace_bytes(
        None if others else region.range.start, online, block_bytes, region.align_bytes
    )
    if not _has(region, ours) and region.largest_free_bytes < size:
        taken = ", ".join(
            f"{item.name} ({item.mode}, {format_size(item.size_bytes)})" for item in others
        )
        raise PmemError(
            f"{region.name} has {format_size(region.largest_free_bytes)} free in one piece, "
            f"{format_size(size)} are needed; taken: {taken or 'nobody knows by whom'}",
            "ask for less (slow.size), or free it: hotkit touches no namespace of others",
        )
    return Attachment(
        region=region, namespace_bytes=size, online_bytes=online, block_bytes=block_bytes
    )


def _has(region: Region, ours: str | None) -> bool:
    return ours is not None and any(item.alt_name == ours for item in region.namespaces)
