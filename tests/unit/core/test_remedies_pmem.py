"""Struct pages of PMEM: each remedy to the last byte and word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core.labels import Label
from hotkit.core.layout import SlowPmem
from hotkit.core.memfacts import PmemSpace
from hotkit.core.ranges import Range
from hotkit.core.remedies_pmem import pmem_remedies
from hotkit.core.remedy import Remedy
from hotkit.core.topology import MemoryAffinity
from hotkit.core.units import GIB, MIB, PAGE_BYTES
from tests.unit.core.test_remedy import MACHINE, case, planned

BY_HAND = (
    "of namespaces that the slow tier does not need: ndctl disable-namespace NAME, or, where"
    " nothing in them matters, ndctl create-namespace --force --reconfig=NAME --mode=devdax"
    " --map=dev"
)
NOT_THERE = "Without their drivers namespaces take none, and are not there."
COMPUTED = (
    "computed: 64 B per page of each namespace that sysfs says is mapped in DRAM, a quarter and"
    " less where devdax shares them"
)
SLOW = planned(slow_pmem=SlowPmem(node=2, range=Range(64 * GIB, 128 * GIB), wanted_bytes=None))


def found(*arguments, **named):
    return {item.name: item for item in pmem_remedies(case(*arguments, **named))}


def pmem(what, saves, between, most, basis, cost=NOT_THERE, settings=(("save", "no-pmem"),)):
    return Remedy(
        name="no-pmem",
        sentence=f"{what}. {cost}",
        saves_bytes=saves,
        between=between,
        holds_bytes=most,
        basis=basis,
        settings=settings,
        step=BY_HAND,
    )


def space(size, name="a", **keys):
    return PmemSpace(**{"name": name, "mode": "fsdax", "map_in": "mem", "size_bytes": size} | keys)


RAM = {"mode": "devdax", "map_in": "dev", "system_ram": True}
ASKED = {"cmdline": "memory_hotplug.memmap_on_memory=1"}
# Three of 64, 16 and 32 GiB: 1 GiB, nothing (its own), 512 MiB as RAM.
THREE = (space(64 * GIB), space(16 * GIB, "b", map_in="dev"), space(32 * GIB, "c", **RAM))


def of(names, saves, between=None, most=4 * GIB):
    lies = f"The struct pages of {names} lie in DRAM, {saves}"
    sizes = {"1 GiB": GIB, "1.5 GiB": GIB + 512 * MIB, "1536 MiB": GIB + 512 * MIB,
             "512 MiB": 512 * MIB, "0 B": 0}  # fmt: skip
    return pmem(lies, sizes[saves], between, most, COMPUTED)


@pytest.mark.parametrize(
    ("spaces", "facts", "remedy"),
    [
        (THREE, {}, of("a, c", "1536 MiB")),
        (THREE[:2], {}, of("a", "1 GiB")),
        (THREE[2:], {}, of("c", "512 MiB")),
        ((), {}, of("", "0 B")),
        # Asked to hold its own it does so since 6.8, or it does not.
        (THREE, ASKED, of("a, c", "1536 MiB", (GIB, GIB + 512 * MIB))),
        (THREE[2:], ASKED, of("c", "512 MiB", (0, 512 * MIB))),
        (THREE[:2], ASKED, of("a", "1 GiB")),
        # No more than is in use without a name.
        (THREE, {"nameless": GIB}, of("a, c", "1 GiB", most=GIB)),
        (THREE, {"nameless": GIB} | ASKED, of("a, c", "1 GiB", most=GIB)),
    ],
)  # fmt: skip
def test_of_namespaces_that_are_known(spaces, facts, remedy):
    assert found(pmem_spaces=spaces, **facts)["no-pmem"] == remedy


@pytest.mark.parametrize(
    ("values", "unsure"),
    [(("1",), True), (("Y",), True), (("force",), True), (("0",), False), (("n",), False),
     (("N",), False), (("off",), False), (("0", "1"), True), (("1", "0"), False)],
)  # fmt: skip
def test_whether_ram_was_asked_to_hold_its_own(values, unsure):
    """The last one counts."""
    line = " ".join(f"memory_hotplug.memmap_on_memory={value}" for value in values)
    remedy = found(pmem_spaces=THREE, cmdline=line)["no-pmem"]
    assert (remedy.between is not None) is unsure


def test_what_the_kernel_counts_is_the_most():
    counted = {"nr_memmap_pages": GIB // PAGE_BYTES}
    remedy = found(pmem_spaces=THREE, vmstat=counted, nameless=MIB)["no-pmem"]
    assert remedy == of("a, c", "1 GiB", most=GIB)
    more = {"nr_memmap_pages": 5 * GIB // PAGE_BYTES}
    assert found(pmem_spaces=THREE, vmstat=more)["no-pmem"].holds_bytes == 4 * GIB


def guessed(pmem_size, whole, shared, saves, most="4 GiB", most_bytes=4 * GIB, high=None):
    what = (
        f"Struct pages of {pmem_size} of PMEM may lie in DRAM: 1/64 of it is {whole}, 1/256 (devdax"
        f" of 2M pages since 5.19) {shared}; {most} are there that nothing else has a name for"
    )
    basis = "a guess by size, not measured; `ndctl list -N` and `daxctl list` would tell"
    return pmem(what, saves, (0, saves if high is None else high), most_bytes, basis)


OF_64 = guessed("64 GiB", "1 GiB", "256 MiB", GIB)
MIB_700 = {"most": "700 MiB", "most_bytes": 700 * MIB}


@pytest.mark.parametrize(
    ("meminfo", "facts", "remedy"),
    [
        ({}, {"pmem_bytes": {2: 32 * GIB, 3: 32 * GIB}}, OF_64),
        ({}, {}, guessed("0 B", "0 B", "0 B", 0)),
        # Exactly as much as is there without a name can be it.
        ({}, {"pmem_bytes": {2: 64 * GIB}, "nameless": GIB},
         guessed("64 GiB", "1 GiB", "256 MiB", GIB, "1 GiB", GIB)),
        ({}, {"pmem_bytes": {2: 64 * GIB}, "nameless": 700 * MIB},
         guessed("64 GiB", "1 GiB", "256 MiB", 256 * MIB, **MIB_700, high=700 * MIB)),
        ({}, {"pmem_bytes": {2: 64 * GIB}, "nameless": 256 * MIB},
         guessed("64 GiB", "1 GiB", "256 MiB", 256 * MIB, "256 MiB", 256 * MIB)),
        ({}, {"pmem_bytes": {2: 64 * GIB}, "nameless": 255 * MIB},
         guessed("64 GiB", "1 GiB", "256 MiB", 0, "255 MiB", 255 * MIB, high=255 * MIB)),
        # Before 5.19 nothing is shared.
        ({}, {"pmem_bytes": {2: 64 * GIB}, "nameless": 700 * MIB, "kernel_release": "5.18"},
         guessed("64 GiB", "1 GiB", "256 MiB", 0, **MIB_700, high=700 * MIB)),
        ({}, {"pmem_bytes": {2: 64 * GIB}, "nameless": 700 * MIB, "kernel_release": "5.19.1"},
         guessed("64 GiB", "1 GiB", "256 MiB", 256 * MIB, **MIB_700, high=700 * MIB)),
        # The direct map has all of it, or none.
        ({"DirectMap1G": 128 * GIB}, {"pmem_bytes": {2: 64 * GIB}}, OF_64),
        ({"DirectMap1G": 96 * GIB}, {"pmem_bytes": {2: 64 * GIB}}, OF_64),
        ({"DirectMap1G": 64 * GIB}, {"pmem_bytes": {2: 64 * GIB}}, guessed("0 B", "0 B", "0 B", 0)),
    ],
)  # fmt: skip
def test_of_pmem_that_only_its_size_is_known_of(meminfo, facts, remedy):
    assert found(meminfo, **facts)["no-pmem"] == remedy


def test_a_guess_is_whole_bytes():
    remedy = found(pmem_bytes={2: 64 * GIB + 255}, nameless=700 * MIB)["no-pmem"]
    assert (remedy.saves_bytes, remedy.between) == (256 * MIB, (0, 700 * MIB))


def test_the_firmwares_tables_say_how_much_where_the_capture_does_not():
    affinity = tuple(
        MemoryAffinity(node=node, range=Range(node * 64 * GIB, node * 64 * GIB + size),
                       nonvolatile=True)
        for node, size in ((1, 16 * GIB), (2, 48 * GIB))
    )  # fmt: skip
    machine = replace(MACHINE, nodes=(0, 1, 2), affinity=affinity)
    assert found(topology=machine)["no-pmem"] == OF_64
    captured = found(topology=machine, pmem_bytes={1: 16 * GIB})["no-pmem"]
    assert captured == guessed("16 GiB", "256 MiB", "64 MiB", 256 * MIB)


def test_of_a_slow_tier_only_other_namespaces_can_go():
    cost = "Disabled, a namespace takes none; with map=dev it holds its own, and loses what was in"
    what = "The struct pages of a lie in DRAM, 1 GiB"
    wanted = pmem(what, GIB, None, 4 * GIB, COMPUTED, f"{cost} it.", ())
    assert found(pmem_spaces=THREE[:1], layout=SLOW)["no-pmem"] == wanted
    assert found(pmem_spaces=THREE[:1], layout=planned())["no-pmem"] == of("a", "1 GiB")


def test_what_the_layout_has_already_is_no_remedy():
    none = planned("initcall_blacklist=nd_pmem_driver_init,dax_pmem_init")
    assert found(layout=none) == {}
    asked = replace(SLOW, args=("memory_hotplug.memmap_on_memory=1",))
    assert list(found(layout=asked)) == ["no-pmem"]
    assert list(found(layout=SLOW)) == ["no-pmem", "memmap-on-memory"]
    assert list(found(layout=planned())) == list(found()) == ["no-pmem"]


ONLINE = 64 * GIB - 128 * MIB  # the first block of 128 MiB has the info block of the namespace


@pytest.mark.parametrize(
    ("release", "said", "sure"),
    [
        ("6.8", ".", True),
        ("6.12.1-amd64", ".", True),
        ("6.7.9", " (6.7.9 ran here).", False),
        (None, " (unknown ran here).", False),
    ],
)
def test_ram_that_holds_its_own(release, said, sure):
    assert found(layout=SLOW, kernel_release=release)["memmap-on-memory"] == Remedy(
        name="memmap-on-memory",
        sentence="The PMEM that becomes RAM has its struct pages in DRAM; with memmap_on_memory it"
        f" holds them itself, and is so much smaller. It takes Linux 6.8 or later{said}",
        saves_bytes=ONLINE // 64,
        between=None if sure else (0, ONLINE // 64),
        holds_bytes=ONLINE // 64,
        basis="computed: 64 B per page of the PMEM that the layout puts online",
        settings=(("save", "memmap-on-memory"),),
    )


@pytest.mark.parametrize(
    ("label", "lost"),
    [(None, 2 * GIB), (Label(platform="metal"), 2 * GIB), (Label(platform="virtual"), 128 * MIB)],
)
def test_blocks_of_a_large_machine_are_of_2_gib_unless_it_is_a_vm(label, lost):
    """A VM's are those that the end of its RAM is a multiple of."""
    slow = SlowPmem(node=2, range=Range(128 * GIB, 192 * GIB), wanted_bytes=None)
    large = planned(kept=(64 * GIB + 128 * MIB,), slow_pmem=slow)
    remedy = found(layout=large, label=label)["memmap-on-memory"]
    assert remedy.saves_bytes == (64 * GIB - lost) // 64
