"""What no field counts: each source's items as a whole, which source is taken, and what is left."""

from dataclasses import replace

import pytest

from hotkit.core.memaccount import Kind, MemoryItem
from hotkit.core.memfacts import AllocSite, Held, MemoryFacts, PmemSpace, Zone
from hotkit.core.memrest import no_field
from hotkit.core.memvmalloc import Vmalloc
from hotkit.core.units import KIB, MIB

BARE = MemoryFacts(name="x", meminfo={}, kernel_release="6.1.0")
ASK_ALL = (
    "hotkit provision --trace-memory (a trial boot with trace_event=kmem:mm_page_alloc), or boot "
    "once with page_owner=on, or from 6.10 with sysctl.vm.mem_profiling=1; then hotkit memory "
    "capture"
)
ASK_TRACE = (
    "hotkit provision --trace-memory: a trial boot with trace_event=kmem:mm_page_alloc sees what "
    "is taken before services start"
)
ASK_OWNER = "boot once with page_owner=on: it has every page's stack, of early boot too"
KMALLOC = "kmalloc() of more than 8 KiB may be among the names, and in slab as well"
MORE = (
    "more is named than is in use: something is counted twice, or the sources are of different "
    "moments"
)
CAME = "struct pages of memory that came after boot"


def ram(name, size, source, **more):
    return MemoryItem(name=name, size_bytes=size, kind=Kind.RAM, source=source, **more)


def named(source, *sizes):
    return tuple(
        MemoryItem(name=name, size_bytes=size, kind=Kind.NAMED, source=source)
        for name, size in sizes
    )


def left(size, nodes=None, note=None, ask=ASK_ALL):
    return MemoryItem(
        name="unexplained", size_bytes=size, kind=Kind.UNEXPLAINED, source="what is left",
        nodes=nodes or {}, note=note, next_command=ask,
    )  # fmt: skip


def whole(size, *children, nodes=None):
    return ram(
        "in no field of meminfo", size, "MemTotal - MemFree - all above", nodes=nodes or {},
        children=children,
    )  # fmt: skip


def below(facts, size=100 * MIB, vmalloc=None):
    """All that is named, without what is left."""
    return no_field(facts, size, {}, vmalloc or Vmalloc()).children[:-1]


def held(*sizes):
    return tuple(Held(name=name, size_bytes=size) for name, size in sizes)


def zone(node, free, zspages):
    return Zone(node=node, name="Normal", present=0, managed=0, free=0, per_cpu_free=free,
                zspages=zspages)  # fmt: skip


@pytest.mark.parametrize(("size", "note"), [(5, None), (1, None), (0, None), (-1, MORE)])
def test_where_nobody_names_anything_all_is_left(size, note):
    assert no_field(BARE, size, {1: 3}, Vmalloc()) == left(size, {1: 3}, note)


@pytest.mark.parametrize(
    ("sources", "ask"),
    [
        ({}, ASK_ALL),
        ({"page_owner": ()}, ASK_TRACE),
        ({"alloc_sites": ()}, ASK_TRACE),
        ({"traced": ()}, ASK_OWNER),
        ({"traced": (), "page_owner": (), "alloc_sites": ()}, ASK_OWNER),
    ],
)
def test_what_would_tell_more_than_the_sources_that_are_there(sources, ask):
    assert no_field(replace(BARE, **sources), 5, {}, Vmalloc()) == left(5, ask=ask)


LISTS = "free pages on lists of CPUs"
ON_LISTS = {"note": "free for whoever runs there, but not in MemFree",
            "scales_with": "online CPUs, and RAM"}  # fmt: skip


def test_what_zoneinfo_counts_is_taken_off_its_nodes():
    facts = replace(BARE, zones=(zone(0, 1, 20), zone(0, 2, 30), zone(1, 4, 0)))
    nodes = {0: 900_000, 2: 7}
    assert no_field(facts, 10**6, nodes, Vmalloc()) == whole(
        10**6,
        ram(LISTS, 7 * 4096, "zoneinfo pagesets", nodes={0: 3 * 4096, 1: 4 * 4096}, **ON_LISTS),
        ram("zram", 50 * 4096, "zoneinfo nr_zspages", nodes={0: 50 * 4096, 1: 0},
            scales_with="what is swapped out"),
        left(10**6 - 57 * 4096, {0: 900_000 - 53 * 4096, 2: 7}),
        nodes=nodes,
    )  # fmt: skip
    assert nodes == {0: 900_000, 2: 7}


@pytest.mark.parametrize(
    ("zswap", "zram"),
    [(0, (10 * 4096, "zoneinfo nr_zspages", {0: 10 * 4096})),
     (1, (10 * 4096 - 1, "zoneinfo nr_zspages - meminfo Zswap", {})),
     (10 * 4096, None), (10 * 4096 + 1, None)],
)  # fmt: skip
def test_zswap_is_a_part_of_what_zsmalloc_has(zswap, zram):
    facts = replace(BARE, meminfo={"Zswap": zswap}, zones=(zone(0, 0, 10),))
    found = below(facts)
    assert [(item.size_bytes, item.source, item.nodes) for item in found] == (
        [zram] if zram else []
    )


def test_what_vmstat_tracefs_and_vmallocinfo_count():
    facts = replace(BARE, vmstat={"nr_memmap_pages": 3}, trace_buffers=held(("a", 5), ("b", 6)))
    assert below(facts, vmalloc=Vmalloc(dma_bytes=9)) == (
        ram(CAME, 3 * 4096, "vmstat nr_memmap_pages",
            note="PMEM with --map=mem, plugged-in RAM, and page_ext",
            scales_with="PMEM and plugged-in RAM"),
        ram("trace buffers", 11, "tracefs per_cpu/*/buffer_size_kb", scales_with="CPUs",
            children=(ram("a", 5, "tracefs"), ram("b", 6, "tracefs"))),
        ram("DMA buffers that are mapped", 9, "vmallocinfo dma-coherent", scales_with="devices"),
    )  # fmt: skip
    # One buffer is not a part of itself.
    (only,) = below(replace(BARE, trace_buffers=held(("a", 5))))
    assert (only.size_bytes, only.children) == (5, ())


SPACE = PmemSpace(name="n", mode="fsdax", size_bytes=640 * MIB, map_in="mem")
OF_PMEM = MemoryItem(name="struct pages of PMEM", size_bytes=10 * MIB, kind=Kind.COMPUTED,
                     source="namespaces", scales_with="PMEM")  # fmt: skip


@pytest.mark.parametrize(
    ("size", "computed"),
    [(10 * MIB + 4095, ()), (10 * MIB + 4096, (OF_PMEM,)), (10 * MIB + 4097, (OF_PMEM,))],
)
def test_struct_pages_of_namespaces_are_in_the_tree_where_they_fit(size, computed):
    """640 MiB / 64; a page is on a CPU's list."""
    facts = replace(BARE, pmem_spaces=(SPACE,), zones=(zone(0, 1, 0),))
    found = no_field(facts, size, {0: size}, Vmalloc())
    assert found.children[1:-1] == computed
    rest = size - 4096 - (10 * MIB if computed else 0)
    # Nobody knows on which node they are.
    assert found.children[-1] == left(rest, {0: size - 4096})


def test_the_smallest_struct_pages_and_none():
    tiny = replace(SPACE, size_bytes=64)
    assert below(replace(BARE, pmem_spaces=(tiny,))) == (replace(OF_PMEM, size_bytes=1),)
    none = replace(BARE, pmem_spaces=(replace(SPACE, map_in="dev"),))
    assert no_field(none, 5, {}, Vmalloc()) == left(5)


def test_struct_pages_that_vmstat_counts_are_not_computed():
    facts = replace(BARE, pmem_spaces=(SPACE,), vmstat={"nr_memmap_pages": 1})
    assert [item.name for item in below(facts)] == [CAME]
    # 0 is a count, too.
    assert below(replace(facts, vmstat={"nr_memmap_pages": 0})) == ()


def sites(*made):
    return tuple(
        AllocSite(size_bytes=size, calls=1, place=place, function=function)
        for place, function, size in made
    )


def test_allocinfo_names_functions_and_files_of_pages():
    facts = replace(
        BARE,
        alloc_sites=sites(
            ("mm/page_ext.c:3", "f", 40 * KIB),
            ("mm/page_ext.c:9", "f", 60 * KIB),
            ("mm/page_ext.c:9", "g", 64 * KIB),
            ("virt/kvm/a:b.c:1", "h", 200 * KIB),
            ("mm/sparse.c:1", "small", 64 * KIB - 1),
            ("mm/slub.c:1", "slab", MIB),
        ),
        page_owner=held(("owner", MIB)),
        traced=held(("traced", MIB)),
    )
    found = named(
        "allocinfo", ("h (virt/kvm/a:b.c)", 200 * KIB), ("f (mm/page_ext.c)", 100 * KIB),
        ("g (mm/page_ext.c)", 64 * KIB),
    )  # fmt: skip
    # A place is not a stack: what asks for whole pages is not among slabs.
    assert no_field(facts, MIB, {0: 5}, Vmalloc()) == whole(
        MIB, *found, left(MIB - 364 * KIB, {0: 5}, ask=ASK_OWNER), nodes={0: 5}
    )


def test_page_owner_comes_before_a_trace():
    facts = replace(BARE, page_owner=held(("a", 64 * KIB), ("b [m]", MIB), ("c", 64 * KIB - 1)))
    assert no_field(facts, 2 * MIB, {}, Vmalloc()) == whole(
        2 * MIB, *named("page_owner", ("b [m]", MIB), ("a", 64 * KIB)),
        left(MIB - 64 * KIB, note=KMALLOC, ask=ASK_TRACE),
    )  # fmt: skip
    both = replace(facts, traced=held(("t", MIB)))
    assert [item.name for item in below(both)] == ["b [m]", "a"]
    assert below(replace(both, page_owner=())) == ()


def test_names_of_a_trace():
    facts = replace(BARE, traced=held(("a", MIB)))
    assert no_field(facts, MIB, {}, Vmalloc()) == whole(
        MIB, *named("trace of page_alloc", ("a", MIB)), left(0, note=KMALLOC, ask=ASK_OWNER)
    )
    assert no_field(facts, MIB - 1, {}, Vmalloc()).children[-1] == left(
        -1, note=MORE, ask=ASK_OWNER
    )


def test_callers_of_vmalloc_and_makers_of_stacks_are_counted_already():
    vmalloc = Vmalloc(callers=(ram("f2fs_build [f2fs x]", 1, "s"), ram("plain", 1, "s")))
    names = ("f2fs_build [other y]", "plain [m]", "kernel_clone [m n]", "allocate_slab [m]", "own")
    facts = replace(BARE, traced=held(*((name, MIB) for name in names)))
    assert [item.name for item in below(facts, vmalloc=vmalloc)] == ["own"]


@pytest.mark.parametrize(
    ("counted", "name"),
    [
        ({"zones": (zone(0, 0, 1),)}, "zs_malloc [zsmalloc]"),
        ({"vmstat": {"nr_memmap_pages": 1}}, "vmemmap_alloc_block"),
        ({"vmstat": {"nr_memmap_pages": 1}}, "alloc_page_ext"),
        ({"pmem_spaces": (SPACE,)}, "vmemmap_alloc_block"),
        ({"trace_buffers": held(("a", 1))}, "rb_allocate_cpu_buffer"),
    ],
)
def test_pages_that_a_counter_has_are_not_named_again(counted, name):
    facts = replace(BARE, traced=held((name, MIB), ("other", MIB)))
    assert [item.name for item in below(facts)] == sorted([name, "other"])
    found = below(replace(facts, **counted))
    assert [item.name for item in found if item.kind is Kind.NAMED] == ["other"]


def test_a_record_may_have_a_holder_without_a_name():
    facts = replace(BARE, traced=held(("", MIB)))
    assert below(facts) == named("trace of page_alloc", ("", MIB))
