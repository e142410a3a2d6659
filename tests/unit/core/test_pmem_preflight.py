"""What PMEM becomes as the slow tier and what it costs, to the byte; what refuses it, in full."""

from dataclasses import replace

import pytest

from hotkit.core.layout import Layout, NodePlan, SlowPmem
from hotkit.core.pmem import Namespace, Region
from hotkit.core.pmem_preflight import (
    layout_block_bytes,
    pmem_cost_bytes,
    pmem_online_bytes,
    pmem_refusals,
    pmem_sentence,
)
from hotkit.core.preflight import Concern
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.units import GIB, MIB


def node(number, *ranges):
    predicted = RangeSet(tuple(Range(*pair) for pair in ranges))
    return NodePlan(
        node=number, role="off", wanted_bytes=None, present_bytes=0, reserved=(),
        predicted=predicted,
    )  # fmt: skip


PMEM = Range(128 * GIB, 136 * GIB)
SLOW = SlowPmem(node=2, range=PMEM, wanted_bytes=5 * GIB)
# RAM ends at 65 GiB, on a node that is not the last one: blocks of 2 GiB, of 1 GiB on a VM.
NODES = (node(0, (0, GIB), (4 * GIB, 65 * GIB)), node(1, (2 * GIB, 3 * GIB)), node(2))
LAYOUT = Layout(
    profile="p", topology="t", style="$", size_means="present", args=("nokaslr",), nodes=NODES,
    cpus=(), slow_pmem=SLOW,
)  # fmt: skip
PLAIN = replace(LAYOUT, slow_pmem=None)
REGION = Region(
    name="region0", range=PMEM, largest_free_bytes=8 * GIB, align_bytes=16 * MIB, labelled=True,
    namespaces=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("virtual", "block", "online"), [(False, 2 * GIB, 4 * GIB), (True, GIB, 5 * GIB)]
)
def test_blocks_of_the_layout_and_what_of_the_pmem_fills_them(virtual, block, online):
    assert layout_block_bytes(LAYOUT, virtual=virtual) == block
    assert pmem_online_bytes(LAYOUT, virtual=virtual) == online
    # 64 bytes for each page of 4 KiB.
    assert pmem_cost_bytes(LAYOUT, virtual=virtual) == online // 64
    assert pmem_online_bytes(PLAIN, virtual=virtual) == 0
    assert pmem_cost_bytes(PLAIN, virtual=virtual) == 0


def test_a_layout_without_ram_has_the_smallest_blocks():
    assert layout_block_bytes(replace(LAYOUT, nodes=()), virtual=True) == 128 * MIB


@pytest.mark.parametrize(
    ("emulated", "virtual", "sentence"),
    [
        (False, False, "slow tier: PMEM [mem 0x2000000000-0x21ffffffff], 4 GiB of it online as RAM"
         " of node 2 (2 memory blocks of 2 GiB); its struct pages take 64 MiB of DRAM"),
        (True, True, "slow tier: emulated PMEM [mem 0x2000000000-0x21ffffffff], 5 GiB of it online"
         " as RAM of node 2 (5 memory blocks of 1 GiB); its struct pages take 80 MiB of DRAM"),
    ],
)  # fmt: skip
def test_what_is_said_of_it(emulated, virtual, sentence):
    slow = replace(SLOW, emulated=emulated)
    assert pmem_sentence(replace(LAYOUT, slow_pmem=slow), virtual=virtual) == sentence


def refusals(layout, *regions, missing=(), ours=None, virtual=False):
    return pmem_refusals(layout, regions, tools_missing=missing, ours=ours, virtual=virtual)


def test_nothing_refuses_it():
    assert refusals(LAYOUT, REGION) == ()
    # Without such a tier no tool is needed.
    assert refusals(PLAIN, missing=("ndctl",)) == ()
    # Its region is there only once the layout runs.
    assert refusals(replace(LAYOUT, slow_pmem=replace(SLOW, emulated=True))) == ()


def test_every_refusal_is_told():
    unlabelled = replace(REGION, labelled=False)
    assert refusals(LAYOUT, unlabelled, missing=("ndctl", "daxctl")) == (
        Concern("pmem", "the slow tier is PMEM, and ndctl and daxctl are missing",
                "apt-get install ndctl daxctl"),
        Concern("pmem",
                "region0 has no labels: all of it is one namespace, which may hold data",
                "when it holds none: ndctl disable-region, init-labels and enable-region"),
    )  # fmt: skip
    (one,) = refusals(LAYOUT, REGION, missing=("ndctl",))
    assert one.message == "the slow tier is PMEM, and ndctl is missing"
    assert one.hint == "apt-get install ndctl"


def test_room_is_asked_for_in_the_blocks_of_the_machine():
    """4 GiB behind a block of 2 GiB on metal, behind one of 1 GiB on a VM."""
    four = replace(LAYOUT, slow_pmem=replace(SLOW, wanted_bytes=4 * GIB))
    five = replace(REGION, largest_free_bytes=5 * GIB)
    assert refusals(four, five, virtual=True) == ()
    (short,) = refusals(four, five)
    assert short.message.startswith("region0 has 5 GiB free in one piece, 6 GiB are needed")


def test_what_we_have_made_there_is_ours():
    mine = Namespace(name="namespace0.0", size_bytes=6 * GIB, mode="devdax", alt_name="hotkit-1")
    full = replace(REGION, largest_free_bytes=0, namespaces=(mine,))
    assert refusals(LAYOUT, full, ours="hotkit-1") == ()
    assert len(refusals(LAYOUT, full, ours="hotkit-2")) == 1
