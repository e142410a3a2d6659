"""Struct pages of PMEM as a suspect: each as a whole, and the boundaries between them."""

from dataclasses import replace

import pytest

from hotkit.core.memaccount import Fit, Suspect
from hotkit.core.memfacts import MemoryFacts, PmemSpace
from hotkit.core.suspectpmem import (
    compared,
    direct_map,
    of_namespaces,
    pmem_suspects,
    struct_pages_of,
)
from hotkit.core.units import GIB, KIB, MIB

ASK = "ndctl list -N -v; daxctl list (mode, map and align of every namespace)"
NAME = "struct pages of PMEM"
SPACE = PmemSpace(name="n0", mode="devdax", size_bytes=4 * GIB, map_in="mem", align_bytes=2 * MIB)


def machine(release="6.1.0", **more):
    return MemoryFacts(name="x", kernel_release=release, meminfo={"MemTotal": 16 * GIB}, **more)


def listed(facts, gap=100 * MIB, in_tree=False):
    return list(pmem_suspects(facts, gap, in_tree))


@pytest.mark.parametrize(
    ("changes", "release", "size"),
    [
        # 2 of 8 pages for every 2 MiB; 2 pages for every GiB; else 64 bytes a page.
        ({}, "6.1.0", 16 * MIB),
        ({"mode": "dax"}, "5.19.0", 16 * MIB),
        ({}, None, 16 * MIB),
        ({}, "5.18.0", 64 * MIB),
        ({"mode": "fsdax"}, "6.1.0", 64 * MIB),
        ({"mode": "raw"}, "6.1.0", 64 * MIB),
        ({"align_bytes": None}, "6.1.0", 64 * MIB),
        ({"align_bytes": 2 * MIB - 1}, "6.1.0", 64 * MIB),
        ({"align_bytes": 2 * MIB + 1}, "6.1.0", 16 * MIB),
        ({"align_bytes": GIB - 1}, "6.1.0", 16 * MIB),
        ({"align_bytes": GIB}, "6.1.0", 32 * KIB),
        ({"align_bytes": 2 * GIB}, "6.1.0", 32 * KIB),
        ({"align_bytes": GIB}, "5.18.0", 64 * MIB),
        ({"align_bytes": GIB, "mode": "fsdax"}, "6.1.0", 64 * MIB),
        ({"map_in": "dev"}, "6.1.0", 0),
        ({"map_in": None}, "6.1.0", 0),
        ({"system_ram": True}, "6.1.0", 64 * MIB),
        ({"system_ram": True, "map_in": "dev"}, "6.1.0", 64 * MIB),
        ({"size_bytes": 255}, "6.1.0", 0),
        ({"size_bytes": 256}, "6.1.0", 1),
        ({"system_ram": True, "size_bytes": 127}, "6.1.0", 1),
    ],
)
def test_struct_pages_of_a_namespace(changes, release, size):
    assert struct_pages_of(replace(SPACE, **changes), machine(release)) == size


@pytest.mark.parametrize(("itself", "size"), [(None, 64 * MIB), (False, 64 * MIB), (True, 0)])
def test_ram_that_may_hold_its_struct_pages_itself_takes_none(itself, size):
    facts = machine(memmap_on_memory=itself, pmem_spaces=(replace(SPACE, system_ram=True), SPACE))
    assert struct_pages_of(facts.pmem_spaces[0], facts) == size
    assert of_namespaces(facts) == size + 16 * MIB


def test_no_namespaces_have_no_struct_pages():
    assert of_namespaces(machine()) == 0


@pytest.mark.parametrize("gap", [10 * MIB, 10 * MIB + 1])
def test_a_suspect_that_is_no_larger_fits(gap):
    assert compared("n", 10 * MIB, gap, "why", "ask") == Suspect(
        name="n", fit=Fit.FITS, size_bytes=10 * MIB,
        sentence="why: 10.0 MiB; it would leave 0.0 MiB", next_command="ask",
    )  # fmt: skip


def test_a_suspect_that_is_larger_cannot_be_it():
    assert compared("n", 10 * MIB, 10 * MIB - 1, "why", "ask") == Suspect(
        name="n", fit=Fit.TOO_LARGE, size_bytes=10 * MIB,
        sentence="why: 10.0 MiB is more than the 10.0 MiB that are unexplained",
    )  # fmt: skip
    left = compared("n", 10 * MIB, 25 * MIB, "why")
    assert left.sentence == "why: 10.0 MiB; it would leave 15.0 MiB"
    assert left.next_command is None


def direct(free_of_pmem, pmem=None, fields=None, present=None):
    """The direct map covers 16 GiB of RAM and so much more."""
    meminfo = {"MemTotal": 15 * GIB, "DirectMap4k": GIB, "DirectMap1G": 15 * GIB + free_of_pmem}
    return direct_map(
        MemoryFacts(
            name="x", meminfo=meminfo if fields is None else fields,
            pmem_bytes={2: 4 * GIB, 3: 6 * GIB} if pmem is None else pmem,
            present_bytes={0: 9 * GIB, 1: 7 * GIB} if present is None else present,
        )
    )  # fmt: skip


ALL = ": all of it is mapped as memory with struct pages is. Where they lie is not in this capture"
SOME = ": a part of the PMEM is in it"
NONE = ": the PMEM is not in it, so that it has no struct pages"


@pytest.mark.parametrize(
    ("more", "covers", "fit", "end"),
    [
        (10 * GIB, "26.0", Fit.UNKNOWN, ALL),
        (9 * GIB, "25.0", Fit.UNKNOWN, ALL),
        (9 * GIB - 1, "25.0", Fit.UNKNOWN, SOME),
        (GIB, "17.0", Fit.UNKNOWN, SOME),
        (GIB - 1, "17.0", Fit.NONE, NONE),
        (0, "16.0", Fit.NONE, NONE),
    ],
)
def test_the_direct_map_tells_whether_pmem_is_mapped_as_memory(more, covers, fit, end):
    """10 GiB of PMEM: from nine tenths of it on all of it, below one tenth none."""
    says = f"the kernel's direct map covers {covers} GiB, RAM is 16.0 GiB, PMEM 10.0 GiB"
    assert direct(more) == Suspect(
        name="PMEM in the direct map", fit=fit, sentence=says + end,
        next_command=None if fit is Fit.NONE else ASK,
    )  # fmt: skip


def test_the_direct_map_tells_nothing_without_its_fields_or_pmem():
    assert direct(0, pmem={}) is None
    assert direct(0, pmem={2: 0}) is None
    assert direct(0, fields={"MemTotal": GIB, "XDirectMap4k": GIB}) is None
    # Where nobody says how much RAM is present, MemTotal stands for it.
    assert direct(0, present={}).sentence.startswith(
        "the kernel's direct map covers 16.0 GiB, RAM is 15.0 GiB, PMEM 10.0 GiB"
    )


def test_a_machine_without_pmem_has_no_such_suspect():
    assert listed(machine()) == []
    assert listed(machine(pmem_bytes={2: 0})) == []


def test_vmstat_counts_them_where_it_can():
    facts = machine(pmem_bytes={2: 64 * GIB}, vmstat={"nr_memmap_pages": 512})
    assert listed(facts) == [
        Suspect(name=NAME, fit=Fit.MEASURED, size_bytes=2 * MIB,
                sentence="vmstat counts 2.0 MiB of struct pages that came after boot")
    ]  # fmt: skip


FOURTH_K = (
    "fsdax, or devdax with pages of 4 KiB, --map=mem, all 64.0 GiB of it (what is unexplained "
    "would do for 125 GiB)"
)
ITSELF = Suspect(
    name=f"{NAME}, in itself", fit=Fit.NONE, size_bytes=0,
    sentence="--map=dev puts them into the PMEM: they take no DRAM",
)  # fmt: skip


@pytest.mark.parametrize("release", ["5.19.0", "6.0.0", None])
def test_pmem_of_which_nobody_knows_how_it_is_set_up(release):
    """64 GiB: 1024, 256 and 0.5 MiB, a few bytes more make no more; page by page 8 tables of
    4 KiB a GiB map the second."""
    facts = machine(release, pmem_bytes={2: 30 * GIB, 3: 34 * GIB + 63})
    gap = 2000 * MIB
    assert listed(facts, gap) == [
        compared(f"{NAME}, 1/64", 1024 * MIB, gap, FOURTH_K, ASK),
        compared(f"{NAME}, 1/256", 256 * MIB, gap, "devdax aligned to 2 MiB, --map=mem, Linux 5.19 "
                 "or later (and 2.0 MiB of page tables that map them)", ASK),
        compared(f"{NAME}, 8 KiB a GiB", 512 * KIB, gap,
                 "devdax aligned to 1 GiB, --map=mem, Linux 5.19 or later", ASK),
        ITSELF,
    ]  # fmt: skip


def test_an_old_kernel_shares_no_struct_pages():
    facts = machine("5.18.2", pmem_bytes={2: 64 * GIB + 63})
    assert listed(facts, 2000 * MIB) == [
        compared(f"{NAME}, 1/64", 1024 * MIB, 2000 * MIB, FOURTH_K, ASK),
        Suspect(name=f"{NAME}, 1/256", fit=Fit.NONE,
                sentence="sharing them came with 5.19, this is 5.18.2"),
        ITSELF,
    ]  # fmt: skip


@pytest.mark.parametrize(("mapped", "names"), [(16, 1), (30, 5), (80, 5)])
def test_pmem_that_is_not_mapped_is_suspected_no_further(mapped, names):
    fields = {"MemTotal": 16 * GIB, "DirectMap1G": mapped * GIB}
    facts = replace(machine(), meminfo=fields, pmem_bytes={2: 64 * GIB})
    found = listed(facts)
    assert found[0] == direct_map(facts)
    assert len(found) == names
    assert found[1:] == listed(replace(facts, meminfo={"MemTotal": 16 * GIB}))[: names - 1]


SPACES = (
    SPACE,
    PmemSpace(name="n1", mode="raw", size_bytes=GIB),
    PmemSpace(name="n2", mode="fsdax", size_bytes=640 * MIB, map_in="mem"),
)
SAID = (
    "n0 (devdax, 4 GiB, map mem): 16.0 MiB, n1 (raw, 1 GiB, map none): 0.0 MiB, "
    "n2 (fsdax, 640 MiB, map mem): 10.0 MiB"
)


def test_namespaces_that_are_known_say_it_exactly():
    facts = machine(pmem_spaces=SPACES, pmem_bytes={2: 64 * GIB})
    size = 26 * MIB
    assert listed(facts) == [compared(NAME, size, 100 * MIB, SAID, ASK)]
    assert listed(facts, 25 * MIB) == [compared(NAME, size, 25 * MIB, SAID, ASK)]
    whole = Suspect(name=NAME, fit=Fit.MEASURED, size_bytes=size, sentence=SAID)
    assert listed(facts, in_tree=True) == [whole]
    counted = replace(facts, vmstat={"nr_memmap_pages": 256})
    sentence = f"vmstat counts 1.0 MiB; by namespace: {SAID}"
    for in_tree in (False, True):
        assert listed(counted, in_tree=in_tree) == [
            replace(whole, size_bytes=MIB, sentence=sentence)
        ]


@pytest.mark.parametrize("vmstat", [{}, {"nr_memmap_pages": 256}])
def test_namespaces_without_struct_pages_take_nothing(vmstat):
    facts = machine(pmem_spaces=SPACES[1:2], vmstat=vmstat)
    sentence = "n1 (raw, 1 GiB, map none): 0.0 MiB"
    none = Suspect(name=NAME, fit=Fit.NONE, size_bytes=0, sentence=sentence)
    assert listed(facts) == listed(facts, in_tree=True) == [none]
