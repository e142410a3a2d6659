"""The stated model of MemTotal, against machines that were measured."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.footprint import (
    SECTION_BYTES,
    layout_memtotal_bounds,
    memtotal_bounds,
    memtotal_estimate,
    present_for_managed,
    struct_pages_bytes,
)
from hotkit.core.memmap import system_ram_under
from hotkit.core.plan import plan
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.units import GIB, KIB, MIB
from hotkit.host.profiles import load_profile
from hotkit.parse.facts import topology_from_facts
from hotkit.parse.meminfo import parse_meminfo
from tests.unit.machines import DATA, captured

SIZES = st.integers(64, 1 << 20).map(lambda mib: mib * MIB)


def test_struct_pages_of_the_capture():
    """1022 sections on node 0: those that the holes touch are paid whole."""
    machine = captured()
    assert struct_pages_bytes(machine.node_ram(0)) == 1022 * 2 * MIB
    assert struct_pages_bytes(machine.node_ram(1)) == 1024 * 2 * MIB
    assert struct_pages_bytes(RangeSet()) == 0


@pytest.mark.parametrize(("node", "measured"), [(0, 128536), (1, 128996)])
def test_capture(node, measured):
    """numactl -H of the real machine with all 144 CPUs."""
    ram = captured().node_ram(node)
    low, high = memtotal_bounds(ram, low_node=node == 0, cpus_possible=144)
    assert low <= measured * MIB <= high
    estimate = memtotal_estimate(ram, low_node=node == 0, cpus_possible=144)
    assert abs(estimate / MIB - measured) < 20


@pytest.mark.parametrize("name", ["qemu-2n-3g", "qemu-8n", "qemu-lab-2s-256g-in-layout"])
def test_booted_nodes_lie_within_the_bounds(name):
    facts = json.loads((DATA / f"facts/{name}.json").read_text(encoding="utf-8"))
    topology = topology_from_facts(facts)
    ram = system_ram_under(topology.firmware, facts["cmdline"])
    checked = 0
    for node, item in facts["nodes"].items():
        kept = ram.intersect(topology.span(int(node)))
        low, high = memtotal_bounds(kept, low_node=node == "0", cpus_possible=len(topology.cpus))
        assert low <= parse_meminfo(item["meminfo"])["MemTotal"] <= high, (name, node)
        checked += bool(kept)
    assert checked >= 2


def test_a_layout_has_bounds_for_what_it_keeps():
    layout = plan(captured(), load_profile("4C16G-pmem"))
    assert list(layout_memtotal_bounds(layout)) == [0]


@given(SIZES, st.booleans(), st.integers(1, 256))
def test_managed_inverts_the_estimate(wanted, low_node, cpus):
    present = present_for_managed(wanted, low_node=low_node, cpus_possible=cpus)
    ram = RangeSet((Range(4 * GIB, 4 * GIB + present),))
    estimate = memtotal_estimate(ram, low_node=low_node, cpus_possible=cpus)
    assert wanted <= estimate <= wanted + 5 * MIB + wanted // 1000


@given(SIZES, st.integers(0, 1000), st.booleans())
def test_bounds_are_ordered(size, offset, low_node):
    ram = RangeSet((Range(offset * 4 * KIB, offset * 4 * KIB + size),))
    low, high = memtotal_bounds(ram, low_node=low_node)
    estimate = memtotal_estimate(ram, low_node=low_node)
    assert 0 <= low <= estimate <= high <= size
    assert size // SECTION_BYTES * 2 * MIB <= struct_pages_bytes(ram)
