"""Where the slow tier's PMEM lies, to the byte, and every refusal in full."""

from dataclasses import replace

import pytest

from hotkit.core.layout import SlowPmem
from hotkit.core.plan_error import PlanError
from hotkit.core.plan_pmem import distance_to, pmem_node, slow_pmem
from hotkit.core.profile import Profile, Tier
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.topology import MemoryAffinity
from hotkit.core.units import GIB, MIB
from tests.unit.core.test_plan_pmem import PMEM, TOPOLOGY

BLOCK = 128 * MIB
# RAM below 64 GiB: blocks of 128 MiB.
KEPT = RangeSet((Range(0, GIB),))


def wants(slow, fast=0):
    return Profile(name="p", fast=Tier(node=fast, size_bytes=GIB), slow=slow)


def pmem(node=None, size_bytes=None, **more):
    return Tier(node=node, size_bytes=size_bytes, pmem=True, **more)


def having(*ranges, nodes=None, distances=()):
    """The machine with other PMEM: (node, start, end in MiB)."""
    dram = [item for item in TOPOLOGY.affinity if not item.nonvolatile]
    there = [
        MemoryAffinity(node=node, range=Range(start * MIB, end * MIB), nonvolatile=True)
        for node, start, end in ranges
    ]
    return replace(
        TOPOLOGY, nodes=nodes or TOPOLOGY.nodes, affinity=(*dram, *there), distances=distances
    )


def refused(call, *args):
    with pytest.raises(PlanError) as caught:
        call(*args)
    return str(caught.value), caught.value.hint, caught.value.key


def test_distances_are_by_position_and_255_is_no_way():
    turned = replace(
        TOPOLOGY, nodes=(4, 0, 2), distances=((10, 21, 255), (12, 10, 28), (255, 33, 10))
    )
    assert distance_to(turned, wants(pmem()), 2) == 28
    assert distance_to(turned, wants(pmem()), 4) == 12
    assert distance_to(turned, wants(pmem(), fast=4), 2) == 0
    assert distance_to(turned, wants(pmem(), fast=4), 0) == 21
    assert distance_to(turned, wants(pmem(), fast=None), 2) == 28
    assert distance_to(turned, wants(pmem(), fast=7), 2) == 0
    assert distance_to(turned, wants(pmem()), 7) == 0
    assert distance_to(replace(turned, distances=()), wants(pmem()), 2) == 0
    assert distance_to(replace(turned, distances=((10,),) * 3), wants(pmem()), 2) == 0
    further = replace(turned, distances=((10, 21, 20), (12, 10, 254), (20, 254, 10)))
    assert distance_to(further, wants(pmem()), 2) == 254


@pytest.mark.parametrize(
    ("distances", "node"),
    [
        ((), 2),
        ([(10, 17, 30, 20)], 2),
        ([(10, 30, 17, 20)], 3),
        ([(10, 17, 17, 20)], 2),
        # A way that nobody knows is the furthest, and so is none.
        ([(10, 254, 0, 20)], 2),
        ([(10, 0, 254, 20)], 3),
        ([(10, 255, 254, 20)], 3),
        ([(10, 255, 0, 20)], 2),
    ],
)
def test_the_nearest_of_several_the_lowest_number_of_equals(distances, node):
    nodes = (0, 2, 3, 1)
    for order in (nodes, (0, 3, 2, 1)):
        rows = [tuple(row[nodes.index(item)] for item in order) for row in distances]
        there = having((2, 16384, 20480), (3, 20480, 24576), nodes=order, distances=tuple(rows))
        assert pmem_node(there, wants(pmem())) == node


def test_pmem_of_the_fast_node_is_no_node_of_its_own():
    both = having((0, 16384, 20480), (2, 20480, 24576))
    assert pmem_node(both, wants(pmem())) == 2
    assert pmem_node(both, wants(pmem(), fast=1)) == 0


@pytest.mark.parametrize(
    ("ranges", "slow", "sentence", "key"),
    [
        ((), pmem(), "p wants PMEM as its slow tier, t has no non-volatile range", "slow.pmem"),
        ([(0, 16384, 20480)], pmem(),
         "p wants PMEM as its slow tier, t has it on the fast node 0 only, where it makes no node"
         " of its own", "slow.pmem"),
        ([(0, 0, 1), (2, 16384, 20480), (3, 20480, 24576)], pmem(node=1),
         "p wants PMEM on node 1, t has it on 2, 3", "slow.node"),
        ([(2, 16384, 20480)], pmem(node=0), "p wants PMEM on node 0, t has it on 2", "slow.node"),
        ([(2, 16384, 20480), (2, 24576, 28672)], pmem(size_bytes=8 * GIB + MIB),
         "p wants 8193 MiB of PMEM on node 2, which has 8 GiB", "slow.size"),
        ([(2, 16384, 20480), (3, 24576, 32768)], pmem(node=2, size_bytes=4 * GIB + 1),
         "p wants 4096.0 MiB of PMEM on node 2, which has 4 GiB", "slow.size"),
    ],
)  # fmt: skip
def test_no_node_of_pmem(ranges, slow, sentence, key):
    there = having(*ranges, nodes=(0, 1, 2, 3))
    assert refused(pmem_node, there, wants(slow)) == (sentence, None, key)


def test_all_that_a_node_has_may_be_asked_for():
    there = having((2, 16384, 20480), (3, 20480, 22528), nodes=(0, 1, 2, 3))
    assert pmem_node(there, wants(pmem(size_bytes=4 * GIB))) == 2
    assert pmem_node(there, wants(pmem(node=3, size_bytes=2 * GIB))) == 3


def test_a_slow_tier_of_dram_or_none_has_no_pmem():
    assert slow_pmem(TOPOLOGY, wants(None), TOPOLOGY.ram, KEPT) is None
    assert slow_pmem(TOPOLOGY, wants(Tier(node=1, size_bytes=GIB)), TOPOLOGY.ram, KEPT) is None


def test_the_largest_range_of_the_node_is_taken():
    there = having((2, 16384, 20480), (2, 24576, 32768), (2, 40960, 45056))
    for wanted in (None, 4 * GIB):
        assert slow_pmem(there, wants(pmem(size_bytes=wanted)), there.ram, KEPT) == SlowPmem(
            node=2, range=Range(24 * GIB, 32 * GIB), wanted_bytes=wanted
        )


def test_blocks_follow_the_end_of_what_is_kept_as_on_metal():
    """Up to 65 GiB: 2 GiB, of which the first holds the info block; without any RAM 128 MiB."""
    large = RangeSet((Range(0, GIB), Range(60 * GIB, 65 * GIB)))
    assert refused(slow_pmem, TOPOLOGY, wants(pmem(size_bytes=GIB)), TOPOLOGY.ram, large) == (
        "p wants 1 GiB of the PMEM at [mem 0x400000000-0x7ffffffff] as RAM: of its 16 GiB, 14 GiB"
        " can be, in memory blocks of 2 GiB behind the info block", None, "slow.size",
    )  # fmt: skip
    for kept in (KEPT, RangeSet()):
        found = slow_pmem(TOPOLOGY, wants(pmem(size_bytes=GIB)), TOPOLOGY.ram, kept)
        assert found == SlowPmem(node=2, range=PMEM, wanted_bytes=GIB)


@pytest.mark.parametrize("wanted", [BLOCK, 4 * GIB - BLOCK, 4 * GIB - 1, None])
def test_whole_blocks_of_what_is_asked_for(wanted):
    there = having((2, 16384, 20480))
    assert slow_pmem(there, wants(pmem(size_bytes=wanted)), there.ram, KEPT) is not None


@pytest.mark.parametrize(
    ("size_mib", "wanted", "sentence"),
    [
        (4096, 4 * GIB, "p wants 4 GiB of the PMEM at [mem 0x400000000-0x4ffffffff] as RAM: of its"
         " 4 GiB, 3968 MiB can be, in memory blocks of 128 MiB behind the info block"),
        (4096, BLOCK - 4096, "p wants 128.0 MiB of the PMEM at [mem 0x400000000-0x4ffffffff] as"
         " RAM: of its 4 GiB, 3968 MiB can be, in memory blocks of 128 MiB behind the info block"),
        (128, None, "p wants all of the PMEM at [mem 0x400000000-0x407ffffff] as RAM: of its"
         " 128 MiB, 0 B can be, in memory blocks of 128 MiB behind the info block"),
    ],
)  # fmt: skip
def test_too_little_of_it_can_be_ram(size_mib, wanted, sentence):
    there = having((2, 16384, 16384 + size_mib))
    profile = wants(pmem(size_bytes=wanted))
    assert refused(slow_pmem, there, profile, there.ram, KEPT) == (sentence, None, "slow.size")


def stands_in(size_bytes, *ranges):
    """DRAM of node 1, which spans 6 to 14 GiB, with RAM in these ranges (in MiB)."""
    stock = RangeSet.of(Range(start * MIB, end * MIB) for start, end in ranges)
    profile = wants(pmem(node=1, size_bytes=size_bytes, emulated=True))
    return TOPOLOGY, profile, stock, KEPT


@pytest.mark.parametrize(
    ("size_bytes", "ranges", "start", "end"),
    [
        # One block more, for the info block; from the first block of the largest range on.
        (GIB, [(4096, 14336)], 6144, 6144 + 1024 + 128),
        (GIB + BLOCK - 1, [(4096, 14336)], 6144, 6144 + 1024 + 128),
        (GIB, [(6144, 6200), (6401, 14000), (14100, 14336)], 6528, 6528 + 1024 + 128),
        (GIB, [(6401, 6528 + 1024 + 128)], 6528, 6528 + 1024 + 128),
    ],
)
def test_dram_that_stands_in(size_bytes, ranges, start, end):
    assert slow_pmem(*stands_in(size_bytes, *ranges)) == SlowPmem(
        node=1, range=Range(start * MIB, end * MIB), wanted_bytes=size_bytes, emulated=True
    )


@pytest.mark.parametrize(
    ("size_bytes", "ranges", "whole", "there"),
    [
        (GIB, [(6401, 6528 + 1024 + 127)], "1152 MiB", "1151 MiB"),
        (GIB, [(6200, 6210)], "1152 MiB", "0 B"),
        (64 * MIB, [(6144, 6144 + 255)], "256 MiB", "255 MiB"),
    ],
)
def test_dram_that_is_too_small_to_stand_in(size_bytes, ranges, whole, there):
    size = "1 GiB" if size_bytes == GIB else "64 MiB"
    assert refused(slow_pmem, *stands_in(size_bytes, *ranges)) == (
        f"p wants {size} of emulated PMEM on node 1: with a memory block of 128 MiB for its info"
        f" block that is {whole} in one piece, and the node has {there}", None, "slow.size",
    )  # fmt: skip


def test_less_than_a_block_stands_in_for_nothing():
    """Of 256 MiB, 128 could be RAM, and 64 are asked for."""
    assert refused(slow_pmem, *stands_in(64 * MIB, (6144, 6400))) == (
        "p wants 64 MiB of the PMEM at [mem 0x180000000-0x18fffffff] as RAM: of its 256 MiB,"
        " 128 MiB can be, in memory blocks of 128 MiB behind the info block", None, "slow.size",
    )  # fmt: skip
