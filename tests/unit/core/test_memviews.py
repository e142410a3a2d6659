"""The same memory cut otherwise: every view as a whole, and when there is none."""

from dataclasses import replace

import pytest

from hotkit.core.memaccount import Kind, MemoryItem
from hotkit.core.memfacts import AllocSite, Held, MemoryFacts, PmemSpace, Process
from hotkit.core.memviews import views
from hotkit.core.units import GIB, MIB

BARE = MemoryFacts(name="x", meminfo={"MemTotal": GIB, "MemFree": 0}, kernel_release="6.1.0")


def view(name, size, source, **more):
    return MemoryItem(name=name, size_bytes=size, kind=Kind.VIEW, source=source, **more)


def parts(source, *sizes):
    return tuple(view(name, size, source) for name, size in sizes)


def held(*sizes):
    return tuple(Held(name=name, size_bytes=size) for name, size in sizes)


@pytest.mark.parametrize("empty", [None, ()])
def test_a_capture_without_sources_has_no_views(empty):
    sources = ("processes", "cgroups", "alloc_sites", "page_owner", "traced", "traced_tasks",
               "pmem_spaces")  # fmt: skip
    assert views(replace(BARE, **dict.fromkeys(sources, empty)), 5) == ()


ALL_PSS = "PSS: what several map is shared out"


@pytest.mark.parametrize(
    ("pss", "note", "source", "sizes"),
    [
        ((1, 2, 3), ALL_PSS, "smaps_rollup", (("c (3)", 3), ("b (2)", 2), ("a (1)", 1))),
        ((1, 2, None), f"{ALL_PSS}; of 1 only the RSS is known", "smaps_rollup",
         (("c (3)", 30), ("b (2)", 2), ("a (1)", 1))),
        ((1, None, None), f"{ALL_PSS}; of 2 only the RSS is known", "smaps_rollup",
         (("c (3)", 30), ("b (2)", 20), ("a (1)", 1))),
        ((None, None, None),
         "RSS: a page that several map counts in each, so that the sum is too large", "ps",
         (("c (3)", 30), ("b (2)", 20), ("a (1)", 10))),
        ((0, 0, 5), ALL_PSS, "smaps_rollup", (("c (3)", 5),)),
    ],
)  # fmt: skip
def test_processes(pss, note, source, sizes):
    known = tuple(
        Process(pid=pid, name=name, pss_bytes=size, rss_bytes=pid * 10)
        for pid, name, size in zip((1, 2, 3), "abc", pss, strict=True)
    )
    whole = sum(size for _, size in sizes)
    assert views(replace(BARE, processes=known), 0) == (
        view("processes", whole, source, note=note, children=parts(source, *sizes)),
    )


def test_only_cgroups_below_no_other_add_up():
    groups = held(("a/b", 7), ("a/b/c", 4), ("a/b/c/d", 2), ("e/f/g", 5), ("h", 1), ("none", 0))
    sizes = (("a/b", 7), ("e/f/g", 5), ("a/b/c", 4), ("a/b/c/d", 2), ("h", 1))
    assert views(replace(BARE, cgroups=groups), 0) == (
        view(
            "cgroups", 13, "memory.current", children=parts("memory.current", *sizes),
            note="page cache is with who read it first; a cgroup's memory is in its parent's, too",
        ),
    )  # fmt: skip


def test_places_in_the_source_are_by_module_or_file():
    sites = tuple(
        AllocSite(size_bytes=size, calls=1, place=place, function="f", module=module)
        for size, place, module in (
            (1, "mm/a.c:12", None), (2, "mm/a.c:99", None), (4, "drivers/x:y.c:3", None),
            (8, "fs/f2fs/s.c:1", "f2fs"), (16, "fs/f2fs/t.c:1", "f2fs"),
        )
    )  # fmt: skip
    assert views(replace(BARE, alloc_sites=sites), 0) == (
        view(
            "by module or source file", 31, "allocinfo",
            children=parts("allocinfo", ("f2fs", 24), ("drivers/x:y.c", 4), ("mm/a.c", 3)),
            note="slab objects are in it twice: with who asked for them, and as pages of mm/slub.c",
        ),
    )  # fmt: skip


def test_names_by_owner_trace_and_task():
    facts = replace(
        BARE,
        page_owner=held(("a", 1), ("b", 2)),
        traced=held(("c", 3)),
        traced_tasks=held(("d", 4)),
    )
    assert views(facts, 0) == (
        view("by page_owner", 3, "page_owner",
             note="all pages in use, page cache and processes too",
             children=parts("page_owner", ("b", 2), ("a", 1))),
        view("by a trace of page_alloc", 3, "trace", children=parts("trace", ("c", 3)),
             note="pages that were seen taken and not given back"),
        view("by task, in a trace of page_alloc", 4, "trace", children=parts("trace", ("d", 4)),
             note="pages that were seen taken and not given back; the kernel's have slabs in them"),
    )  # fmt: skip


def test_namespaces_as_they_are_set_up():
    """64 bytes a page of 4 KiB: 1/64 of 6.25 GiB is 100 MiB."""
    spaces = (
        PmemSpace(name="n0", mode="fsdax", size_bytes=6400 * MIB, map_in="mem"),
        PmemSpace(name="n1", mode="devdax", size_bytes=GIB, map_in="dev", system_ram=True),
        PmemSpace(name="n2", mode="raw", size_bytes=2 * GIB),
    )
    assert views(replace(BARE, pmem_spaces=spaces), 0) == (
        view(
            "PMEM namespaces", 9472 * MIB, "sysfs",
            children=(
                view("n0", 6400 * MIB, "sysfs",
                     note="fsdax, no RAM, struct pages in DRAM: 100 MiB"),
                view("n1", GIB, "sysfs",
                     note="devdax, online as RAM, struct pages in DRAM: 16 MiB"),
                view("n2", 2 * GIB, "sysfs", note="raw, no RAM, no struct pages in DRAM"),
            ),
        ),
    )  # fmt: skip


PAGES = "struct pages of RAM (1/64 of it)"
REST = "kernel image, initramfs, early hash tables and the like"
PRESENT = "1152 MiB of RAM are present; no part of the used memory above"


def outside(size, *known, nodes=None, note=PRESENT):
    return view(
        "outside MemTotal", size, "RAM present - MemTotal", nodes=nodes or {}, note=note,
        children=parts("computed", *known),
    )  # fmt: skip


def test_what_lies_outside_memtotal():
    """1152 MiB are there, 1024 MiB in MemTotal; 1/64 of what is there are 18 MiB."""
    facts = replace(
        BARE,
        present_bytes={0: GIB, 2: 128 * MIB},
        nodes={0: {"MemTotal": 1000 * MIB}, 1: {"MemTotal": 24 * MIB}},
        crashkernel_bytes=50 * MIB,
    )
    known = ((PAGES, 18 * MIB), ("crash kernel", 50 * MIB), ("first per-CPU chunk", MIB))
    nodes = {0: 24 * MIB}
    assert views(facts, MIB) == (outside(128 * MIB, *known, (REST, 59 * MIB), nodes=nodes),)
    bare = replace(facts, crashkernel_bytes=None, nodes={})
    assert views(bare, 0) == (outside(128 * MIB, (PAGES, 18 * MIB), (REST, 110 * MIB)),)
    # No less than nothing is left, whatever the parts add up to.
    for more in (110 * MIB, 111 * MIB):
        assert views(bare, more) == (
            outside(128 * MIB, (PAGES, 18 * MIB), ("first per-CPU chunk", more)),
        )


@pytest.mark.parametrize(("present", "shown"), [(GIB - 1, 0), (GIB, 0), (GIB + 1, 1)])
def test_memtotal_of_all_ram_leaves_nothing_outside(present, shown):
    found = views(replace(BARE, present_bytes={0: present}), 0)
    assert len(found) == shown
    # Whole bytes, though GIB + 1 is no multiple of 64.
    assert [one.children for one in found] == [parts("computed", (PAGES, 16 * MIB))] * shown
