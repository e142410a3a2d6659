"""The checks about memory in every word, on a layout of a few pages."""

from dataclasses import replace

import pytest

from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.labels import Label, Platform
from hotkit.core.layout import Layout, NodePlan, SlowPmem
from hotkit.core.memory_checks import (
    check_memtotal,
    check_no_other_ram,
    check_numactl,
    check_pmem,
    check_system_ram,
    pages,
    plans_ram,
)
from hotkit.core.observed import NodeState, Observed
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.topology import MemoryAffinity, Topology
from hotkit.core.units import KIB, MIB

PAGE = 4096


def of(*pairs):
    """Ranges in pages, of which 16 MiB have 4096."""
    return RangeSet.of(Range(int(start * PAGE), int(end * PAGE)) for start, end in pairs)


def node(number, predicted, role="fast", present_bytes=0):
    return NodePlan(
        node=number, role=role, wanted_bytes=None, present_bytes=present_bytes, reserved=(),
        predicted=predicted,
    )  # fmt: skip


# Node 0 keeps pages 0 to 8 and 16 to 32 of its 0 to 64, node 1 keeps 100 to 110 of 100 to 200,
# node 2 is PMEM from 300 to 400.
ZERO, ONE, TWO = node(0, of((0, 8.5), (16, 32))), node(1, of((100, 110)), "slow"), node(
    2, of(), "pmem")  # fmt: skip
PMEM = Range(300 * PAGE, 400 * PAGE)
LAYOUT = Layout(
    profile="p", topology="t", style="$", size_means="present", args=(), nodes=(ZERO, ONE, TWO),
    cpus=(), pmem=((2, PMEM),),
)  # fmt: skip
TOPOLOGY = Topology(
    name="t", source="test", nodes=(0, 1, 2), firmware=(E820Entry(PMEM, E820Type.PMEM),),
    affinity=(
        MemoryAffinity(node=0, range=Range(0, 64 * PAGE)),
        MemoryAffinity(node=1, range=Range(100 * PAGE, 200 * PAGE)),
        MemoryAffinity(node=2, range=PMEM, nonvolatile=True),
    ),
)  # fmt: skip
GOOD = Observed(
    host="m1", cmdline="ro", kernel_release="6.1", topology=TOPOLOGY, pmem=RangeSet((PMEM,)),
    label=Label(platform=Platform.VIRTUAL), system_ram=of((0, 8), (16, 32), (100, 110)),
    nodes=(NodeState(node=1, memtotal_bytes=3 * MIB + 5, numactl_bytes=3 * MIB),
           NodeState(node=0, memtotal_bytes=7 * MIB, numactl_bytes=7 * MIB)),
    numactl_nodes=(0, 1),
)  # fmt: skip
HIDDEN = "Not checked: the kernel hides the addresses in /proc/iomem"


def told(check):
    return str(check.verdict), check.expected, check.found, check.sentence


def test_whole_pages_inside_ranges():
    found = pages(RangeSet((Range(0, 1), Range(4095, 8192), Range(8193, 16384))))
    assert found == of((1, 2), (3, 4))
    assert pages(of((0.5, 1.5))) == of()


@pytest.mark.parametrize(
    ("role", "present", "plans"),
    [("pmem", 0, False), ("pmem", 1, True), ("off", 0, True), ("fast", 5, True)],
)
def test_a_node_of_pmem_alone_plans_no_ram(role, present, plans):
    assert plans_ram(node(0, of(), role, present)) is plans


@pytest.mark.parametrize(
    ("ram", "verdict", "found", "sentence"),
    [
        (of((0, 8), (16, 32), (100, 200)), "pass", "96 KiB (24 pages in 2 ranges)",
         "Equal to the prediction, to the page."),
        (of((0, 4), (16, 32)), "fail", "80 KiB (20 pages in 2 ranges)",
         "16 KiB missing, first at [mem 0x4000-0x7fff]."),
        (of((0, 8), (16, 33)), "fail", "100 KiB (25 pages in 2 ranges)",
         "4 KiB more than planned, first at [mem 0x20000-0x20fff]."),
        (of((2, 7), (16, 32), (40, 42), (50, 64), (99, 100)), "fail",
         "148 KiB (37 pages in 4 ranges)",
         "12 KiB missing, first at [mem 0x0-0x1fff]; 64 KiB more than planned, first at"
         " [mem 0x28000-0x29fff]."),
        (of((20, 21)), "fail", "4 KiB (1 pages in 1 range)",
         "92 KiB missing, first at [mem 0x0-0x7fff]."),
        (of(), "fail", "none", "96 KiB missing, first at [mem 0x0-0x7fff]."),
    ],
)  # fmt: skip
def test_system_ram_of_a_node(ram, verdict, found, sentence):
    check = check_system_ram(ZERO, replace(GOOD, system_ram=ram))
    assert check.name == "system-ram-node0"
    assert told(check) == (verdict, "96 KiB (24 pages in 2 ranges)", found, sentence)


def test_ram_that_no_srat_range_holds_is_that_of_the_node_that_plans_it():
    bare = replace(GOOD, topology=replace(TOPOLOGY, affinity=()))
    assert told(check_system_ram(ONE, bare)) == (
        "pass", "40 KiB (10 pages in 1 range)", "40 KiB (10 pages in 1 range)",
        "Equal to the prediction, to the page.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"system_ram": None},
         "the kernel hides the addresses in /proc/iomem from who is not root"),
        ({"system_ram": None, "topology": None},
         "the kernel hides the addresses in /proc/iomem from who is not root"),
        ({"topology": None},
         "the firmware's SRAT could not be read, so no address belongs to a node"),
    ],
)  # fmt: skip
def test_system_ram_that_is_not_shown(change, why):
    check = check_system_ram(ONE, replace(GOOD, **change))
    assert check.name == "system-ram-node1"
    assert told(check) == (
        "unknown", "40 KiB (10 pages in 1 range)", "not shown", f"Not checked: {why}.",
    )  # fmt: skip


SLOW = replace(LAYOUT, slow_pmem=SlowPmem(node=2, range=PMEM, wanted_bytes=None))
NOWHERE = "No RAM appears outside the planned nodes."


@pytest.mark.parametrize(
    ("layout", "change", "verdict", "found", "sentence"),
    [
        (LAYOUT, {}, "pass", "none", NOWHERE),
        # What is too much on a planned node is another check's to tell.
        (LAYOUT, {"system_ram": of((0, 64), (100, 200))}, "pass", "none", NOWHERE),
        (LAYOUT, {"topology": None}, "pass", "none", NOWHERE),
        (LAYOUT, {"topology": None, "system_ram": of((0, 10))}, "fail",
         "4 KiB (1 pages in 1 range)", "RAM at [mem 0x9000-0x9fff]: no planned node owns it."),
        (LAYOUT, {"system_ram": of((0, 8), (63, 66), (90, 91))}, "fail",
         "12 KiB (3 pages in 2 ranges)", "RAM at [mem 0x40000-0x41fff]: no planned node owns it."),
        (LAYOUT, {"system_ram": of((64.5, 65.4))}, "pass", "none", NOWHERE),
        # A node of PMEM plans none: what its SRAT calls volatile is nobody's.
        (LAYOUT, {"topology": replace(TOPOLOGY, affinity=(
            MemoryAffinity(node=2, range=Range(500 * PAGE, 501 * PAGE)), *TOPOLOGY.affinity)),
            "system_ram": of((500, 501))}, "fail", "4 KiB (1 pages in 1 range)",
         "RAM at [mem 0x1f4000-0x1f4fff]: no planned node owns it."),
        (LAYOUT, {"hotplugged_ram": of((300, 302))}, "fail", "8 KiB (2 pages in 1 range)",
         "RAM at [mem 0x12c000-0x12dfff]: a driver turned it into RAM."),
        # Added on a node that is planned, too.
        (LAYOUT, {"hotplugged_ram": of((60, 61))}, "fail", "4 KiB (1 pages in 1 range)",
         "RAM at [mem 0x3c000-0x3cfff]: a driver turned it into RAM."),
        (SLOW, {"hotplugged_ram": of((300, 400)), "system_ram": of((0, 8), (300, 310))}, "pass",
         "none", NOWHERE),
        (SLOW, {"hotplugged_ram": of((299, 401)), "system_ram": of((80, 81))}, "fail",
         "12 KiB (3 pages in 3 ranges)",
         "RAM at [mem 0x50000-0x50fff]: a driver turned it into RAM."),
    ],
)  # fmt: skip
def test_ram_outside_the_plan(layout, change, verdict, found, sentence):
    check = check_no_other_ram(layout, replace(GOOD, **change))
    assert check.name == "no-other-ram"
    assert told(check) == (verdict, "none", found, sentence)


def test_ram_outside_the_plan_that_is_not_shown():
    check = check_no_other_ram(LAYOUT, replace(GOOD, system_ram=None))
    assert check.name == "no-other-ram"
    assert told(check) == ("unknown", "none", "not shown", f"{HIDDEN}.")


WITHIN = "Within the model of what the kernel keeps."


@pytest.mark.parametrize(
    ("total", "low", "high", "verdict", "expected", "found", "sentence"),
    [
        (40 * KIB, 40 * KIB, 80 * KIB, "pass", "40 to 80 KiB", "40 KiB", WITHIN),
        (80 * KIB, 40 * KIB, 80 * KIB, "pass", "40 to 80 KiB", "80 KiB", WITHIN),
        (37 * KIB, 40 * KIB, 80 * KIB + 1023, "fail", "40 to 80 KiB", "37 KiB",
         "3 KiB below what the model allows."),
        (82 * KIB, 40 * KIB, 80 * KIB, "fail", "40 to 80 KiB", "82 KiB",
         "2 KiB above what the model allows."),
        (0, 0, 0, "pass", "0 KiB", "0 KiB", WITHIN),
        (0, 0, 1, "pass", "0 to 0 KiB", "0 KiB", WITHIN),
        (KIB, 0, 0, "fail", "0 KiB", "1 KiB", "1 KiB above what the model allows."),
        (None, 0, 0, "unknown", "0 KiB", "not shown", "The node's meminfo could not be read."),
    ],
)  # fmt: skip
def test_memtotal(total, low, high, verdict, expected, found, sentence):
    seen = replace(GOOD, nodes=(NodeState(node=0), NodeState(node=1, memtotal_bytes=total)))
    check = check_memtotal(ONE, seen, (low, high))
    assert check.name == "memtotal-node1"
    assert told(check) == (verdict, expected, found, sentence)


def test_memtotal_of_a_node_that_is_not_online_is_0():
    found = told(check_memtotal(ONE, replace(GOOD, nodes=()), (0, 5 * KIB)))
    assert found == ("pass", "0 to 5 KiB", "node not online", WITHIN)
    found = told(check_memtotal(ONE, replace(GOOD, nodes=()), (4 * KIB, 5 * KIB)))
    assert found == ("fail", "4 to 5 KiB", "node not online", "4 KiB below what the model allows.")


SEES = "node 0 7 MB, node 1 3 MB"
AS_PLANNED = "numactl sees the planned nodes."


def sized(number, numactl_mib, total_bytes):
    return NodeState(
        node=number, memtotal_bytes=total_bytes, numactl_bytes=numactl_mib and numactl_mib * MIB
    )


@pytest.mark.parametrize(
    ("change", "verdict", "found", "sentence"),
    [
        ({}, "pass", SEES, AS_PLANNED),
        ({"nodes": (*GOOD.nodes, sized(2, 0, 0)), "numactl_nodes": (0, 1, 2)}, "pass",
         f"{SEES}, node 2 0 MB", AS_PLANNED),
        # Nodes that numactl does not list, or lists without a size.
        ({"nodes": (*GOOD.nodes, sized(3, 9, 9 * MIB))}, "pass", SEES, AS_PLANNED),
        ({"nodes": (*GOOD.nodes, sized(3, None, 9)), "numactl_nodes": (0, 1, 3)}, "pass", SEES,
         AS_PLANNED),
        ({"nodes": (sized(0, 7, 8 * MIB - 1), sized(1, 3, None))}, "pass", SEES, AS_PLANNED),
        ({"nodes": (sized(0, 7, 8 * MIB), sized(1, 3, 3 * MIB - 1))}, "fail", SEES,
         "node 0: its size is not the node's MemTotal; node 1: its size is not the node's"
         " MemTotal."),
        ({"numactl_nodes": (1,)}, "fail", "node 1 3 MB", "node 0 has no RAM."),
        ({"numactl_nodes": ()}, "fail", "no node", "node 0, 1 has no RAM."),
        ({"nodes": (sized(0, 0, 0), sized(3, 9, 9 * MIB), sized(2, 8, 8 * MIB)),
          "numactl_nodes": (3, 2, 0)}, "fail", "node 0 0 MB, node 2 8 MB, node 3 9 MB",
         "node 0, 1 has no RAM; node 2, 3 has RAM that was not planned."),
    ],
)  # fmt: skip
def test_numactl(change, verdict, found, sentence):
    check = check_numactl(LAYOUT, replace(GOOD, **change))
    assert check.name == "numactl"
    assert told(check) == (verdict, "RAM on node 0, 1", found, sentence)


def test_numactl_is_to_list_nodes_that_keep_ram_and_the_slow_pmem():
    only = replace(SLOW, nodes=(ZERO, node(1, of(), "off"), TWO))
    nodes = (GOOD.nodes[1], sized(2, 8, 8 * MIB))
    seen = replace(GOOD, nodes=nodes, numactl_nodes=(0, 2))
    assert told(check_numactl(only, seen)) == (
        "pass", "RAM on node 0, 2", "node 0 7 MB, node 2 8 MB", AS_PLANNED,
    )  # fmt: skip
    nothing = check_numactl(replace(LAYOUT, nodes=()), replace(GOOD, numactl_nodes=()))
    assert told(nothing) == ("pass", "RAM on node none", "no node", AS_PLANNED)


def test_numactl_that_is_not_installed():
    check = check_numactl(LAYOUT, replace(GOOD, numactl_nodes=None))
    assert check.name == "numactl"
    assert told(check) == (
        "unknown", "RAM on node 0, 1", "not run",
        "numactl is not installed on the host: install the package numactl.",
    )  # fmt: skip


UNUSED = "The PMEM is there and is not used as RAM."
AS_RAM = (of((0, 8), (390, 410)), "System RAM at [mem 0x186000-0x18ffff]",
          "40 KiB of PMEM is used as RAM.")  # fmt: skip
NO_SRAT = "The firmware's SRAT could not be read: nothing says that the PMEM exists."
GONE = "The firmware does not show this range as non-volatile memory of this node."


@pytest.mark.parametrize(
    ("change", "verdict", "found", "sentence"),
    [
        ({}, "pass", "there, Persistent Memory in iomem", UNUSED),
        ({"pmem": of((399, 500))}, "pass", "there, Persistent Memory in iomem", UNUSED),
        ({"pmem": of((400, 500))}, "pass", "there, no driver has claimed it", UNUSED),
        ({"system_ram": None}, "unknown", "not shown", f"{HIDDEN}."),
        ({"topology": None}, "unknown", "no RAM there", NO_SRAT),
        ({"system_ram": AS_RAM[0]}, "fail", *AS_RAM[1:]),
        ({"hotplugged_ram": AS_RAM[0]}, "fail", *AS_RAM[1:]),
        ({"topology": replace(TOPOLOGY, affinity=TOPOLOGY.affinity[:2])}, "fail", "none", GONE),
        ({"topology": replace(TOPOLOGY, affinity=(
            MemoryAffinity(node=2, range=Range(301 * PAGE, 500 * PAGE), nonvolatile=True),))},
         "fail", "796 KiB (199 pages in 1 range)", GONE),
        ({"topology": replace(TOPOLOGY, affinity=(
            MemoryAffinity(node=2, range=Range(299 * PAGE, 401 * PAGE), nonvolatile=True),))},
         "pass", "there, Persistent Memory in iomem", UNUSED),
    ],
)  # fmt: skip
def test_pmem_that_stays_as_it_is(change, verdict, found, sentence):
    check = check_pmem(2, PMEM, replace(GOOD, **change))
    assert check.name == "pmem-node2"
    expected = "400 KiB non-volatile [mem 0x12c000-0x18ffff]"
    assert told(check) == (verdict, expected, found, sentence)
