"""The same memory cut otherwise (by process, cgroup, place in the source), and what is outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from hotkit.core.memaccount import Kind, MemoryItem
from hotkit.core.memfacts import Held, MemoryFacts
from hotkit.core.memparts import largest
from hotkit.core.suspectpmem import struct_pages_of
from hotkit.core.units import format_size

_STRUCT_PAGES_SHARE = 64  # 64 bytes a page of 4 KiB


def views(facts: MemoryFacts, first_chunk_bytes: int) -> tuple[MemoryItem, ...]:
    """Those that the capture has something for. None of them is a part of the tree."""
    found = (
        _processes(facts),
        _cgroups(facts),
        _sites(facts),
        _names("by page_owner", "page_owner", facts.page_owner,
               "all pages in use, page cache and processes too"),
        _names("by a trace of page_alloc", "trace", facts.traced,
               "pages that were seen taken and not given back"),
        _names("by task, in a trace of page_alloc", "trace", facts.traced_tasks,
               "pages that were seen taken and not given back; the kernel's have slabs in them"),
        _namespaces(facts),
        _outside(facts, first_chunk_bytes),
    )  # fmt: skip
    return tuple(item for item in found if item is not None)


def _processes(facts: MemoryFacts) -> MemoryItem | None:
    if not facts.processes:
        return None
    shared_out = sum(1 for one in facts.processes if one.pss_bytes is not None)
    sizes = [
        (f"{one.name} ({one.pid})", one.rss_bytes if one.pss_bytes is None else one.pss_bytes)
        for one in facts.processes
    ]
    note = "PSS: what several map is shared out"
    if not shared_out:
        note = "RSS: a page that several map counts in each, so that the sum is too large"
    elif shared_out < len(facts.processes):
        note += f"; of {len(facts.processes) - shared_out} only the RSS is known"
    return _view("processes", "ps" if not shared_out else "smaps_rollup", note, sizes)


def _cgroups(facts: MemoryFacts) -> MemoryItem | None:
    """By the name of its directory; only those below no other one add up."""
    if not facts.cgroups:
        return None
    names = {item.name for item in facts.cgroups}
    top = [item for item in facts.cgroups if item.name.rpartition("/")[0] not in names]
    note = "page cache is with who read it first; a cgroup's memory is in its parent's, too"
    sizes = [(item.name, item.size_bytes) for item in facts.cgroups]
    found = _view("cgroups", "memory.current", note, sizes)
    return replace(found, size_bytes=sum(item.size_bytes for item in top))


def _names(name: str, source: str, held: Iterable[Held] | None, note: str) -> MemoryItem | None:
    sizes = [(item.name, item.size_bytes) for item in held or ()]
    return _view(name, source, note, sizes) if sizes else None


def _sites(facts: MemoryFacts) -> MemoryItem | None:
    if not facts.alloc_sites:
        return None
    sizes: dict[str, int] = {}
    for site in facts.alloc_sites:
        name = site.module or site.place.rpartition(":")[0]
        sizes[name] = sizes.get(name, 0) + site.size_bytes
    note = "slab objects are in it twice: with who asked for them, and as pages of mm/slub.c"
    return _view("by module or source file", "allocinfo", note, list(sizes.items()))


def _namespaces(facts: MemoryFacts) -> MemoryItem | None:
    """PMEM as it is set up; no RAM, but for what dax/kmem has put online."""
    if not facts.pmem_spaces:
        return None
    items = []
    for space in facts.pmem_spaces:
        said = [space.mode, "online as RAM" if space.system_ram else "no RAM"]
        cost = struct_pages_of(space, facts)
        said.append(
            f"struct pages in DRAM: {format_size(cost)}" if cost else "no struct pages in DRAM"
        )
        items.append(
            MemoryItem(
                name=space.name,
                size_bytes=space.size_bytes,
                kind=Kind.VIEW,
                source="sysfs",
                note=", ".join(said),
            )
        )
    return MemoryItem(
        name="PMEM namespaces",
        size_bytes=sum(item.size_bytes for item in items),
        kind=Kind.VIEW,
        source="sysfs",
        children=tuple(items),
    )


def _outside(facts: MemoryFacts, first_chunk_bytes: int) -> MemoryItem | None:
    """RAM that is gone before MemTotal is counted; struct pages of RAM are most of it."""
    present = sum(facts.present_bytes.values())
    size = present - facts.meminfo["MemTotal"]
    if size <= 0:
        return None
    known = [
        ("struct pages of RAM (1/64 of it)", present // _STRUCT_PAGES_SHARE),
        ("crash kernel", facts.crashkernel_bytes or 0),
        ("first per-CPU chunk", first_chunk_bytes),
    ]
    rest = size - sum(held for _, held in known)
    known.append(("kernel image, initramfs, early hash tables and the like", max(0, rest)))
    nodes = {
        node: held - facts.nodes[node]["MemTotal"]
        for node, held in facts.present_bytes.items()
        if node in facts.nodes
    }
    return MemoryItem(
        name="outside MemTotal",
        size_bytes=size,
        kind=Kind.VIEW,
        source="RAM present - MemTotal",
        nodes=nodes,
        note=f"{format_size(present)} of RAM are present; no part of the used memory above",
        children=tuple(
            MemoryItem(name=name, size_bytes=held, kind=Kind.VIEW, source="computed")
            for name, held in known
            if held
        ),
    )


def _view(name: str, source: str, note: str, sizes: Sequence[tuple[str, int | None]]) -> MemoryItem:
    items = [
        MemoryItem(name=label, size_bytes=size, kind=Kind.VIEW, source=source)
        for label, size in sizes
        if size
    ]
    return MemoryItem(
        name=name,
        size_bytes=sum(item.size_bytes for item in items),
        kind=Kind.VIEW,
        source=source,
        note=note,
        children=tuple(largest(items)),
    )
