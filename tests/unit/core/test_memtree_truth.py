"""Machines whose every page is known: the account finds what the kernel's fields were made of."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.memaccount import Fit, Kind
from hotkit.core.memfacts import (
    AllocSite,
    Held,
    MemoryFacts,
    PmemSpace,
    VmallocArea,
    Zone,
)
from hotkit.core.memtree import explain
from hotkit.core.units import GIB, MIB, PAGE_BYTES

PAGES = st.integers(0, 1 << 16).map(lambda count: count * PAGE_BYTES)
# What a page in use is for; each page is in one of these.
USES = (
    "file", "buffer", "shmem", "swapcache_mapped", "swapcache_alone", "anon", "slab_reclaimable",
    "slab_other", "driver_reclaimable", "stack", "page_table", "second_page_table", "vmalloc",
    "percpu", "hugetlb", "zswap", "zram", "cpu_list", "nobody",
)  # fmt: skip
NODES = (0, 1)


def fields(of, free):
    """What Linux 6.12 makes of them: si_meminfo(), fs/proc/meminfo.c, drivers/base/node.c."""
    swapcache = of["swapcache_mapped"] + of["swapcache_alone"]
    file_pages = of["file"] + of["buffer"] + of["shmem"] + swapcache
    anon = of["anon"] + of["swapcache_mapped"]  # NR_ANON_MAPPED
    slab = of["slab_reclaimable"] + of["slab_other"]
    return {
        "MemTotal": sum(of.values()) + free, "MemFree": free,
        "FilePages": file_pages, "SwapCached": swapcache, "AnonPages": anon, "Shmem": of["shmem"],
        "Active(anon)": anon + of["swapcache_alone"], "Inactive(anon)": of["shmem"],
        "Slab": slab, "SReclaimable": of["slab_reclaimable"], "SUnreclaim": of["slab_other"],
        "KReclaimable": of["slab_reclaimable"] + of["driver_reclaimable"],
        "KernelStack": of["stack"], "PageTables": of["page_table"],
        "SecPageTables": of["second_page_table"],
    }  # fmt: skip


def machine(uses, first_chunk):
    """The facts of a machine with `uses[node][use]` bytes and a first per-CPU chunk beside."""
    total = {use: sum(uses[node][use] for node in NODES) for use in USES}
    nodes = {node: fields(uses[node], MIB) for node in NODES}
    meminfo = fields(total, 2 * MIB)
    file_pages = meminfo.pop("FilePages")
    meminfo |= {
        "Buffers": total["buffer"],
        "Cached": file_pages - meminfo["SwapCached"] - total["buffer"],
        "VmallocUsed": total["vmalloc"] + total["stack"],
        "Percpu": total["percpu"] + first_chunk,
        "Hugetlb": total["hugetlb"],
        "Zswap": total["zswap"],
    }
    areas = [
        VmallocArea(
            size_bytes=uses[node][use] + PAGE_BYTES, caller=caller, kinds=("vmalloc",),
            pages=uses[node][use] // PAGE_BYTES, nodes={node: uses[node][use] // PAGE_BYTES},
        )
        for node in NODES
        for use, caller in (("vmalloc", "some_driver"), ("stack", "dup_task_struct"))
    ]  # fmt: skip
    zones = tuple(
        Zone(node=node, name="Normal", present=0, managed=0, free=256,
             per_cpu_free=uses[node]["cpu_list"] // PAGE_BYTES,
             zspages=(uses[node]["zram"] + uses[node]["zswap"]) // PAGE_BYTES)
        for node in NODES
    )  # fmt: skip
    return MemoryFacts(
        name="known", meminfo=meminfo, nodes=nodes, vmalloc=tuple(areas), zones=zones,
        hugepages={(node, 2 * MIB): uses[node]["hugetlb"] for node in NODES},
        percpu_unit_bytes=first_chunk // 4 or None, percpu_units=4,
    )  # fmt: skip


USED = st.fixed_dictionaries(dict.fromkeys(USES, PAGES))


@given(st.tuples(USED, USED), PAGES.map(lambda size: 4 * size))
def test_every_page_is_found_once(uses, first_chunk):
    found = explain(machine(uses, first_chunk))
    total = {use: uses[0][use] + uses[1][use] for use in USES}
    expected = {
        "files and block devices": total["file"] + total["buffer"],
        "shared memory and tmpfs": total["shmem"],
        "swap cache, not mapped": total["swapcache_alone"],
        "anonymous memory of processes": total["anon"] + total["swapcache_mapped"],
        "slab": total["slab_reclaimable"] + total["slab_other"],
        "other reclaimable kernel memory": total["driver_reclaimable"],
        "kernel stacks": total["stack"],
        "page tables": total["page_table"],
        "page tables of devices and VMs": total["second_page_table"],
        "vmalloc": total["vmalloc"],
        "per-CPU areas": total["percpu"],
        "huge page pools": total["hugetlb"],
        "zswap": total["zswap"],
        "zram": total["zram"],
        "free pages on lists of CPUs": total["cpu_list"],
        "unexplained": total["nobody"],
    }
    sizes = {item.name: item.size_bytes for top in found.items for item in top.walk()}
    assert {name: sizes.get(name, 0) for name in expected} == expected
    for node in NODES:
        # A node's meminfo says nothing of these.
        silent = uses[node]["percpu"] + uses[node]["zswap"]
        silent += uses[node]["zram"] if total["zswap"] else 0
        assert found.unexplained.nodes[node] == uses[node]["nobody"] + silent


def test_stacks_that_are_not_vmapped_are_counted_beside_vmalloc():
    meminfo = {"MemTotal": 99 * MIB, "MemFree": 9 * MIB, "VmallocUsed": 10 * MIB, "Percpu": 0,
               "KernelStack": 4 * MIB}  # fmt: skip
    area = VmallocArea(size_bytes=11 * MIB, caller="f", pages=2560, kinds=("vmalloc",))
    found = explain(MemoryFacts(name="x", meminfo=meminfo, vmalloc=(area,)))
    assert found.item("vmalloc").size_bytes == 10 * MIB
    assert len(found.steps) == 1
    low = MemoryFacts(name="x", meminfo=meminfo | {"LowTotal": 50 * MIB})
    assert explain(low).item("vmalloc").size_bytes == 10 * MIB
    unknown = MemoryFacts(name="x", meminfo=meminfo)
    assert explain(unknown).item("vmalloc").size_bytes == 6 * MIB
    assert "assumed" in explain(unknown).steps[1].sentence


@pytest.mark.parametrize("used", [0, 34 * GIB])
def test_a_kernel_whose_vmallocused_is_no_ram(used):
    """0 from 4.4 to 5.2, address space with ioremap before: the listing counts."""
    meminfo = {"MemTotal": 99 * MIB, "MemFree": 9 * MIB, "VmallocUsed": used,
               "KernelStack": MIB}  # fmt: skip
    areas = (
        VmallocArea(size_bytes=11 * MIB, caller="f", pages=2560, kinds=("vmalloc",)),
        VmallocArea(size_bytes=2 * MIB, caller="_do_fork", pages=256, kinds=("vmalloc",)),
    )
    found = explain(MemoryFacts(name="x", meminfo=meminfo, vmalloc=areas))
    assert found.item("vmalloc").size_bytes == 10 * MIB
    assert found.unexplained.size_bytes == 79 * MIB
    assert any("vmallocinfo's pages count" in note for note in found.notes)


def test_sources_with_names_explain_only_what_no_field_counts():
    meminfo = {"MemTotal": 99 * MIB, "MemFree": 9 * MIB}
    held = (
        Held(name="allocate_slab", size_bytes=20 * MIB),
        Held(name="__filemap_get_folio", size_bytes=20 * MIB),
        Held(name="f2fs_build [f2fs]", size_bytes=8 * MIB),
        Held(name="mlx5_alloc [mlx5_core]", size_bytes=6 * MIB),
        Held(name="alloc_page_ext", size_bytes=5 * MIB),
        Held(name="tiny", size_bytes=4096),
    )
    area = VmallocArea(size_bytes=9 * MIB, caller="f2fs_build [f2fs]", pages=2048, kinds=())
    facts = MemoryFacts(name="x", meminfo=meminfo, page_owner=held, vmalloc=(area,))
    named = explain(facts).items[-1].children
    assert [(item.name, item.kind) for item in named] == [
        ("mlx5_alloc [mlx5_core]", Kind.NAMED),
        ("alloc_page_ext", Kind.NAMED),
        ("unexplained", Kind.UNEXPLAINED),
    ]
    assert "kmalloc() of more than 8 KiB may be among the names" in named[-1].note
    counted = replace(facts, vmstat={"nr_memmap_pages": 1280})
    names = [item.name for item in explain(counted).items[-1].children]
    assert names[:2] == ["struct pages of memory that came after boot", "mlx5_alloc [mlx5_core]"]
    site = AllocSite(size_bytes=7 * MIB, calls=1, place="kernel/dma/direct.c:9", function="d")
    slabs = replace(site, place="mm/slub.c:1")
    by_site = explain(replace(facts, alloc_sites=(site, slabs))).items[-1].children
    assert [item.name for item in by_site] == ["d (kernel/dma/direct.c)", "unexplained"]


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        *((name, True) for name in (
            "allocate_slab", "___slab_alloc", "shmem_alloc_folio", "__filemap_get_folio",
            "page_cache_ra_unbounded", "do_anonymous_page", "alloc_anon_folio", "wp_page_copy",
            "do_huge_pmd_anonymous_page", "vma_alloc_anon_folio_pmd", "pte_alloc_one",
            "__pmd_alloc", "pgd_alloc",
            "pcpu_populate_chunk", "alloc_buddy_hugetlb_folio", "__handle_mm_fault",
            "alloc_charge_folio", "compaction_alloc", "grow_dev_page", "kernel_clone",
            "dup_task_struct", "filemap_alloc_folio [ext4]",
        )),
        *((name, False) for name in (
            "pipe_write", "skb_page_frag_refill", "vmemmap_alloc_block", "rb_allocate_pages",
            "__pollwait", "mlx5_alloc_page [mlx5_core]", "alloc_page_ext", "xfs_buf_alloc_pages",
        )),
    ],
)  # fmt: skip
def test_functions_whose_pages_a_field_counts(name, counted):
    facts = MemoryFacts(
        name="x", meminfo={"MemTotal": 9 * MIB, "MemFree": 0},
        traced=(Held(name=name, size_bytes=MIB),),
    )  # fmt: skip
    names = [item.name for item in explain(facts).items[-1].walk()]
    assert (name not in names) is counted


def test_more_named_than_in_use_is_said():
    meminfo = {"MemTotal": 99 * MIB, "MemFree": 9 * MIB, "AnonPages": 95 * MIB}
    rest = explain(MemoryFacts(name="x", meminfo=meminfo)).unexplained
    assert rest.size_bytes == -5 * MIB
    assert "something is counted twice" in rest.note


SPACE = PmemSpace(name="namespace0.0", mode="devdax", size_bytes=504 * GIB, map_in="mem",
                  align_bytes=2 * MIB)  # fmt: skip


@pytest.mark.parametrize(
    ("space", "release", "size"),
    [
        (SPACE, "6.1.0", 2016 * MIB),
        (SPACE, None, 2016 * MIB),
        (SPACE, "5.15.0-91-generic", 8064 * MIB),
        (replace(SPACE, align_bytes=GIB), "6.1.0", 504 * 8192),
        (replace(SPACE, align_bytes=4096), "6.1.0", 8064 * MIB),
        (replace(SPACE, mode="fsdax"), "6.1.0", 8064 * MIB),
        (replace(SPACE, map_in="dev"), "6.1.0", 0),
        (replace(SPACE, mode="sector", map_in=None), "6.1.0", 0),
        (replace(SPACE, system_ram=True), "6.1.0", 8064 * MIB),
    ],
)
def test_namespaces_make_the_first_suspect_exact(space, release, size):
    meminfo = {"MemTotal": 200 * GIB, "MemFree": 195 * GIB}
    facts = MemoryFacts(name="x", meminfo=meminfo, kernel_release=release, pmem_spaces=(space,))
    account = explain(facts)
    suspect = account.suspects[0]
    assert suspect.size_bytes == size
    if size > 5 * GIB:
        assert suspect.fit is Fit.TOO_LARGE
        assert account.unexplained.size_bytes == 5 * GIB
    else:
        assert suspect.fit is (Fit.MEASURED if size else Fit.NONE)
        assert account.unexplained.size_bytes == 5 * GIB - size
    assert account.item("namespace0.0").size_bytes == 504 * GIB
    counted = explain(replace(facts, vmstat={"nr_memmap_pages": 1000}))
    assert counted.suspects[0].fit is (Fit.MEASURED if size else Fit.NONE)
    assert counted.unexplained.size_bytes == 5 * GIB - 1000 * PAGE_BYTES


def test_ram_that_may_hold_its_struct_pages_itself():
    meminfo = {"MemTotal": 200 * GIB, "MemFree": 180 * GIB}
    facts = MemoryFacts(name="x", meminfo=meminfo, pmem_spaces=(replace(SPACE, system_ram=True),))
    assert explain(facts).item("struct pages of PMEM").kind is Kind.COMPUTED
    itself = explain(replace(facts, memmap_on_memory=True))
    assert itself.unexplained.size_bytes == 20 * GIB


def test_pmem_that_is_not_in_the_direct_map_has_no_struct_pages():
    meminfo = {"MemTotal": 200 * GIB, "MemFree": 195 * GIB, "DirectMap1G": 201 * GIB}
    facts = MemoryFacts(name="x", meminfo=meminfo, pmem_bytes={2: 500 * GIB})
    names = [item.name for item in explain(facts).suspects if "PMEM" in item.name]
    assert names == ["PMEM in the direct map"]
    old = replace(facts, meminfo=meminfo | {"DirectMap1G": 701 * GIB}, kernel_release="5.4.0")
    found = {item.name: item for item in explain(old).suspects}
    assert found["struct pages of PMEM, 1/256"].fit is Fit.NONE
    assert "sharing them came with 5.19, this is 5.4.0" in found[
        "struct pages of PMEM, 1/256"].sentence  # fmt: skip
