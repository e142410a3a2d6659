"""The parts of used memory that fields of meminfo count, each without what another counts too.

Every function makes one item of the tree from a machine's facts; a field that is missing counts
as 0, for the machine and for a node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from hotkit.core.memaccount import Kind, MemoryItem
from hotkit.core.memfacts import MemoryFacts
from hotkit.core.memvmalloc import Vmalloc
from hotkit.core.units import MIB, format_size

_MEMINFO = "meminfo"

Fields = Mapping[str, int]


def page_cache(facts: MemoryFacts) -> MemoryItem:
    """Cached and Buffers (FilePages without swap cache, of a node): files, block devices, shmem."""
    meminfo = facts.meminfo
    size = meminfo.get("Cached", 0) + meminfo.get("Buffers", 0)
    shmem = meminfo.get("Shmem", 0)
    shared = MemoryItem(
        name="shared memory and tmpfs",
        size_bytes=shmem,
        kind=Kind.RAM,
        source="meminfo Shmem",
        nodes=per_node(facts, "FilePages", lambda of: of.get("Shmem", 0)),
        children=tuple(
            MemoryItem(
                name=f"tmpfs {item.name}",
                size_bytes=item.size_bytes,
                kind=Kind.RAM,
                source="statfs",
            )
            for item in facts.tmpfs or ()
            if item.size_bytes
        ),
    )
    files = MemoryItem(
        name="files and block devices",
        size_bytes=size - shmem,
        kind=Kind.RAM,
        source="meminfo Cached - Shmem + Buffers",
        nodes=per_node(facts, "FilePages", lambda of: _file_pages(of) - of.get("Shmem", 0)),
        note=_of_it(
            meminfo, ("Buffers", "block devices"), ("Dirty", "dirty"), ("Mapped", "mapped")
        ),
        scales_with="what is read; freed when somebody needs it",
    )
    return MemoryItem(
        name="page cache",
        size_bytes=size,
        kind=Kind.RAM,
        source="meminfo Cached + Buffers",
        nodes=per_node(facts, "FilePages", _file_pages),
        children=(files, shared),
    )


def _file_pages(of: Fields) -> int:
    return of["FilePages"] - of.get("SwapCached", 0)


def swap_cache(facts: MemoryFacts) -> MemoryItem:
    """Swap cache that no process maps: what is mapped is in AnonPages too.

    NR_ANON_MAPPED counts mapped pages only; the anonymous LRU lists hold these, shared memory, and
    swap cache. A lower bound where pages are locked or freed lazily: never twice, at worst unnamed.
    """
    return MemoryItem(
        name="swap cache, not mapped",
        size_bytes=_swap_cache(facts.meminfo),
        kind=Kind.RAM,
        source="meminfo SwapCached, without what is in AnonPages",
        nodes=per_node(facts, "SwapCached", _swap_cache),
    )


def _swap_cache(of: Fields) -> int:
    cached = of.get("SwapCached", 0)
    if not {"Active(anon)", "Inactive(anon)"} <= set(of):
        return cached
    listed = of["Active(anon)"] + of["Inactive(anon)"]
    return min(cached, max(0, listed - of.get("AnonPages", 0) - of.get("Shmem", 0)))


def processes_anonymous(facts: MemoryFacts) -> MemoryItem:
    """AnonPages: heaps and stacks of processes."""
    huge = facts.meminfo.get("AnonHugePages")
    return MemoryItem(
        name="anonymous memory of processes",
        size_bytes=facts.meminfo.get("AnonPages", 0),
        kind=Kind.RAM,
        source="meminfo AnonPages",
        nodes=_field(facts, "AnonPages"),
        note=f"{format_size(huge)} in huge pages" if huge else None,
        scales_with="services",
    )


def slab(facts: MemoryFacts) -> MemoryItem:
    """Slab, with its caches; what slabinfo does not list are objects of more than two pages."""
    size = facts.meminfo.get("Slab", 0)
    caches = [
        MemoryItem(name=item.name, size_bytes=item.size_bytes, kind=Kind.RAM, source="slabinfo")
        for item in facts.slabs or ()
    ]
    children = largest(caches)
    rest = size - sum(item.size_bytes for item in caches)
    if caches and rest > 0:
        children.append(
            MemoryItem(
                name="in no cache",
                size_bytes=rest,
                kind=Kind.RAM,
                source="meminfo Slab - slabinfo",
                note="kmalloc() of more than 8 KiB takes whole pages",
            )
        )
    return MemoryItem(
        name="slab",
        size_bytes=size,
        kind=Kind.RAM,
        source="meminfo Slab",
        nodes=_field(facts, "Slab"),
        note=_of_it(facts.meminfo, ("SReclaimable", "reclaimable")),
        next_command=None if caches else "cat /proc/slabinfo (as root)",
        children=tuple(children),
    )


def other_reclaimable(facts: MemoryFacts) -> MemoryItem:
    """KReclaimable without the slabs in it: pages that a driver's shrinker gives back."""

    def size(of: Fields) -> int:
        return max(0, of.get("KReclaimable", 0) - of.get("SReclaimable", 0))

    return MemoryItem(
        name="other reclaimable kernel memory",
        size_bytes=size(facts.meminfo),
        kind=Kind.RAM,
        source="meminfo KReclaimable - SReclaimable",
        nodes=per_node(facts, "KReclaimable", size),
    )


def kernel_stacks(facts: MemoryFacts) -> MemoryItem:
    return MemoryItem(
        name="kernel stacks",
        size_bytes=facts.meminfo.get("KernelStack", 0),
        kind=Kind.RAM,
        source="meminfo KernelStack",
        nodes=_field(facts, "KernelStack"),
        scales_with="tasks, some of them per CPU",
    )


def vmalloc_memory(
    facts: MemoryFacts, vmalloc: Vmalloc, used: int, stacks_inside: bool
) -> MemoryItem:
    """`used` bytes of vmalloc memory without the stacks, by caller.

    Per node it is what vmallocinfo lists: meminfo of a node has no such field.
    """
    size = used - (facts.meminfo.get("KernelStack", 0) if stacks_inside else 0)
    children = list(vmalloc.callers)
    rest = size - vmalloc.ram_bytes
    if vmalloc.callers and rest > 0:
        children.append(
            MemoryItem(
                name="not listed",
                size_bytes=rest,
                kind=Kind.RAM,
                source="meminfo VmallocUsed - vmallocinfo",
                next_command="cat /proc/vmallocinfo (as root; all of it)",
            )
        )
    return MemoryItem(
        name="vmalloc",
        size_bytes=size,
        kind=Kind.RAM,
        source="meminfo VmallocUsed" + (" - KernelStack" if stacks_inside else ""),
        nodes=vmalloc.nodes,
        note="per node: as far as vmallocinfo lists it" if vmalloc.nodes else None,
        next_command=None if vmalloc.callers else "cat /proc/vmallocinfo (as root)",
        children=tuple(children),
    )


def per_cpu_areas(facts: MemoryFacts, outside: int) -> MemoryItem:
    """Percpu without the `outside` bytes of the first chunk, which MemTotal does not hold."""
    known = facts.percpu_unit_bytes is not None
    return MemoryItem(
        name="per-CPU areas",
        size_bytes=facts.meminfo.get("Percpu", 0) - outside,
        kind=Kind.RAM,
        source="meminfo Percpu" + (" without the first chunk" if outside else ""),
        note=f"{format_size(outside)} of Percpu are outside MemTotal: boot code took them"
        if outside
        else None
        if known
        else "some of it is outside MemTotal: how much, the line 'percpu: Embedded' of dmesg tells",
        scales_with="possible CPUs",
    )


def huge_pages(facts: MemoryFacts) -> MemoryItem:
    """Hugetlb: pools of huge pages, used or not. Before 4.16 meminfo has its default size only."""
    meminfo = facts.meminfo
    page = meminfo.get("Hugepagesize", 0)
    size = meminfo.get("Hugetlb", meminfo.get("HugePages_Total", 0) * page)
    nodes = per_node(facts, "HugePages_Total", lambda of: of["HugePages_Total"] * page)
    for node in {node for node, _ in facts.hugepages} & set(facts.nodes):
        nodes[node] = sum(held for (where, _), held in facts.hugepages.items() if where == node)
    sizes: dict[int, int] = {}
    for (_, of), held in facts.hugepages.items():
        sizes[of] = sizes.get(of, 0) + held
    return MemoryItem(
        name="huge page pools",
        size_bytes=size,
        kind=Kind.RAM,
        source="meminfo Hugetlb",
        nodes=nodes,
        scales_with="hugepages= and vm.nr_hugepages",
        children=tuple(
            MemoryItem(
                name=f"pages of {format_size(of)}",
                size_bytes=held,
                kind=Kind.RAM,
                source="sysfs hugepages",
            )
            for of, held in sorted(sizes.items())
        ),
    )


def plain_field(facts: MemoryFacts, field: str, name: str, scales: str | None = None) -> MemoryItem:
    """A field that is a part as it stands."""
    return MemoryItem(
        name=name,
        size_bytes=facts.meminfo.get(field, 0),
        kind=Kind.RAM,
        source=f"meminfo {field}",
        nodes=_field(facts, field),
        scales_with=scales,
    )


def per_node(facts: MemoryFacts, needs: str, size: Callable[[Fields], int]) -> dict[int, int]:
    """`size` of every node whose meminfo has the field `needs`."""
    return {node: size(of) for node, of in facts.nodes.items() if needs in of}


def _field(facts: MemoryFacts, field: str) -> dict[int, int]:
    return per_node(facts, field, lambda of: of[field])


def largest(items: Iterable[MemoryItem]) -> list[MemoryItem]:
    """The largest first."""
    return sorted(items, key=lambda item: (-item.size_bytes, item.name))


def _of_it(meminfo: Fields, *fields: tuple[str, str]) -> str | None:
    """ "of it 9.2 MiB block devices": views of an item that are not its parts."""
    said = [
        f"{meminfo[field] / MIB:.1f} MiB {word}" for field, word in fields if meminfo.get(field)
    ]
    return "of it " + ", ".join(said) if said else None
