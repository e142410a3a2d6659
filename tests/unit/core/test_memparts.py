"""The parts that fields of meminfo count: each item as a whole, of all fields and of none."""

import pytest

from hotkit.core import memparts
from hotkit.core.memaccount import Kind, MemoryItem
from hotkit.core.memfacts import Held, MemoryFacts, SlabCache
from hotkit.core.memvmalloc import Vmalloc
from hotkit.core.units import GIB, KIB, MIB

BARE = MemoryFacts(name="x", meminfo={})


def facts(nodes=None, more=None, **mib):
    """Fields, of the machine and of its nodes, in MiB."""
    fields = {name: size * MIB for name, size in mib.items()}
    places = {
        node: {name: size * MIB for name, size in of.items()} for node, of in (nodes or {}).items()
    }
    return MemoryFacts(name="x", meminfo=fields, nodes=places, **more or {})


def ram(name, size, source, **more):
    return MemoryItem(name=name, size_bytes=size, kind=Kind.RAM, source=source, **more)


def mib(**nodes):
    return {int(name[1:]): size * MIB for name, size in nodes.items()}


def cache_of(size, files, shared, nodes):
    """`files`: size and note; `shared`: size and children; `nodes`: of all, files and shared."""
    return ram(
        "page cache", size, "meminfo Cached + Buffers", nodes=nodes[0],
        children=(
            ram("files and block devices", files[0], "meminfo Cached - Shmem + Buffers",
                nodes=nodes[1], note=files[1],
                scales_with="what is read; freed when somebody needs it"),
            ram("shared memory and tmpfs", shared[0], "meminfo Shmem", nodes=nodes[2],
                children=shared[1]),
        ),
    )  # fmt: skip


def test_page_cache_of_files_and_of_tmpfs():
    node = {"FilePages": 30, "SwapCached": 2, "Shmem": 5}
    held = (
        Held(name="/run", size_bytes=3),
        Held(name="/x", size_bytes=0),
        Held(name="/b", size_bytes=1),
    )
    known = facts(
        {0: node, 1: {"FilePages": 4}, 2: {"Shmem": 9}}, {"tmpfs": held},
        Cached=40, Buffers=3, Shmem=6, Dirty=2, Mapped=1,
    )  # fmt: skip
    note = "of it 3.0 MiB block devices, 2.0 MiB dirty, 1.0 MiB mapped"
    tmpfs = (ram("tmpfs /run", 3, "statfs"), ram("tmpfs /b", 1, "statfs"))
    nodes = (mib(n0=28, n1=4), mib(n0=23, n1=4), mib(n0=5, n1=0))
    assert memparts.page_cache(known) == cache_of(
        43 * MIB, (37 * MIB, note), (6 * MIB, tmpfs), nodes
    )
    assert memparts.page_cache(BARE) == cache_of(0, (0, None), (0, ()), ({}, {}, {}))
    dirty = memparts.page_cache(facts(Cached=4, Dirty=1, Mapped=0)).children[0]
    assert dirty.note == "of it 1.0 MiB dirty"


ALONE = ("swap cache, not mapped", "meminfo SwapCached, without what is in AnonPages")


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, 0),
        ({"Active(anon)": 3, "Inactive(anon)": 1}, 0),
        ({"SwapCached": 5}, 5),
        ({"SwapCached": 5, "Active(anon)": 3}, 5),
        ({"SwapCached": 5, "Inactive(anon)": 3}, 5),
        ({"SwapCached": 5, "Active(anon)": 3, "Inactive(anon)": 1}, 4),
        ({"SwapCached": 5, "Active(anon)": 3, "Inactive(anon)": 4}, 5),
        ({"SwapCached": 5, "Active(anon)": 9, "Inactive(anon)": 4, "AnonPages": 8, "Shmem": 2}, 3),
        ({"SwapCached": 5, "Active(anon)": 9, "Inactive(anon)": 4, "AnonPages": 8, "Shmem": 5}, 0),
        ({"SwapCached": 5, "Active(anon)": 9, "Inactive(anon)": 4, "AnonPages": 9, "Shmem": 9}, 0),
    ],
)
def test_swap_cache_that_no_process_maps(fields, size):
    """The anonymous lists hold what is mapped, shared memory, and it."""
    name, source = ALONE
    nodes = mib(n3=size) if "SwapCached" in fields else {}
    assert memparts.swap_cache(facts({3: fields, 4: {}}, **fields)) == ram(
        name, size * MIB, source, nodes=nodes
    )


@pytest.mark.parametrize(("huge", "note"), [(3, "3 MiB in huge pages"), (0, None)])
def test_anonymous_memory(huge, note):
    known = facts({0: {"AnonPages": 7}, 1: {}}, AnonPages=9, AnonHugePages=huge)
    assert memparts.processes_anonymous(known) == ram(
        "anonymous memory of processes", 9 * MIB, "meminfo AnonPages", nodes=mib(n0=7), note=note,
        scales_with="services",
    )  # fmt: skip
    bare = memparts.processes_anonymous(BARE)
    assert (bare.size_bytes, bare.nodes, bare.note) == (0, {}, None)


def caches(**sizes):
    made = [
        SlabCache(name=name, size_bytes=size, objects=1, object_bytes=1)
        for name, size in sizes.items()
    ]
    return {"slabs": tuple(made)}


def test_slab_and_what_is_in_no_cache():
    known = facts({0: {"Slab": 8}, 1: {}}, caches(a=KIB, c=MIB, b=MIB), Slab=10, SReclaimable=4)
    listed = (ram("b", MIB, "slabinfo"), ram("c", MIB, "slabinfo"), ram("a", KIB, "slabinfo"))
    rest = ram("in no cache", 8 * MIB - KIB, "meminfo Slab - slabinfo",
               note="kmalloc() of more than 8 KiB takes whole pages")  # fmt: skip
    assert memparts.slab(known) == ram(
        "slab", 10 * MIB, "meminfo Slab", nodes=mib(n0=8), note="of it 4.0 MiB reclaimable",
        children=(*listed, rest),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "names"),
    [(MIB - 1, ["a", "in no cache"]), (MIB, ["a"]), (MIB + 1, ["a"])],
)
def test_slabs_that_are_listed_in_full_leave_nothing(size, names):
    found = memparts.slab(facts(more=caches(a=size), Slab=1))
    assert [one.name for one in found.children] == names
    assert found.next_command is None


@pytest.mark.parametrize("slabs", [None, ()])
def test_slab_without_a_list_of_caches_says_what_to_ask(slabs):
    ask = "cat /proc/slabinfo (as root)"
    found = memparts.slab(facts(more={"slabs": slabs}, Slab=1))
    assert found == ram("slab", MIB, "meminfo Slab", next_command=ask)
    assert memparts.slab(BARE) == ram("slab", 0, "meminfo Slab", next_command=ask)


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, 0),
        ({"KReclaimable": 9}, 9),
        ({"SReclaimable": 4}, 0),
        ({"KReclaimable": 9, "SReclaimable": 4}, 5),
        ({"KReclaimable": 4, "SReclaimable": 4}, 0),
        ({"KReclaimable": 3, "SReclaimable": 4}, 0),
    ],
)
def test_other_reclaimable_memory(fields, size):
    nodes = mib(n2=size) if "KReclaimable" in fields else {}
    assert memparts.other_reclaimable(facts({2: fields}, **fields)) == ram(
        "other reclaimable kernel memory", size * MIB, "meminfo KReclaimable - SReclaimable",
        nodes=nodes,
    )  # fmt: skip


@pytest.mark.parametrize(("fields", "size"), [({"KernelStack": 3}, 3), ({}, 0)])
def test_kernel_stacks(fields, size):
    nodes = mib(n1=size) if fields else {}
    assert memparts.kernel_stacks(facts({1: fields}, **fields)) == ram(
        "kernel stacks", size * MIB, "meminfo KernelStack", nodes=nodes,
        scales_with="tasks, some of them per CPU",
    )  # fmt: skip


CALLER = ram("f", 5 * MIB, "vmallocinfo")
LISTED = Vmalloc(ram_bytes=5 * MIB, nodes={0: 2}, callers=(CALLER,))


def test_vmalloc_memory_by_caller_and_what_is_not_listed():
    rest = ram("not listed", MIB, "meminfo VmallocUsed - vmallocinfo",
               next_command="cat /proc/vmallocinfo (as root; all of it)")  # fmt: skip
    assert memparts.vmalloc_memory(facts(KernelStack=2), LISTED, 8 * MIB, True) == ram(
        "vmalloc", 6 * MIB, "meminfo VmallocUsed - KernelStack", nodes={0: 2},
        note="per node: as far as vmallocinfo lists it", children=(CALLER, rest),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("used", "names"),
    [(5 * MIB - 1, ["f"]), (5 * MIB, ["f"]), (5 * MIB + 1, ["f", "not listed"])],
)
def test_vmalloc_memory_that_is_listed_in_full_leaves_nothing(used, names):
    found = memparts.vmalloc_memory(facts(KernelStack=2), LISTED, used, False)
    assert (found.size_bytes, found.source) == (used, "meminfo VmallocUsed")
    assert [one.name for one in found.children] == names
    assert found.next_command is None


def test_vmalloc_memory_without_a_listing_says_what_to_ask():
    assert memparts.vmalloc_memory(BARE, Vmalloc(), 3, True) == ram(
        "vmalloc", 3, "meminfo VmallocUsed - KernelStack",
        next_command="cat /proc/vmallocinfo (as root)",
    )  # fmt: skip


UNKNOWN = "some of it is outside MemTotal: how much, the line 'percpu: Embedded' of dmesg tells"


@pytest.mark.parametrize(
    ("unit", "percpu", "outside", "source", "note"),
    [
        (MIB, 9, 2 * MIB, "meminfo Percpu without the first chunk",
         "2 MiB of Percpu are outside MemTotal: boot code took them"),
        (None, 9, 1, "meminfo Percpu without the first chunk",
         "1 B of Percpu are outside MemTotal: boot code took them"),
        (0, 9, 0, "meminfo Percpu", None),
        (None, 9, 0, "meminfo Percpu", UNKNOWN),
        (None, None, 0, "meminfo Percpu", UNKNOWN),
    ],
)  # fmt: skip
def test_per_cpu_areas(unit, percpu, outside, source, note):
    fields = {} if percpu is None else {"Percpu": percpu}
    known = facts({0: fields}, {"percpu_unit_bytes": unit}, **fields)
    assert memparts.per_cpu_areas(known, outside) == ram(
        "per-CPU areas", (percpu or 0) * MIB - outside, source, note=note,
        scales_with="possible CPUs",
    )  # fmt: skip


def pools(size, **more):
    return ram("huge page pools", size, "meminfo Hugetlb",
               scales_with="hugepages= and vm.nr_hugepages", **more)  # fmt: skip


def counted(**meminfo):
    return MemoryFacts(name="x", meminfo=meminfo)


def test_huge_pages_by_size_and_node():
    held = {(1, GIB): GIB, (0, 2 * MIB): 4 * MIB, (0, GIB): 3 * GIB, (1, 2 * MIB): 0, (7, GIB): GIB}
    fields = {"Hugepagesize": 2 * MIB, "HugePages_Total": 2, "Hugetlb": 9}
    nodes = {node: {"HugePages_Total": 3} for node in (0, 1, 2)} | {3: {}}
    known = MemoryFacts(name="x", meminfo=fields, nodes=nodes, hugepages=held)
    assert memparts.huge_pages(known) == pools(
        9,
        nodes={0: 3 * GIB + 4 * MIB, 1: GIB, 2: 6 * MIB},
        children=(
            ram("pages of 2 MiB", 4 * MIB, "sysfs hugepages"),
            ram("pages of 1 GiB", 5 * GIB, "sysfs hugepages"),
        ),
    )


@pytest.mark.parametrize(
    ("known", "size"),
    [
        (BARE, 0),
        (counted(HugePages_Total=3), 0),
        (counted(Hugepagesize=2 * MIB), 0),
        (counted(HugePages_Total=3, Hugepagesize=2 * MIB), 6 * MIB),
        (counted(HugePages_Total=3, Hugepagesize=2 * MIB, Hugetlb=0), 0),
    ],
)
def test_huge_pages_of_a_kernel_that_counts_its_default_size_only(known, size):
    assert memparts.huge_pages(known) == pools(size)


@pytest.mark.parametrize(("fields", "size"), [({"Zswap": 3}, 3), ({}, 0)])
def test_a_field_that_is_a_part_as_it_stands(fields, size):
    known = facts({1: fields}, **fields)
    nodes = mib(n1=size) if fields else {}
    assert memparts.plain_field(known, "Zswap", "zswap", "swap") == ram(
        "zswap", size * MIB, "meminfo Zswap", nodes=nodes, scales_with="swap"
    )
    assert memparts.plain_field(known, "Zswap", "zswap").scales_with is None


def test_the_largest_first_and_names_where_two_are_equal():
    sizes = [("b", 1), ("z", 2), ("a", 1)]
    found = memparts.largest(ram(name, size, "s") for name, size in sizes)
    assert [one.name for one in found] == ["z", "a", "b"]
