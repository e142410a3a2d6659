"""The account of a made machine, word for word: items, steps, notes, and what it cannot place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core.labels import Label, Platform
from hotkit.core.memaccount import MemoryAccount
from hotkit.core.memfacts import MemoryFacts, PmemSpace, VmallocArea, Zone
from hotkit.core.memtree import explain
from hotkit.core.units import GIB, KIB, MIB

# Every field that is a part as it stands or makes one, each of another size; in MiB.
FIELDS = {
    "MemTotal": 8192, "MemFree": 4096, "MemAvailable": 5000,
    "Buffers": 1, "Cached": 100, "SwapCached": 2, "AnonPages": 50, "Shmem": 10, "Slab": 40,
    "SReclaimable": 30, "KReclaimable": 33, "KernelStack": 7, "PageTables": 11,
    "SecPageTables": 12, "Quicklists": 13, "Bounce": 14, "WritebackTmp": 15, "VmallocUsed": 60,
    "Percpu": 16, "Hugetlb": 18, "Zswap": 19, "HardwareCorrupted": 20, "GPUActive": 21,
    "GPUReclaim": 22,
}  # fmt: skip
LABEL = Label(platform=Platform.EMULATED)
MADE = MemoryFacts(
    name="made",
    label=LABEL,
    kernel_release="6.18.1",
    meminfo={name: size * MIB for name, size in FIELDS.items()},
    percpu_unit_bytes=MIB,
    percpu_units=4,
    cpus_possible=3,
)
BARE = MemoryFacts(name="bare", meminfo={"MemTotal": 100 * MIB, "MemFree": 40 * MIB})


def step_words(account: MemoryAccount) -> list[tuple[float, str]]:
    return [(step.rest_bytes / MIB, step.sentence) for step in account.steps]


def test_every_part_once_and_the_largest_first() -> None:
    account = explain(MADE)
    assert [
        (item.name, item.size_bytes / MIB, item.source, item.scales_with) for item in account.items
    ] == [
        ("page cache", 101, "meminfo Cached + Buffers", None),
        ("vmalloc", 53, "meminfo VmallocUsed - KernelStack", None),
        ("anonymous memory of processes", 50, "meminfo AnonPages", "services"),
        ("slab", 40, "meminfo Slab", None),
        ("GPU memory, reclaimable", 22, "meminfo GPUReclaim", None),
        ("GPU memory", 21, "meminfo GPUActive", "what is drawn"),
        ("broken memory", 20, "meminfo HardwareCorrupted", None),
        ("zswap", 19, "meminfo Zswap", "what is swapped out"),
        ("huge page pools", 18, "meminfo Hugetlb", "hugepages= and vm.nr_hugepages"),
        ("FUSE pages under writeback", 15, "meminfo WritebackTmp", None),
        ("bounce buffers", 14, "meminfo Bounce", None),
        ("page tables kept for reuse", 13, "meminfo Quicklists", None),
        ("page tables of devices and VMs", 12, "meminfo SecPageTables", "IOMMU, VMs"),
        ("per-CPU areas", 12, "meminfo Percpu without the first chunk", "possible CPUs"),
        ("page tables", 11, "meminfo PageTables", "processes, and what they map"),
        ("kernel stacks", 7, "meminfo KernelStack", "tasks, some of them per CPU"),
        ("other reclaimable kernel memory", 3, "meminfo KReclaimable - SReclaimable", None),
        ("swap cache, not mapped", 2,
         "meminfo SwapCached, without what is in AnonPages", None),
        ("unexplained", 4096 - 433, "what is left", None),
    ]  # fmt: skip
    assert (account.name, account.label, account.kernel_release) == (
        "made", LABEL, "6.18.1",
    )  # fmt: skip
    assert (account.total_bytes, account.free_bytes) == (8 * GIB, 4 * GIB)
    assert account.unavailable_bytes == (8192 - 5000) * MIB
    assert (account.node_used, account.beside, account.notes, account.problems) == ({}, (), (), ())


def test_what_is_zero_is_not_shown() -> None:
    (only,) = explain(BARE).items
    assert (only.name, only.size_bytes) == ("unexplained", 60 * MIB)
    assert explain(BARE).unavailable_bytes is None
    # Less than nothing is: the sources are of different moments.
    odd = replace(BARE, meminfo=BARE.meminfo | {"Cached": 5 * MIB, "Shmem": 5 * MIB})
    assert [item.name for item in explain(odd).items] == ["page cache", "unexplained"]
    # Nothing in all, but something on a node.
    apart = replace(
        BARE,
        meminfo=BARE.meminfo | {"PageTables": 0},
        nodes={0: {"MemTotal": 100 * MIB, "MemFree": 40 * MIB, "PageTables": MIB}},
    )
    assert [item.name for item in explain(apart).items] == ["page tables", "unexplained"]


def test_the_steps_from_the_plain_sum_to_what_nobody_names() -> None:
    plain = 4096 - sum(FIELDS[name] for name in (
        "Buffers", "Cached", "SwapCached", "AnonPages", "Slab", "KernelStack", "PageTables",
        "SecPageTables", "Quicklists", "Bounce", "WritebackTmp", "VmallocUsed", "Percpu",
        "Hugetlb", "Zswap", "HardwareCorrupted", "GPUActive", "GPUReclaim",
    ))  # fmt: skip
    zone = Zone(node=0, name="Normal", present=0, managed=0, free=0, per_cpu_free=512)
    assert step_words(explain(replace(MADE, zones=(zone,)))) == [
        (plain, "by the plain sum of meminfo's fields"),
        (plain + 7, "with vmapped kernel stacks counted once: VmallocUsed holds them (assumed, as "
                    "on every x86-64 kernel of a distribution (CONFIG_VMAP_STACK))"),
        (plain + 11, "without the first per-CPU chunk, which Percpu counts and MemTotal does not"),
        (plain + 8, "with swap cache, vmalloc memory and other reclaimable memory set right"),
        (plain + 6, "without what sources beside meminfo have a name for"),
    ]  # fmt: skip
    assert step_words(explain(BARE)) == [(60, "by the plain sum of meminfo's fields")]


def with_fields(**fields_mib: int) -> MemoryFacts:
    return replace(
        BARE, meminfo=BARE.meminfo | {name: size * MIB for name, size in fields_mib.items()}
    )


@pytest.mark.parametrize(
    ("facts", "vmalloc", "steps"),
    [
        # Stacks are in VmallocUsed, where they fit into it and there are any.
        (with_fields(VmallocUsed=6, KernelStack=5, Percpu=0), 1, 2),
        (with_fields(VmallocUsed=5, KernelStack=5, Percpu=0), 0, 2),
        (with_fields(VmallocUsed=4, KernelStack=5, Percpu=0), 4, 1),
        (with_fields(VmallocUsed=4, KernelStack=0, Percpu=0), 4, 1),
        (with_fields(VmallocUsed=4, Percpu=0), 4, 1),
        (with_fields(VmallocUsed=6, KernelStack=5, Percpu=0, LowTotal=1), 6, 1),
    ],
)
def test_stacks_in_vmalloc_memory(facts: MemoryFacts, vmalloc: int, steps: int) -> None:
    account = explain(facts)
    sizes = {item.name: item.size_bytes / MIB for item in account.items}
    assert sizes.get("vmalloc", 0) == vmalloc
    assert len(account.steps) == steps


@pytest.mark.parametrize(
    ("unit", "units", "possible", "percpu", "outside"),
    [
        (MIB, 4, 3, 16, 4),
        (MIB, None, 3, 16, 3),
        (MIB, None, None, 16, 0),
        (MIB, 0, 3, 16, 3),
        (None, 4, 3, 16, 0),
        (MIB, 20, 3, 16, 16),
        (0, 4, 3, 16, 0),
    ],
)
def test_the_first_chunk(
    unit: int | None, units: int | None, possible: int | None, percpu: int, outside: int
) -> None:
    facts = replace(with_fields(Percpu=percpu), percpu_unit_bytes=unit, percpu_units=units,
                    cpus_possible=possible)  # fmt: skip
    account = explain(facts)
    sizes = {item.name: item.size_bytes / MIB for item in account.items}
    assert sizes.get("per-CPU areas", 0) == percpu - outside
    assert account.unexplained.size_bytes == (60 - percpu + outside) * MIB
    assert explain(replace(facts, meminfo=BARE.meminfo)).unexplained.size_bytes == 60 * MIB


NODE = {"MemTotal": 50 * MIB, "MemFree": 20 * MIB}


def test_nodes_add_up_apart() -> None:
    nodes = {
        0: NODE | {"FilePages": 9 * MIB, "PageTables": 2 * MIB, "Slab": 5 * MIB},
        3: NODE | {"FilePages": 1 * MIB},
    }
    facts = replace(with_fields(Cached=10, PageTables=2, Slab=5), nodes=nodes)
    account = explain(facts)
    assert account.node_used == {0: 30 * MIB, 3: 30 * MIB}
    assert account.unexplained.nodes == {0: 14 * MIB, 3: 29 * MIB}
    assert account.notes == ()


@pytest.mark.parametrize(
    ("free", "note"),
    [
        (20 * MIB, ()),
        (19 * MIB, ()),
        (19 * MIB - KIB * 100,
         ("the nodes' files are of another moment than meminfo: together +1.1 MiB",)),
        (22 * MIB,
         ("the nodes' files are of another moment than meminfo: together -2.0 MiB",)),
    ],
)  # fmt: skip
def test_nodes_of_another_moment(free: int, note: tuple[str, ...]) -> None:
    nodes = {0: NODE | {"FilePages": 0}, 1: NODE | {"MemFree": free, "FilePages": 0}}
    assert explain(replace(BARE, nodes=nodes)).notes == note


def test_what_has_no_figure_per_node_is_in_what_is_left_of_it() -> None:
    nodes = {0: NODE | {"FilePages": 4 * MIB}, 1: NODE}
    facts = replace(with_fields(Cached=4, Zswap=3, Bounce=2), nodes=nodes)
    assert explain(facts).notes == (
        "per node the unexplained holds what has no figure per node, too: zswap 3.0 MiB, "
        "bounce buffers 2.0 MiB",
    )
    totals = replace(facts, nodes={0: NODE, 1: NODE})
    assert explain(totals).notes == (
        "per node only totals are known: the capture has no meminfo of its nodes",
    )
    assert explain(replace(facts, nodes={})).notes == ()


def test_notes_on_vmalloc_memory() -> None:
    areas = tuple(
        VmallocArea(size_bytes=9 * MIB, caller=caller, pages=pages, kinds=("vmalloc",))
        for caller, pages in (
            ("alloc_large_system_hash", 256), ("alloc_large_system_hash", 256), ("f", 128),
            ("dup_task_struct", 64),
        )
    )  # fmt: skip
    facts = replace(
        with_fields(VmallocUsed=4, KernelStack=1, Percpu=0), vmalloc=areas,
        truncated=("vmallocinfo",),
    )  # fmt: skip
    hashes = (
        "less RAM would save little of this: the large hash tables follow it "
        "(alloc_large_system_hash, 2.0 MiB), and struct pages of RAM are not part of MemTotal"
    )
    assert explain(facts).notes == (
        "vmallocinfo is a part of a listing: 2.8 of 4.0 MiB are in it; sums from it are lower "
        "bounds",
        hashes,
    )
    assert explain(replace(facts, truncated=("slabinfo",))).notes == (hashes,)
    old = replace(facts, truncated=(), meminfo=BARE.meminfo)
    assert explain(old).notes == (
        "this kernel does not fill VmallocUsed: vmallocinfo's pages count",
        hashes,
    )
    assert explain(replace(BARE, truncated=("vmallocinfo",))).notes == (
        "vmallocinfo is a part of a listing: 0.0 of 0.0 MiB are in it; sums from it are lower "
        "bounds",
    )


def test_fields_that_nobody_knows_are_a_problem() -> None:
    facts = replace(BARE, problems=("one",), unknown_fields=("Foo", "Bar"))
    assert explain(facts).problems == (
        "one",
        "meminfo: fields that this hotkit cannot place, counted nowhere: Foo, Bar",
    )
    assert explain(replace(facts, unknown_fields=())).problems == ("one",)


def test_namespaces_that_are_in_the_tree_are_measured() -> None:
    space = PmemSpace(name="n", mode="fsdax", size_bytes=640 * MIB, map_in="mem")
    account = explain(replace(BARE, pmem_spaces=(space,), kernel_release="6.1.0"))
    (whole,) = account.items
    assert [(item.name, item.size_bytes / MIB) for item in whole.children] == [
        ("struct pages of PMEM", 10), ("unexplained", 50),
    ]  # fmt: skip
    assert str(account.suspects[0].fit) == "in the tree"
    assert step_words(account) == [
        (60, "by the plain sum of meminfo's fields"),
        (50, "without what sources beside meminfo have a name for"),
    ]


def test_namespaces_too_large_for_what_is_left_are_not_in_the_tree() -> None:
    space = PmemSpace(name="n", mode="fsdax", size_bytes=6400 * MIB, map_in="mem")
    zone = Zone(node=0, name="Normal", present=0, managed=0, free=0, per_cpu_free=512)
    account = explain(replace(BARE, pmem_spaces=(space,), kernel_release="6.1.0", zones=(zone,)))
    assert [item.name for item in account.items[0].children] == [
        "free pages on lists of CPUs", "unexplained",
    ]  # fmt: skip
    assert str(account.suspects[0].fit) == "cannot be"


def test_what_vmallocinfo_lists_beside_is_kept_beside() -> None:
    area = VmallocArea(size_bytes=3 * MIB, caller="acpi", pages=None, kinds=("ioremap",))
    account = explain(replace(BARE, vmalloc=(area,)))
    assert [(item.name, item.size_bytes) for item in account.beside] == [("ioremap", 3 * MIB)]
