"""Areas of vmalloc memory, one by one: what is RAM, whose, and what stands beside it."""

import pytest

from hotkit.core.memaccount import Kind, MemoryItem
from hotkit.core.memfacts import MemoryFacts, VmallocArea
from hotkit.core.memvmalloc import Vmalloc, split_vmalloc, stacks_are_vmapped, vmalloc_used
from hotkit.core.units import MIB, PAGE_BYTES


def area(caller, pages=None, size=MIB, kinds=(), **nodes):
    places = {int(name[1:]): count for name, count in nodes.items()}
    return VmallocArea(size_bytes=size, caller=caller, pages=pages, kinds=kinds, nodes=places)


def facts(*areas, truncated=(), **meminfo):
    return MemoryFacts(name="x", meminfo=meminfo, vmalloc=areas, truncated=truncated)


def item(name, size, kind=Kind.RAM, **more):
    return MemoryItem(name=name, size_bytes=size, kind=kind, source="vmallocinfo", **more)


def test_a_capture_without_a_listing_has_nothing():
    empty = Vmalloc(ram_bytes=0, nodes={}, stack_bytes=0, dma_bytes=0, callers=(), beside=())
    assert split_vmalloc(MemoryFacts(name="x", meminfo={})) == empty == Vmalloc()


def test_areas_with_pages_are_their_callers():
    found = split_vmalloc(
        facts(
            area("b", 2, n0=2),
            area("a", 1, n1=1),
            area("small", 0),
            area("b", 3, n0=1, n1=2),
            area("a", 4, kinds=("ioremap", "dma-coherent"), n0=4),
        )
    )
    page = PAGE_BYTES
    assert found == Vmalloc(
        ram_bytes=10 * page,
        nodes={0: 7 * page, 1: 3 * page},
        callers=(
            item("a", 5 * page, nodes={1: page, 0: 4 * page}),
            item("b", 5 * page, nodes={0: 3 * page, 1: 2 * page}),
            item("small", 0),
        ),
    )


def test_stacks_are_summed_apart_where_they_have_pages():
    found = split_vmalloc(
        facts(
            area("dup_task_struct", 4, n0=4),
            area("kernel_clone", 5),
            area("kernel_clone", kinds=("dma-coherent",), size=3 * PAGE_BYTES),
        )
    )
    assert found == Vmalloc(stack_bytes=9 * PAGE_BYTES, dma_bytes=2 * PAGE_BYTES)


def test_dma_buffers_are_without_their_guard_page():
    buffers = [area("d", size=size, kinds=("x", "dma-coherent")) for size in (MIB, MIB, 1)]
    assert split_vmalloc(facts(*buffers)).dma_bytes == 2 * (MIB - PAGE_BYTES)


def test_what_a_cut_listing_has_is_a_lower_bound():
    cut = split_vmalloc(facts(area("a", 1), truncated=("slabinfo", "vmallocinfo")))
    assert cut.callers == (item("a", PAGE_BYTES, Kind.LOWER_BOUND),)
    whole = split_vmalloc(facts(area("a", 1), truncated=("slabinfo",)))
    assert whole.callers == (item("a", PAGE_BYTES),)


def test_a_callers_module_does_not_hide_what_it_scales_with():
    names = ["load_module [x y]", "alloc_large_system_hash", "other"]
    found = split_vmalloc(facts(*(area(name, 1) for name in names)))
    assert {one.name: one.scales_with for one in found.callers} == {
        "load_module [x y]": "modules", "alloc_large_system_hash": "RAM", "other": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("caller", "kinds", "name", "kind", "note"),
    [
        ("pcpu_x", ("phys", "ioremap"), "ioremap", Kind.ADDRESS_SPACE,
         "registers and memory of devices and firmware"),
        ("pcpu_shmem", ("vmap",), "mappings of per-CPU areas", Kind.ELSEWHERE,
         "meminfo counts the pages in Percpu"),
        ("drm_gem_shmem_vmap", ("vmap",), "mappings of shared memory", Kind.ELSEWHERE,
         "meminfo counts the pages in Shmem"),
        ("x", ("user", "vmap"), "mappings of other pages", Kind.ELSEWHERE,
         "the pages are their owner's"),
        ("vm_map_ram", (), "mappings of other pages", Kind.ELSEWHERE,
         "the pages are their owner's"),
        ("unpurged vm_area", (), "given back, not reused", Kind.ADDRESS_SPACE,
         "the pages are free"),
        ("x_pcpu_", ("vmalloc",), "without pages", Kind.ADDRESS_SPACE,
         "the listing names no pages for it"),
    ],
)  # fmt: skip
def test_an_area_without_pages_stands_beside(caller, kinds, name, kind, note):
    found = split_vmalloc(facts(area(caller, kinds=kinds), area(caller, kinds=kinds, size=5)))
    below = item(caller, MIB + 5, kind)
    assert found == Vmalloc(beside=(item(name, MIB + 5, kind, note=note, children=(below,)),))


def test_the_largest_stands_first_beside_and_below():
    found = split_vmalloc(
        facts(
            *(area(name, size=size, kinds=("vmap",)) for name, size in (("c", 1), ("b", 1))),
            area("z", size=2, kinds=("vmap",)),
            area("a", size=9, kinds=("ioremap",)),
        )
    )
    assert [(one.name, one.size_bytes) for one in found.beside] == [
        ("ioremap", 9), ("mappings of other pages", 4),
    ]  # fmt: skip
    assert [one.name for one in found.beside[1].children] == ["z", "b", "c"]


ASSUMED = "assumed, as on every x86-64 kernel of a distribution (CONFIG_VMAP_STACK)"


@pytest.mark.parametrize(
    ("known", "vmapped"),
    [
        (facts(area("fork_idle", 1), LowTotal=1), (True, "vmallocinfo lists them")),
        (facts(area("fork_idle", 1), truncated=("vmallocinfo",)), (True, "vmallocinfo lists them")),
        (facts(area("a", 1)), (False, "vmallocinfo lists none")),
        (facts(area("a", 1), truncated=("slabinfo",)), (False, "vmallocinfo lists none")),
        (facts(area("a", 1), truncated=("vmallocinfo",)), (True, ASSUMED)),
        (facts(area("a", 1), truncated=("vmallocinfo",), LowTotal=0),
         (False, "a 32-bit x86 kernel maps them directly")),
        (facts(LowTotal=0), (False, "a 32-bit x86 kernel maps them directly")),
        (facts(), (True, ASSUMED)),
        (MemoryFacts(name="x", meminfo={}), (True, ASSUMED)),
    ],
)  # fmt: skip
def test_whether_stacks_are_in_vmalloc_memory(known, vmapped):
    assert stacks_are_vmapped(known, split_vmalloc(known)) == vmapped


OLD = "VmallocUsed of this old kernel is address space: vmallocinfo's pages count"
EMPTY = "this kernel does not fill VmallocUsed: vmallocinfo's pages count"


@pytest.mark.parametrize(
    ("meminfo", "ram", "stacks", "used"),
    [
        ({"VmallocUsed": 9, "Percpu": 0}, 4, 3, (9, None)),
        ({"VmallocUsed": 9, "KReclaimable": 0}, 4, 3, (9, None)),
        ({"VmallocUsed": 9}, 4, 3, (7, OLD)),
        ({"VmallocUsed": 9}, 0, 0, (0, OLD)),
        ({"VmallocUsed": 0, "Percpu": 0}, 4, 3, (7, EMPTY)),
        ({"VmallocUsed": 0}, 1, 0, (1, EMPTY)),
        ({}, 0, 1, (1, EMPTY)),
        ({"VmallocUsed": 0, "Percpu": 0}, 0, 0, (0, None)),
        ({"Percpu": 0}, 0, 0, (0, None)),
        ({}, 0, 0, (0, None)),
    ],
)
def test_vmalloc_memory_in_use(meminfo, ram, stacks, used):
    listed = Vmalloc(ram_bytes=ram, stack_bytes=stacks)
    assert vmalloc_used(MemoryFacts(name="x", meminfo=meminfo), listed) == used
