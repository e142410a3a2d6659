"""vmalloc memory: which areas are RAM, whose, and whether kernel stacks are among them.

An area is address space. RAM are the pages that it says it has (`pages=`); what maps pages of
somebody else, or device registers, takes none (mm/vmalloc.c, Linux 3.10 to 6.18).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hotkit.core.memaccount import Kind, MemoryItem
from hotkit.core.memfacts import MemoryFacts, VmallocArea
from hotkit.core.units import PAGE_BYTES

_SOURCE = "vmallocinfo"
# Who allocates vmapped stacks (kernel/fork.c); which name shows depends on what the compiler put
# into what. Vmapped since 4.9 on x86-64.
STACK_CALLERS = frozenset({
    "alloc_thread_stack_node", "dup_task_struct", "copy_process", "kernel_clone", "_do_fork",
    "fork_idle", "create_io_thread",
})  # fmt: skip
_SCALES = {
    "alloc_large_system_hash": "RAM",
    "stack_depot_init": "RAM, up to 16 MiB",
    "f2fs_build_segment_manager": "the size of the f2fs file system",
    "load_module": "modules",
    "move_module": "modules",
    "drm_fbdev_generic_helper_fb_probe": "the size of the screen",
    "alloc_swap_info": "swap",
    "bpf_jit_alloc_exec": "eBPF programs",
    "bpf_prog_pack_alloc": "eBPF programs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vmalloc:
    """`ram_bytes` is without stacks, in all and per node, as far as it is listed.

    `callers` are its parts, `beside` what is no RAM or is counted elsewhere, `dma_bytes` what maps
    buffers of devices: RAM that no field of meminfo counts.
    """

    ram_bytes: int = 0
    nodes: Mapping[int, int] = field(default_factory=dict)
    stack_bytes: int = 0
    dma_bytes: int = 0
    callers: tuple[MemoryItem, ...] = ()
    beside: tuple[MemoryItem, ...] = ()


def split_vmalloc(facts: MemoryFacts) -> Vmalloc:
    """Sort the areas of a capture; an empty answer when it has none."""
    ram: dict[str, list[VmallocArea]] = defaultdict(list)
    other: dict[str, list[VmallocArea]] = defaultdict(list)
    stack = dma = 0
    for area in facts.vmalloc or ():
        if area.pages is not None and area.caller in STACK_CALLERS:
            stack += area.pages * PAGE_BYTES
        elif area.pages is not None:
            ram[area.caller].append(area)
        elif "dma-coherent" in area.kinds:
            dma += max(0, area.size_bytes - PAGE_BYTES)
        else:
            other[_category(area)].append(area)
    cut = _SOURCE in facts.truncated
    callers = _largest(_caller(name, areas, cut) for name, areas in ram.items())
    return Vmalloc(
        ram_bytes=sum(item.size_bytes for item in callers),
        nodes=_sum_nodes(item.nodes for item in callers),
        stack_bytes=stack,
        dma_bytes=dma,
        callers=callers,
        beside=_largest(_beside(name, areas) for name, areas in other.items()),
    )


def stacks_are_vmapped(facts: MemoryFacts, vmalloc: Vmalloc) -> tuple[bool, str]:
    """Whether VmallocUsed holds the kernel's stacks, and why that is known (or assumed)."""
    if vmalloc.stack_bytes:
        return True, "vmallocinfo lists them"
    if facts.vmalloc and _SOURCE not in facts.truncated:
        return False, "vmallocinfo lists none"
    if "LowTotal" in facts.meminfo:
        return False, "a 32-bit x86 kernel maps them directly"
    return True, "assumed, as on every x86-64 kernel of a distribution (CONFIG_VMAP_STACK)"


def vmalloc_used(facts: MemoryFacts, vmalloc: Vmalloc) -> tuple[int, str | None]:
    """Vmalloc memory in use, stacks among it, and what is odd about the figure.

    VmallocUsed counts pages since 5.3. It is 0 from 4.4 to 5.2, and address space before; Percpu
    (4.19) and KReclaimable (4.20) tell the last kind.
    """
    used = facts.meminfo.get("VmallocUsed", 0)
    listed = vmalloc.ram_bytes + vmalloc.stack_bytes
    new = "Percpu" in facts.meminfo or "KReclaimable" in facts.meminfo
    if used and new:
        return used, None
    if used:
        return listed, "VmallocUsed of this old kernel is address space: vmallocinfo's pages count"
    if listed:
        return listed, "this kernel does not fill VmallocUsed: vmallocinfo's pages count"
    return 0, None


def _category(area: VmallocArea) -> str:
    if "ioremap" in area.kinds:
        return "ioremap"
    if area.caller.startswith("pcpu_"):
        return "mappings of per-CPU areas"
    if "shmem" in area.caller:
        return "mappings of shared memory"
    if "vmap" in area.kinds or area.caller == "vm_map_ram":
        return "mappings of other pages"
    return "given back, not reused" if area.caller == "unpurged vm_area" else "without pages"


_BESIDE = {
    "ioremap": (Kind.ADDRESS_SPACE, "registers and memory of devices and firmware"),
    "mappings of per-CPU areas": (Kind.ELSEWHERE, "meminfo counts the pages in Percpu"),
    "mappings of shared memory": (Kind.ELSEWHERE, "meminfo counts the pages in Shmem"),
    "mappings of other pages": (Kind.ELSEWHERE, "the pages are their owner's"),
    "given back, not reused": (Kind.ADDRESS_SPACE, "the pages are free"),
    "without pages": (Kind.ADDRESS_SPACE, "the listing names no pages for it"),
}


def _beside(category: str, areas: list[VmallocArea]) -> MemoryItem:
    kind, note = _BESIDE[category]
    callers: dict[str, int] = defaultdict(int)
    for area in areas:
        callers[area.caller] += area.size_bytes
    return MemoryItem(
        name=category,
        size_bytes=sum(callers.values()),
        kind=kind,
        source=_SOURCE,
        note=note,
        children=_largest(
            MemoryItem(name=name, size_bytes=size, kind=kind, source=_SOURCE)
            for name, size in callers.items()
        ),
    )


def _caller(name: str, areas: list[VmallocArea], cut: bool) -> MemoryItem:
    return MemoryItem(
        name=name,
        size_bytes=sum(area.pages or 0 for area in areas) * PAGE_BYTES,
        kind=Kind.LOWER_BOUND if cut else Kind.RAM,
        source=_SOURCE,
        nodes=_sum_nodes(
            {node: pages * PAGE_BYTES for node, pages in area.nodes.items()} for area in areas
        ),
        scales_with=_SCALES.get(name.split(" ")[0]),
    )


def _sum_nodes(parts: Iterable[Mapping[int, int]]) -> dict[int, int]:
    total: dict[int, int] = defaultdict(int)
    for part in parts:
        for node, size in part.items():
            total[node] += size
    return dict(total)


def _largest(items: Iterable[MemoryItem]) -> tuple[MemoryItem, ...]:
    return tuple(sorted(items, key=lambda item: (-item.size_bytes, item.name)))
