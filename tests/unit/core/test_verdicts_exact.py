"""The checks of entry, command line and CPUs in every word, and the order of the whole table."""

from dataclasses import replace

import pytest

from hotkit.core.kernel_checks import SWITCHES
from hotkit.core.layout import SlowPmem
from hotkit.core.observed import NodeState
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.topology import Cpu
from hotkit.core.units import MIB
from hotkit.core.verdicts import (
    check_cmdline,
    check_cpu_nodes,
    check_cpus,
    check_entry,
    cpu_list,
    expectations,
    wanted_cpu_nodes,
)
from tests.unit.core.test_memory_checks import (
    GOOD,
    LAYOUT,
    ONE,
    PMEM,
    TOPOLOGY,
    TWO,
    ZERO,
    node,
    told,
)

ARGS = ("maxcpus=4", "memmap=1M$2M", "nokaslr")
ASKED = replace(LAYOUT, args=ARGS, cpus=(0, 1, 2, 3))
TOKEN = ASKED.token


def seen(**change):
    return replace(GOOD, **change)


@pytest.mark.parametrize(
    ("line", "verdict", "found", "sentence"),
    [
        (f"ro {TOKEN} quiet", "pass", TOKEN, "The kernel was booted by this layout's entry."),
        ("ro quiet", "fail", "no hotkit.id=",
         "No hotkit entry was booted: this is the stock entry or someone else's."),
        ("hotkit.id=0123 ro", "fail", "hotkit.id=0123", "Another layout's entry was booted."),
        (f"{TOKEN} {TOKEN}", "fail", f"{TOKEN} {TOKEN}", "Another layout's entry was booted."),
        (f"ro -- {TOKEN}", "fail", "no hotkit.id=",
         "No hotkit entry was booted: this is the stock entry or someone else's."),
    ],
)  # fmt: skip
def test_the_entry(line, verdict, found, sentence):
    check = check_entry(ASKED, seen(cmdline=line))
    assert check.name == "entry"
    assert told(check) == (verdict, TOKEN, found, sentence)


ARRIVED = "Every argument arrived as planned, once, and nothing else moves memory or CPUs."


@pytest.mark.parametrize(
    ("line", "verdict", "found", "sentence"),
    [
        ("ro nokaslr memmap=1M$2M maxcpus=4 x=1", "pass", "nokaslr memmap=1M$2M maxcpus=4",
         ARRIVED),
        ("ro", "fail", "none of them", "missing: maxcpus=4 memmap=1M$2M nokaslr."),
        ("maxcpus=4 nokaslr nokaslr memmap=1M$2M maxcpus=4", "fail",
         "maxcpus=4 maxcpus=4 nokaslr nokaslr memmap=1M$2M", "twice: maxcpus=4 nokaslr."),
        # The others as well that move memory or CPUs, however they are spelt.
        ("mem=9G maxcpus=4 memmap=1M nr-cpus=3 nokaslr memmap=1M$2M nosmp", "fail",
         "mem=9G maxcpus=4 memmap=1M nr-cpus=3 nokaslr memmap=1M$2M nosmp",
         "not ours: mem=9G memmap=1M nr-cpus=3 nosmp."),
        ("nokaslr mem=9G nokaslr memmap=1M$2M", "fail", "nokaslr nokaslr mem=9G memmap=1M$2M",
         "missing: maxcpus=4; twice: nokaslr; not ours: mem=9G."),
    ],
)  # fmt: skip
def test_the_command_line(line, verdict, found, sentence):
    check = check_cmdline(ASKED, seen(cmdline=line))
    assert check.name == "cmdline"
    assert told(check) == (verdict, "maxcpus=4 memmap=1M$2M nokaslr", found, sentence)


@pytest.mark.parametrize(
    ("wanted", "online", "said"),
    [
        ((0, 1, 2, 3), (3, 2, 1, 0), ("pass", "0-3", "0-3", "4 CPUs are online, as planned.")),
        ((0, 1, 2, 3), (0, 1), ("fail", "0-3", "0-1", "CPU 2-3 did not come online.")),
        ((0, 1), (0, 1, 4), ("fail", "0-1", "0-1,4", "CPU 4 is online and should not be.")),
        ((0, 5), (0, 6), ("fail", "0,5", "0,6",
                          "CPU 5 did not come online; CPU 6 is online and should not be.")),
        ((), (0, 1), ("pass", "any", "0-1", "The profile asks for no number of CPUs.")),
    ],
)  # fmt: skip
def test_cpus(wanted, online, said):
    check = check_cpus(replace(ASKED, cpus=wanted), seen(cpus_online=online))
    assert check.name == "cpus"
    assert told(check) == said


ON_IT = "Every online CPU is on the wanted node."


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ((0, 0, 0, 0), ("pass", "node 0", "node 0: 0-3", ON_IT)),
        # Nodes in the order of their numbers, those that nobody says last.
        ((1, 0, 0, 2), ("fail", "node 0", "node 0: 1-2; node 1: 0; node 2: 3",
                        "CPU 0,3 is on another node than the plan's CPUs.")),
        ((None, 1, 0, 0), ("unknown", "node 0", "node 0: 2-3; node 1: 1; node ?: 0",
                           "The kernel does not say where each CPU is.")),
    ],
)  # fmt: skip
def test_nodes_of_cpus(nodes, said):
    known = tuple((cpu, node) for cpu, node in enumerate(nodes) if node is not None)
    check = check_cpu_nodes(ASKED, seen(cpus_online=(0, 1, 2, 3), cpu_nodes=known))
    assert check.name == "cpu-nodes"
    assert told(check) == said


def test_a_profile_without_cpus_asks_for_no_place():
    check = check_cpu_nodes(replace(ASKED, cpus=()), seen(cpus_online=(0,), cpu_nodes=((0, 3),)))
    assert check.name == "cpu-nodes"
    assert told(check) == ("pass", "any", "node 3: 0", "The profile asks for no place of CPUs.")


def test_the_plan_may_have_its_cpus_on_several_nodes():
    cpus = tuple(Cpu(number=number, node=number // 2) for number in range(6))
    there = seen(
        topology=replace(TOPOLOGY, cpus=cpus), cpus_online=(0, 1, 2, 3),
        cpu_nodes=((0, 0), (1, 0), (2, 1), (3, 1)),
    )  # fmt: skip
    assert wanted_cpu_nodes(ASKED, there) == {0, 1}
    assert told(check_cpu_nodes(ASKED, there)) == (
        "pass", "node 0, 1", "node 0: 0-1; node 1: 2-3", ON_IT,
    )  # fmt: skip
    assert wanted_cpu_nodes(replace(ASKED, cpus=(2,)), there) == {1}
    # Where the firmware's tables are mute: the fast node.
    assert wanted_cpu_nodes(ASKED, seen(topology=None)) == {0}
    assert wanted_cpu_nodes(ASKED, GOOD) == {0}


def test_a_list_of_cpus_as_the_kernel_shows_it():
    assert cpu_list(iter([9, 4, 3, 0, 3])) == "0,3-4,9"
    assert cpu_list(set()) == "none"


BUILD = {"build_id": "ab"}
FIRST = ["entry", "cmdline"]
KERNEL = ["kernel", "kernel-build", "kernel-switches"]


def named(layout, **more):
    found = expectations(layout, seen(**more.pop("change", {})), memtotal={}, **more)
    return [check.name for check in found]


def test_the_order_of_the_table():
    middle = ["cpus", "cpu-nodes", "system-ram-node0", "system-ram-node1", "no-other-ram",
              "memtotal-node0", "memtotal-node1", "numactl"]  # fmt: skip
    assert named(ASKED) == [*FIRST, *middle, "pmem-node2"]
    assert named(ASKED, kernel="6.1", build=BUILD) == [*FIRST, *KERNEL, *middle, "pmem-node2"]
    assert named(ASKED, kernel="") == [*FIRST, "kernel", *middle, "pmem-node2"]
    assert named(replace(ASKED, tiers=(0, 1))) == [
        *FIRST, *middle, "pmem-node2", "distance-node1", "tier-node1",
    ]  # fmt: skip
    other = Range(PMEM.end, PMEM.end + 4096)
    # PMEM that is the slow tier has a check of its own; there is more on another node.
    slow = SlowPmem(node=2, range=PMEM, wanted_bytes=None)
    real = replace(ASKED, pmem=((2, PMEM), (3, other)), slow_pmem=slow)
    assert named(real) == [*FIRST, *middle, "pmem-node3", "pmem-node2"]


def test_dram_that_stands_in_for_pmem_has_no_memtotal_to_foretell():
    stands_in = replace(ONE, role="pmem", present_bytes=100 * 4096)
    slow = SlowPmem(node=1, range=Range(400 * 4096, 500 * 4096), wanted_bytes=4096, emulated=True)
    layout = replace(ASKED, nodes=(ZERO, stands_in, TWO), slow_pmem=slow)
    assert named(layout) == [
        *FIRST, "cpus", "cpu-nodes", "system-ram-node0", "system-ram-node1", "no-other-ram",
        "memtotal-node0", "numactl", "pmem-node2", "pmem-node1",
    ]  # fmt: skip


def test_a_node_that_keeps_nothing_is_to_have_none():
    layout = replace(ASKED, nodes=(ZERO, node(1, RangeSet(), "off")))
    nodes = (GOOD.nodes[1], NodeState(node=1, memtotal_bytes=0))
    (found,) = [
        check
        for check in expectations(layout, seen(nodes=nodes), memtotal={})
        if check.name == "memtotal-node1"
    ]
    assert told(found)[:3] == ("pass", "0 KiB", "0 KiB")


def test_the_checks_get_what_they_are_asked_for():
    found = {
        check.name: told(check)
        for check in expectations(
            ASKED,
            seen(build_id="cd", switches=dict.fromkeys(SWITCHES, "0")),
            memtotal={1: (MIB, 2 * MIB)},
            kernel="6.8",
            build=BUILD,
        )
    }
    assert found["kernel"][:3] == ("fail", "6.8", "6.1")
    assert found["kernel-build"][:3] == ("fail", "ab", "cd")
    assert found["kernel-switches"][0] == "pass"
    assert found["memtotal-node1"][1] == "1024 to 2048 KiB"
    # Without a model no more than what is kept: 24.5 pages, of 4 KiB each.
    assert found["memtotal-node0"][1] == "0 to 98 KiB"
    assert found["pmem-node2"][:2] == ("pass", "400 KiB non-volatile [mem 0x12c000-0x18ffff]")
