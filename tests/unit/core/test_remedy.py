"""One remedy and what it is worked out from: bounds, defaults, and lines of a profile."""

from __future__ import annotations

import pytest

from hotkit.core.layout import Layout, NodePlan
from hotkit.core.memfacts import MemoryFacts, VmallocArea
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.remedy import LIST_KEYS, WORTH_BYTES, Case, Remedy, profile_text, within
from hotkit.core.topology import Cpu, Topology
from hotkit.core.units import GIB, MIB, PAGE_BYTES

TOTAL = {"MemTotal": 64 * GIB, "MemFree": 60 * GIB}
MACHINE = Topology(
    name="m", source="test", nodes=(0,), firmware=(), affinity=(),
    cpus=tuple(Cpu(number=n, node=0) for n in range(6)),
)  # fmt: skip


def planned(*args, kept=(16 * GIB,), slow_pmem=None):
    nodes = tuple(
        NodePlan(
            node=number, role="fast", wanted_bytes=None, present_bytes=64 * GIB, reserved=(),
            predicted=RangeSet((Range(0, size),)),
        )
        for number, size in enumerate(kept)
    )  # fmt: skip
    return Layout(
        profile="p", topology="t", style="$", size_means="present", args=args, nodes=nodes,
        cpus=(), slow_pmem=slow_pmem,
    )  # fmt: skip


def case(meminfo=(), *, layout=None, topology=None, nameless=4 * GIB, **facts):
    made = MemoryFacts(name="made up", meminfo=TOTAL | dict(meminfo), **facts)
    return Case(facts=made, nameless_bytes=nameless, layout=layout, topology=topology)


def area(caller, pages):
    return VmallocArea(size_bytes=GIB, caller=caller, pages=pages, kinds=())


def remedy(**keys):
    must = {"name": "n", "sentence": "It is.", "saves_bytes": 5, "holds_bytes": 7, "basis": "b"}
    return Remedy(**(must | keys))


def test_a_remedy_as_json():
    assert remedy().to_dict() == {
        "name": "n", "sentence": "It is.", "saves_bytes": 5, "between_bytes": None,
        "holds_bytes": 7, "basis": "b", "in_profile": False, "apply": "", "by_itself": False,
    }  # fmt: skip
    full = remedy(between=(1, 6), settings=(("save", "x"),), step="do it", by_itself=True)
    assert full.to_dict() == {
        "name": "n", "sentence": "It is.", "saves_bytes": 5, "between_bytes": [1, 6],
        "holds_bytes": 7, "basis": "b", "in_profile": True, "apply": "save: [x]",
        "by_itself": True,
    }  # fmt: skip
    assert remedy(step="do it").apply == "do it"


def test_lines_of_a_profile():
    several = [
        remedy(settings=(("save", "b"), ("cpu_limit", "maxcpus"))),
        remedy(step="by hand"),
        remedy(settings=(("mask_units", "u.service"), ("extra", "quiet"), ("save", "a"))),
        remedy(settings=(("save", "b"), ("cpu_limit", "nr_cpus"))),
    ]
    assert profile_text(several) == (
        "cpu_limit: nr_cpus\nsave: [b, a]\nmask_units: [u.service]\nextra: [quiet]"
    )
    assert profile_text([]) == ""
    assert LIST_KEYS == ("save", "mask_units", "extra") and WORTH_BYTES == MIB


@pytest.mark.parametrize(
    ("size", "most", "found"), [(5, 7, 5), (7, 7, 7), (9, 7, 7), (-1, 7, 0), (5, -1, 0), (0, 0, 0)]
)
def test_a_size_within_what_there_is(size, most, found):
    assert within(size, most) == found


def test_what_is_used_and_a_field_of_it():
    one = case({"Cached": GIB, "Shmem": 5 * GIB})
    assert one.used_bytes == 4 * GIB
    assert [one.field(name) for name in ("Cached", "Shmem", "Slab")] == [GIB, 4 * GIB, 0]
    damaged = case({"MemFree": 65 * GIB, "Cached": GIB})
    assert damaged.used_bytes == damaged.field("Cached") == 0


def test_possible_cpus():
    assert case().cpus_possible == 0
    assert case(topology=MACHINE).cpus_possible == 6
    assert case(topology=MACHINE, cpus_possible=8).cpus_possible == 8


@pytest.mark.parametrize(
    ("layout", "line", "left"),
    [
        (None, None, 3),
        (None, "ro", 3),
        (None, "ro maxcpus=2", 2),
        (planned("maxcpus=1"), "ro maxcpus=2", 1),
        (planned("nr_cpus=5"), None, 5),
        (planned("quiet"), "ro maxcpus=2", None),
    ],
)
def test_cpus_that_come_up(layout, line, left):
    assert case(layout=layout, cmdline=line, cpus_online=3).cpus_left == left


def test_ram_that_is_kept():
    assert case().kept_bytes == 64 * GIB
    assert case(present_bytes={0: GIB, 1: 2 * GIB}).kept_bytes == 3 * GIB
    two = planned(kept=(GIB, 4 * GIB))
    assert case(present_bytes={0: GIB}, layout=two).kept_bytes == 5 * GIB


def test_what_a_layout_applies_already():
    assert case().applied("no-crashkernel") is False
    assert case(layout=planned()).applied("no-crashkernel") is False
    assert case(layout=planned("crashkernel=0")).applied("no-crashkernel") is True
    assert case(layout=planned("nokaslr", "crashkernel=0")).applied("no-crashkernel") is True
    most = planned("page_owner=off", "slub_debug=-")
    assert case(layout=most).applied("no-debug") is False
    # Its numbers are those of the RAM that the layout keeps.
    hashes = ("dhash_entries=262144", "ihash_entries=131072", "mhash_entries=4096",
              "mphash_entries=4096", "thash_entries=16384", "uhash_entries=1024")  # fmt: skip
    assert case(layout=planned(*hashes)).applied("hashes") is True
    assert case(layout=planned(*hashes, kept=(8 * GIB,))).applied("hashes") is False


def test_values_of_an_argument():
    one = case(cmdline="hugepages=1 quiet hugepages=2")
    assert one.given("hugepages") == ("1", "2")
    assert one.given("quiet") == ("",)
    assert one.given("ro") == case().given("ro") == ()


def test_ram_behind_vmalloc_areas():
    one = case(
        vmalloc=(area("xfs_a", 2), area("xfs_b", None), area("ext4_a", 3), area("a_xfs_", 9))
    )
    assert one.vmalloc("xfs_") == 2 * PAGE_BYTES
    assert one.vmalloc("xfs_", "ext4_") == 5 * PAGE_BYTES
    assert one.vmalloc("zfs_") == case().vmalloc("xfs_") == 0
    assert case(vmalloc=(area("x", 2 * GIB // PAGE_BYTES), area("x", GIB))).vmalloc("x") == 4 * GIB
