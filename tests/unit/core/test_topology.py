"""Whose memory is whose, in a machine that has a little of everything."""

from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.topology import Cpu, MemoryAffinity, Topology

# Bytes, not GiB: nothing here rounds.
TOPOLOGY = Topology(
    name="t", source="test", nodes=(0, 1, 2),
    firmware=(
        E820Entry(Range(40, 60), E820Type.RAM),
        E820Entry(Range(0, 9), E820Type.RAM),
        E820Entry(Range(9, 10), E820Type.RESERVED),
        E820Entry(Range(80, 90), E820Type.PMEM),
        E820Entry(Range(95, 99), E820Type.RAM),
    ),
    affinity=(
        MemoryAffinity(node=1, range=Range(50, 70)),
        MemoryAffinity(node=0, range=Range(40, 50), hotplug=True),
        MemoryAffinity(node=0, range=Range(0, 10)),
        MemoryAffinity(node=0, range=Range(70, 80), hotplug=True),
        MemoryAffinity(node=1, range=Range(80, 90), nonvolatile=True),
        MemoryAffinity(node=2, range=Range(95, 99), hotplug=True, nonvolatile=True),
    ),
    cpus=(Cpu(number=0, node=1), Cpu(number=3, node=0), Cpu(number=2, node=1)),
)  # fmt: skip


def of(*pairs):
    return RangeSet(tuple(Range(*pair) for pair in pairs))


def test_ram_is_what_the_firmware_calls_so():
    assert TOPOLOGY.ram == of((0, 9), (40, 60), (95, 99))


def test_a_span_is_volatile_and_a_hotplug_window_counts_once_it_holds_ram():
    spans = [TOPOLOGY.span(node) for node in (0, 1, 2, 3)]
    assert spans == [of((0, 10), (40, 50)), of((50, 70)), of(), of()]
    assert [TOPOLOGY.node_ram(node) for node in (0, 1, 2)] == [of((0, 9), (40, 50)), of((50, 60)),
                                                               of()]  # fmt: skip


def test_pmem_is_not_volatile():
    assert [TOPOLOGY.pmem(node) for node in (0, 1, 2)] == [of(), of((80, 90)), of((95, 99))]


def test_cpus_of_a_node_come_in_the_order_in_which_they_are_brought_up():
    assert [TOPOLOGY.node_cpus(node) for node in (0, 1, 2)] == [(3,), (0, 2), ()]
