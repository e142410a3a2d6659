"""What is said of the slow tier, in every word: expected, found, verdict and sentence."""

from dataclasses import replace

import pytest

from hotkit.core.observed import DaxDevice, NodeState
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.tier_checks import tier_checks
from hotkit.core.units import GIB, MIB
from tests.unit.core.test_tier_checks import DAX, GOOD, LAYOUT, PMEM

BLOCK = 128 * MIB
WANTED = "1 GiB (8 blocks of 128 MiB) of [mem 0x100000000-0x17fffffff] online as RAM"
FOUND = "1 GiB (8 blocks of 128 MiB) online, MemTotal of node 2 1 GiB"
DRAM = replace(LAYOUT, slow_pmem=None)


def said(name, change, layout=LAYOUT):
    found = {item.name: item for item in tier_checks(layout, replace(GOOD, **change))}
    item = found.get(name)
    return item and (str(item.verdict), item.expected, item.found, item.sentence)


def node_2(**more):
    return {"nodes": (GOOD.nodes[0], replace(GOOD.nodes[1], **more))}


def test_the_checks_in_their_order():
    assert [item.name for item in tier_checks(LAYOUT, GOOD)] == [
        "pmem-node2", "distance-node2", "tier-node2",
    ]  # fmt: skip
    assert [item.name for item in tier_checks(DRAM, GOOD)] == ["distance-node2", "tier-node2"]
    assert [item.name for item in tier_checks(replace(LAYOUT, tiers=()), GOOD)] == ["pmem-node2"]


@pytest.mark.parametrize(
    ("change", "verdict", "found", "sentence"),
    [
        ({}, "pass", FOUND, "The slow tier is there, to the memory block."),
        # With memmap_on_memory, 64 bytes of each 4 KiB page are taken from it, and no byte more.
        (node_2(memtotal_bytes=GIB - 16 * MIB), "pass",
         "1 GiB (8 blocks of 128 MiB) online, MemTotal of node 2 1008 MiB",
         "The slow tier is there, to the memory block."),
        (node_2(memtotal_bytes=GIB - 16 * MIB - 1024), "fail",
         "1 GiB (8 blocks of 128 MiB) online, MemTotal of node 2 1008.0 MiB",
         "Its MemTotal is another."),
        (node_2(memtotal_bytes=0), "fail",
         "1 GiB (8 blocks of 128 MiB) online, MemTotal of node 2 0 B", "Its MemTotal is another."),
        (node_2(memtotal_bytes=None), "unknown", "1 GiB (8 blocks of 128 MiB) online",
         "The node's meminfo could not be read."),
        ({"nodes": GOOD.nodes[:1]}, "unknown", "1 GiB (8 blocks of 128 MiB) online",
         "The node's meminfo could not be read."),
        ({"dax": ()}, "fail", "0 B (0 blocks of 128 MiB) online, MemTotal of node 2 1 GiB",
         "None of this PMEM is used as RAM."),
        ({"dax": (replace(DAX, node=0), DAX, replace(DAX, name="dax0.1", node=1))}, "fail",
         "dax0.0 on node 0, dax0.0 on node 2, dax0.1 on node 1",
         "The kernel made it RAM of another node."),
        ({"dax": (replace(DAX, online_bytes=GIB - BLOCK),)}, "fail",
         "896 MiB (7 blocks of 128 MiB) online, MemTotal of node 2 1 GiB",
         "That is less than the profile asks for."),
        ({"dax": (replace(DAX, online_bytes=GIB + BLOCK),)}, "fail",
         "1152 MiB (9 blocks of 128 MiB) online, MemTotal of node 2 1 GiB",
         "That is more than the profile asks for."),
        ({"hotplugged_ram": RangeSet((Range(4 * GIB - 4096, 5 * GIB),
                                      Range(8 * GIB, 9 * GIB)))}, "fail", FOUND,
         "RAM was added at [mem 0xfffff000-0xffffffff], too."),
    ],
)  # fmt: skip
def test_pmem_that_is_to_be_ram(change, verdict, found, sentence):
    assert said("pmem-node2", change) == (verdict, WANTED, found, sentence)


def test_a_kernel_that_shows_no_blocks_is_not_asked_how_many():
    assert said("pmem-node2", {"block_bytes": 0}) == (
        "unknown", "PMEM online as RAM", "not shown", "The kernel shows no blocks.",
    )  # fmt: skip


def test_devices_count_that_are_ram_and_on_this_pmem():
    """Half by half; neither PMEM of another range nor what another driver has."""
    half = replace(DAX, online_bytes=GIB // 2)
    elsewhere = DaxDevice(
        name="dax1.0", range=Range(PMEM.end, PMEM.end + GIB), node=3, driver="kmem",
        online_bytes=GIB,
    )  # fmt: skip
    unused = replace(DAX, name="dax0.2", node=3, driver="device_dax")
    dax = (elsewhere, half, unused, replace(half, name="dax0.1"))
    assert said("pmem-node2", {"dax": dax})[0] == "pass"


def test_all_of_the_pmem_when_the_profile_names_no_size():
    """Of 2 GiB, 2 MiB at its beginning are the info block: 15 whole blocks are left."""
    whole = replace(LAYOUT, slow_pmem=replace(LAYOUT.slow_pmem, wanted_bytes=None))
    expected = "1920 MiB (15 blocks of 128 MiB) of [mem 0x100000000-0x17fffffff] online as RAM"
    assert said("pmem-node2", {}, whole)[:2] == ("fail", expected)


@pytest.mark.parametrize(
    ("distance", "change", "verdict", "expected", "found", "sentence"),
    [
        (17, {}, "pass", "17 from node 0", "17", "As the firmware says."),
        (28, {}, "fail", "28 from node 0", "17", "The kernel uses another distance."),
        (17, {"nodes": GOOD.nodes[:1]}, "unknown", "17 from node 0", "not shown",
         "Node 2 is not online."),
        (0, {}, "pass", "any from node 0", "17", "The firmware names no distances."),
        (0, {"nodes": ()}, "pass", "any from node 0", "not shown",
         "The firmware names no distances."),
    ],
)  # fmt: skip
def test_the_distance(distance, change, verdict, expected, found, sentence):
    found_here = said("distance-node2", change, replace(LAYOUT, distance=distance))
    assert found_here == (verdict, expected, found, sentence)


def test_the_distance_is_from_the_fast_node_to_the_slow_one():
    skewed = (NodeState(node=0, distances=(10, 21)), NodeState(node=2, distances=(33, 10)))
    assert said("distance-node2", {"nodes": skewed})[2] == "21"


SLOWER = "A slower tier: pages are demoted to it where demotion is on."
NO_SLOWER = "No slower tier: the kernel demotes nothing to it."


@pytest.mark.parametrize(
    ("change", "found", "sentence", "pmem", "dram"),
    [
        ({}, "memory_tier22, node 0 in memory_tier4; demotion off", SLOWER, "pass", "pass"),
        ({"demotion": True}, "memory_tier22, node 0 in memory_tier4; demotion on", SLOWER, "pass",
         "pass"),
        ({"demotion": None}, "memory_tier22, node 0 in memory_tier4", SLOWER, "pass", "pass"),
        ({"tiers": ((4, (0, 2)),)}, "memory_tier4, node 0 in memory_tier4; demotion off", NO_SLOWER,
         "fail", "pass"),
        ({"tiers": ()}, "none", "This kernel has no memory tiers.", "pass", "pass"),
        ({"tiers": ((4, (0,)),)}, "none", "Node 2 is in no memory tier.", "fail", "pass"),
        ({"tiers": ((22, (2,)),)}, "none", "Node 0 is in no memory tier.", "fail", "pass"),
    ],
)  # fmt: skip
def test_the_memory_tier(change, found, sentence, pmem, dram):
    assert said("tier-node2", change) == (pmem, "slower than node 0's", found, sentence)
    assert said("tier-node2", change, DRAM) == (dram, "any", found, sentence)
