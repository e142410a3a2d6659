"""Used memory that no field of meminfo counts: what other sources know of it, and how to ask."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from hotkit.core.memaccount import Kind, MemoryItem
from hotkit.core.memfacts import Held, MemoryFacts
from hotkit.core.memparts import largest
from hotkit.core.memvmalloc import STACK_CALLERS, Vmalloc
from hotkit.core.suspectpmem import of_namespaces
from hotkit.core.units import KIB, PAGE_BYTES

NAME = "in no field of meminfo"
PMEM_STRUCT_PAGES = "struct pages of PMEM"
# Places that take whole pages, which no field counts; a place below drivers/ may have its memory
# from kmalloc(), which Slab counts, and is not in here (Linux 6.10 to 6.18).
_DIRECT_PLACES = (
    "mm/page_ext.c", "mm/sparse-vmemmap.c", "mm/sparse.c", "mm/zsmalloc.c", "mm/page_frag_cache.c",
    "kernel/trace/ring_buffer.c", "kernel/events/ring_buffer.c", "kernel/dma/", "drivers/iommu/",
    "net/core/page_pool.c", "arch/x86/events/intel/", "drivers/gpu/drm/ttm/",
    "drivers/virtio/virtio_balloon.c", "virt/kvm/", "arch/x86/kvm/",
)  # fmt: skip
# Who asks for pages that fields do count: page cache, anonymous memory, slabs, page tables, huge
# pages, per-CPU areas. Names as hotkit/agent/stackname.py takes them from a stack (4.19 to 6.18).
_COUNTED = re.compile(
    r"_*(?:"
    r"allocate_slab|alloc_slab_page|new_slab|slab_alloc(?:_node)?|kmem_cache_alloc\w*|kmem_getpages"
    r"|cache_grow\w*|cache_alloc_refill|kmalloc_(?:large|order)\w*"
    r"|filemap_\w+|page_cache_\w+|pagecache_get_page|read_pages|do_read_cache_\w+"
    r"|do_page_cache_ra|grow_(?:dev|buffers)\w*|bdev_getblk|shmem_\w+|ra_alloc_folio"
    r"|do_(?:anonymous_page|cow_fault|wp_page|swap_page|huge_pmd_\w+|fault|pte_missing)|wp_page_copy"
    r"|(?:vma_)?alloc_(?:anon|swap|charge|demote)_folio\w*|folio_prealloc"
    r"|handle_(?:mm|pte)_fault|(?:swap|swapin|read_swap)_\w+|khugepaged\w*|collapse_\w+"
    r"|copy_(?:pte|pmd|page)_range|copy_present_\w+|dup_mm\w*|migrate_\w+|move_to_new_\w+"
    r"|alloc_migration_target|alloc_misplaced_dst\w*|compaction_alloc"
    r"|pte_alloc\w*|pmd_alloc\w*|pud_alloc\w*|p4d_alloc\w*|pgd_alloc\w*"
    r"|pcpu_\w+|\w*hugetlb\w*|\w*huge_page|\w*gigantic\w*)(?: \[.*\])?"
)
_SMALL_BYTES = 64 * KIB
_BY_PLACE = "allocinfo"
_KMALLOC = "kmalloc() of more than 8 KiB may be among the names, and in slab as well"
_MORE = (
    "more is named than is in use: something is counted twice, or the sources are of different "
    "moments"
)


def no_field(
    facts: MemoryFacts, size: int, nodes: Mapping[int, int], vmalloc: Vmalloc
) -> MemoryItem:
    """What is left, `size` in all and `nodes` per node: named as far as anybody names it.

    The last child is what nobody names; it is negative when more is named than there is.
    """
    named = [item for item in _counters(facts, vmalloc) if item.size_bytes]
    computed = of_namespaces(facts)
    # More than there is cannot be in there: then it is one of the suspects, and called impossible.
    if "nr_memmap_pages" not in facts.vmstat and 0 < computed <= size - _sum(named):
        named.append(
            MemoryItem(
                name=PMEM_STRUCT_PAGES,
                size_bytes=computed,
                kind=Kind.COMPUTED,
                source="namespaces",
                scales_with="PMEM",
            )
        )
    named += largest(_by_name(facts, vmalloc, {item.name for item in named}))
    rest_nodes = dict(nodes)
    for item in named:
        for node, held in item.nodes.items():
            if node in rest_nodes:
                rest_nodes[node] -= held
    rest = size - _sum(named)
    unexplained = MemoryItem(
        name="unexplained",
        size_bytes=rest,
        kind=Kind.UNEXPLAINED,
        source="what is left",
        nodes=rest_nodes,
        note=_MORE if rest < 0 else _KMALLOC if _from_stacks(named) else None,
        next_command=next_command(facts),
    )
    if not named:
        return unexplained
    return MemoryItem(
        name=NAME,
        size_bytes=size,
        kind=Kind.RAM,
        source="MemTotal - MemFree - all above",
        nodes=nodes,
        children=(*named, unexplained),
    )


def _sum(items: Iterable[MemoryItem]) -> int:
    return sum(item.size_bytes for item in items)


def _from_stacks(named: Iterable[MemoryItem]) -> bool:
    return any(item.kind is Kind.NAMED and item.source != _BY_PLACE for item in named)


def next_command(facts: MemoryFacts) -> str:
    """What would name more of it on this machine, beyond what the capture has."""
    if facts.traced is None and facts.page_owner is None and facts.alloc_sites is None:
        return (
            "hotkit provision --trace-memory (a trial boot with trace_event=kmem:mm_page_alloc), "
            "or boot once with page_owner=on, or from 6.10 with sysctl.vm.mem_profiling=1; then "
            "hotkit memory capture"
        )
    if facts.traced is None:
        return (
            "hotkit provision --trace-memory: a trial boot with trace_event=kmem:mm_page_alloc "
            "sees what is taken before services start"
        )
    return "boot once with page_owner=on: it has every page's stack, of early boot too"


def _counters(facts: MemoryFacts, vmalloc: Vmalloc) -> Iterable[MemoryItem]:
    """What counters of the kernel outside meminfo say."""
    free: dict[int, int] = {}
    compressed: dict[int, int] = {}
    for zone in facts.zones or ():
        free[zone.node] = free.get(zone.node, 0) + zone.per_cpu_free * PAGE_BYTES
        compressed[zone.node] = compressed.get(zone.node, 0) + zone.zspages * PAGE_BYTES
    yield MemoryItem(
        name="free pages on lists of CPUs",
        size_bytes=sum(free.values()),
        kind=Kind.RAM,
        source="zoneinfo pagesets",
        nodes=free,
        note="free for whoever runs there, but not in MemFree",
        scales_with="online CPUs, and RAM",
    )
    zswap = facts.meminfo.get("Zswap", 0)
    buffers = facts.trace_buffers or ()
    yield MemoryItem(
        name="zram",
        size_bytes=max(0, sum(compressed.values()) - zswap),
        kind=Kind.RAM,
        source="zoneinfo nr_zspages" + (" - meminfo Zswap" if zswap else ""),
        nodes=compressed if not zswap else {},
        scales_with="what is swapped out",
    )
    yield MemoryItem(
        name="struct pages of memory that came after boot",
        size_bytes=facts.vmstat.get("nr_memmap_pages", 0) * PAGE_BYTES,
        kind=Kind.RAM,
        source="vmstat nr_memmap_pages",
        note="PMEM with --map=mem, plugged-in RAM, and page_ext",
        scales_with="PMEM and plugged-in RAM",
    )
    yield MemoryItem(
        name="trace buffers",
        size_bytes=sum(item.size_bytes for item in buffers),
        kind=Kind.RAM,
        source="tracefs per_cpu/*/buffer_size_kb",
        scales_with="CPUs",
        children=tuple(
            MemoryItem(name=item.name, size_bytes=item.size_bytes, kind=Kind.RAM, source="tracefs")
            for item in buffers
            if len(buffers) > 1
        ),
    )
    yield MemoryItem(
        name="DMA buffers that are mapped",
        size_bytes=vmalloc.dma_bytes,
        kind=Kind.RAM,
        source="vmallocinfo dma-coherent",
        scales_with="devices",
    )


# Names of the items above -> what the other sources call the same pages.
_SAME = {
    "zram": re.compile(r"mm/zsmalloc|zs_malloc|alloc_zspage"),
    "struct pages of memory that came after boot": re.compile(
        r"mm/sparse|mm/page_ext|vmemmap|alloc_page_ext|section_activate"
    ),
    PMEM_STRUCT_PAGES: re.compile(r"mm/sparse|vmemmap|section_activate"),
    "trace buffers": re.compile(r"trace/ring_buffer|rb_allocate|ring_buffer_(?:alloc|resize)"),
    "DMA buffers that are mapped": re.compile(r"kernel/dma/|dma_(?:common|direct)\w*|iommu_dma\w*"),
}


def _by_name(facts: MemoryFacts, vmalloc: Vmalloc, counted: set[str]) -> Iterable[MemoryItem]:
    """The best of the sources that have names: they tell of the same pages, so only one is taken.

    allocinfo has all of them; page_owner is of this moment; a trace may have lost events.
    """
    same = [pattern for name, pattern in _SAME.items() if name in counted]
    if facts.alloc_sites is not None:
        source, names = _BY_PLACE, _sites(facts)
    elif facts.page_owner is not None:
        source, names = "page_owner", _holders(facts.page_owner, vmalloc)
    else:
        source, names = "trace of page_alloc", _holders(facts.traced or (), vmalloc)
    for name, size in names:
        if size >= _SMALL_BYTES and not any(pattern.search(name) for pattern in same):
            yield MemoryItem(name=name, size_bytes=size, kind=Kind.NAMED, source=source)


def _sites(facts: MemoryFacts) -> Iterable[tuple[str, int]]:
    sizes: dict[str, int] = {}
    for site in facts.alloc_sites or ():
        if site.place.startswith(_DIRECT_PLACES):
            name = f"{site.function} ({site.place.rpartition(':')[0]})"
            sizes[name] = sizes.get(name, 0) + site.size_bytes
    return sizes.items()


def _holders(held: Iterable[Held], vmalloc: Vmalloc) -> Iterable[tuple[str, int]]:
    known = {item.name.split(" ")[0] for item in vmalloc.callers} | STACK_CALLERS
    for item in held:
        bare = item.name.split(" ")[0]
        if bare not in known and not _COUNTED.fullmatch(item.name):
            yield item.name, item.size_bytes
