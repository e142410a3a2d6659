"""The first suspect on a machine with PMEM: the struct pages of it, which lie in DRAM or in itself.

64 bytes a page with --map=mem (1/64). A devdax namespace aligned to 2 MiB or 1 GiB shares the pages
that describe tails since Linux 5.19 (4917f55b4ef9): two of eight pages stay for every 2 MiB
(1/256), two for every 1 GiB. With --map=dev they are in the PMEM; raw and sector have none.
"""

from __future__ import annotations

from collections.abc import Iterator

from hotkit.core.kernelage import is_since
from hotkit.core.memaccount import Fit, Suspect
from hotkit.core.memfacts import MemoryFacts, PmemSpace
from hotkit.core.units import GIB, KIB, MIB, PAGE_BYTES, format_size

_PER_GIB = GIB // 64
_PER_GIB_SHARED_2M = GIB // 256
_PER_GIB_SHARED_1G = 2 * PAGE_BYTES
# What maps shared struct pages: they are page by page in the page tables, 8 tables a GiB.
_TABLES_PER_GIB = 32 * KIB
_SHARED_SINCE = (5, 19)
_ASK = "ndctl list -N -v; daxctl list (mode, map and align of every namespace)"
# So much of the PMEM must be in the direct map, for pieces of it may be in no namespace.
_MAPPED_SHARE = 0.9


def struct_pages_of(space: PmemSpace, facts: MemoryFacts) -> int:
    """DRAM that a namespace's struct pages take; 0 for RAM that may hold them itself."""
    if space.system_ram:
        return 0 if facts.memmap_on_memory else space.size_bytes // 64
    if space.map_in != "mem":
        return 0
    shared = space.mode in ("devdax", "dax") and is_since(facts, _SHARED_SINCE) is not False
    align = space.align_bytes or PAGE_BYTES
    per_gib = _PER_GIB
    if shared and align >= GIB:
        per_gib = _PER_GIB_SHARED_1G
    elif shared and align >= 2 * MIB:
        per_gib = _PER_GIB_SHARED_2M
    return space.size_bytes * per_gib // GIB


def pmem_suspects(facts: MemoryFacts, gap: int, in_tree: bool) -> Iterator[Suspect]:
    """What the PMEM of this machine can have to do with `gap` bytes that nobody explains.

    `in_tree`: what of_namespaces() computes is in the tree already.
    """
    if facts.pmem_spaces:
        yield _exact(facts, facts.pmem_spaces, gap, in_tree)
        return
    pmem = sum(facts.pmem_bytes.values())
    if not pmem:
        return
    name = "struct pages of PMEM"
    if "nr_memmap_pages" in facts.vmstat:
        size = facts.vmstat["nr_memmap_pages"] * PAGE_BYTES
        yield Suspect(
            name=name,
            fit=Fit.MEASURED,
            size_bytes=size,
            sentence=f"vmstat counts {_mib(size)} of struct pages that came after boot",
        )
        return
    mapped = direct_map(facts)
    if mapped is not None:
        yield mapped
        if mapped.fit is Fit.NONE:
            return
    yield _fit(
        f"{name}, 1/64",
        pmem // 64,
        gap,
        f"fsdax, or devdax with pages of 4 KiB, --map=mem, all {format_size(pmem)} of it (what "
        f"is unexplained would do for {gap * 64 / GIB:.0f} GiB)",
    )
    if is_since(facts, _SHARED_SINCE) is False:
        why = f"sharing them came with 5.19, this is {facts.kernel_release}"
        yield Suspect(name=f"{name}, 1/256", fit=Fit.NONE, sentence=why)
    else:
        tables = pmem / GIB * _TABLES_PER_GIB
        yield _fit(
            f"{name}, 1/256",
            pmem // 256,
            gap,
            "devdax aligned to 2 MiB, --map=mem, Linux 5.19 or later "
            f"(and {_mib(tables)} of page tables that map them)",
        )
        yield _fit(
            f"{name}, 8 KiB a GiB",
            pmem * _PER_GIB_SHARED_1G // GIB,
            gap,
            "devdax aligned to 1 GiB, --map=mem, Linux 5.19 or later",
        )
    yield Suspect(
        name=f"{name}, in itself",
        fit=Fit.NONE,
        size_bytes=0,
        sentence="--map=dev puts them into the PMEM: they take no DRAM",
    )


def direct_map(facts: MemoryFacts) -> Suspect | None:
    """Whether the kernel maps the PMEM as it maps memory with struct pages; None if unknown.

    arch_add_memory() extends the direct map for fsdax and devdax, wherever their struct pages are;
    raw and sector are ioremapped, which DirectMap* does not count (arch/x86/mm/init_64.c).
    """
    sizes = [size for field, size in facts.meminfo.items() if field.startswith("DirectMap")]
    pmem = sum(facts.pmem_bytes.values())
    if not sizes or not pmem:
        return None
    ram = sum(facts.present_bytes.values()) or facts.meminfo["MemTotal"]
    mapped = sum(sizes)
    says = (
        f"the kernel's direct map covers {mapped / GIB:.1f} GiB, RAM is {ram / GIB:.1f} GiB, "
        f"PMEM {pmem / GIB:.1f} GiB"
    )
    if mapped - ram >= pmem * _MAPPED_SHARE:
        return Suspect(
            name="PMEM in the direct map",
            fit=Fit.UNKNOWN,
            sentence=f"{says}: all of it is mapped as memory with struct pages is. Where they lie "
            "is not in this capture",
            next_command=_ASK,
        )
    if mapped - ram < pmem - pmem * _MAPPED_SHARE:
        return Suspect(
            name="PMEM in the direct map",
            fit=Fit.NONE,
            sentence=f"{says}: the PMEM is not in it, so that it has no struct pages",
        )
    return Suspect(
        name="PMEM in the direct map",
        fit=Fit.UNKNOWN,
        sentence=f"{says}: a part of the PMEM is in it",
        next_command=_ASK,
    )


def of_namespaces(facts: MemoryFacts) -> int:
    """What the struct pages of all namespaces take, computed."""
    return sum(struct_pages_of(space, facts) for space in facts.pmem_spaces or ())


def _exact(facts: MemoryFacts, spaces: tuple[PmemSpace, ...], gap: int, in_tree: bool) -> Suspect:
    sizes = [struct_pages_of(space, facts) for space in spaces]
    said = ", ".join(
        f"{space.name} ({space.mode}, {format_size(space.size_bytes)}, map "
        f"{space.map_in or 'none'}): {_mib(size)}"
        for space, size in zip(spaces, sizes, strict=True)
    )
    name = "struct pages of PMEM"
    if not sum(sizes):
        return Suspect(name=name, fit=Fit.NONE, size_bytes=0, sentence=said)
    if "nr_memmap_pages" in facts.vmstat:
        size = facts.vmstat["nr_memmap_pages"] * PAGE_BYTES
        sentence = f"vmstat counts {_mib(size)}; by namespace: {said}"
        return Suspect(name=name, fit=Fit.MEASURED, size_bytes=size, sentence=sentence)
    if in_tree:
        return Suspect(name=name, fit=Fit.MEASURED, size_bytes=sum(sizes), sentence=said)
    return _fit(name, sum(sizes), gap, said)


def compared(name: str, size: int, gap: int, what: str, ask: str | None = None) -> Suspect:
    """A suspect of a computed size, held against what is unexplained."""
    if size > gap:
        return Suspect(
            name=name,
            fit=Fit.TOO_LARGE,
            size_bytes=size,
            sentence=f"{what}: {_mib(size)} is more than the {_mib(gap)} that are unexplained",
        )
    return Suspect(
        name=name,
        fit=Fit.FITS,
        size_bytes=size,
        sentence=f"{what}: {_mib(size)}; it would leave {_mib(gap - size)}",
        next_command=ask,
    )


def _fit(name: str, size: int, gap: int, what: str) -> Suspect:
    return compared(name, size, gap, what, _ASK)


def _mib(size: float) -> str:
    return f"{size / MIB:.1f} MiB"
