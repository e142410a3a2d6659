"""The stated model of MemTotal, against machines that were measured."""

import json
from dataclasses import replace

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
from hotkit.core.layout import Layout, NodePlan
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
    assert list(layout_memtotal_bounds(layout, 144)) == [0]


@given(SIZES, st.booleans(), st.integers(1, 256))
def test_managed_inverts_the_estimate(wanted, low_node, cpus):
    present = present_for_managed(wanted, low_node=low_node, cpus_possible=cpus)
    ram = RangeSet((Range(4 * GIB, 4 * GIB + present),))
    estimate = memtotal_estimate(ram, low_node=low_node, cpus_possible=cpus)
    assert wanted <= estimate <= wanted + 5 * MIB + wanted // 1000


@given(SIZES, st.integers(0, 1000), st.booleans())
def test_bounds_are_ordered(size, offset, low_node):
    ram = RangeSet((Range(offset * 4 * KIB, offset * 4 * KIB + size),))
    low, high = memtotal_bounds(ram, low_node=low_node, cpus_possible=0)
    estimate = memtotal_estimate(ram, low_node=low_node, cpus_possible=0)
    assert 0 <= low <= estimate <= high <= size
    assert size // SECTION_BYTES * 2 * MIB <= struct_pages_bytes(ram)


def ram(*ranges):
    """Ranges in MiB."""
    return RangeSet.of(Range(start * MIB, end * MIB) for start, end in ranges)


@pytest.mark.parametrize(
    ("ranges", "sections"),
    [
        ([(128, 256)], 1),
        ([(255, 257)], 2),
        ([(130, 131), (140, 141)], 1),
        ([(0, 1), (1024, 1280)], 3),
    ],
)
def test_each_section_that_is_touched_takes_2_mib(ranges, sections):
    found = struct_pages_bytes(ram(*ranges))
    assert (type(found), found) == (int, sections * 2 * MIB)


@pytest.mark.parametrize(
    ("size_mib", "low", "estimate", "bounds"),
    [
        # 8 sections take 16 MiB, of which neighbours may pay 4.
        (1024, True, 1024 - 16 - 64 - 1.5, (1024 - 16 - 64 - 1.5 - 192, 1024 - 12)),
        (1024, False, 1024 - 16 - 32, (1024 - 16 - 32 - 96, 1024 - 12)),
        (64, False, 64 - 2 - 32, (0, 64)),
        (32, False, 0, (0, 32)),
        (0, True, 0, (0, 0)),
        (0, False, 0, (0, 0)),
    ],
)
def test_what_a_node_keeps_of_its_ram(size_mib, low, estimate, bounds):
    kept = ram((4096, 4096 + size_mib)) if size_mib else RangeSet()
    known = {"low_node": low, "cpus_possible": 3}
    assert memtotal_estimate(kept, **known) == estimate * MIB
    assert memtotal_bounds(kept, **known) == (bounds[0] * MIB, bounds[1] * MIB)


def test_the_low_node_of_a_layout_is_the_one_with_the_lowest_ram():
    """Not the first one, nor that with the lowest number; a node without RAM is left out."""
    sizes = {0: RangeSet(), 1: ram((4096, 5120)), 2: ram((512, 1536)), 3: ram((8192, 9216))}
    nodes = tuple(
        NodePlan(
            node=node, role="fast", wanted_bytes=None, present_bytes=0, reserved=(), predicted=kept
        )
        for node, kept in sizes.items()
    )
    layout = Layout(
        profile="p", topology="t", style="$", size_means="present", args=(), nodes=nodes, cpus=()
    )
    other, low = (880 * MIB, 1012 * MIB), (int(750.5 * MIB), 1012 * MIB)
    assert layout_memtotal_bounds(layout, 3) == {1: other, 2: low, 3: other}
    assert layout_memtotal_bounds(replace(layout, nodes=nodes[:1]), 3) == {}


@pytest.mark.parametrize(
    ("low", "cpus", "present_mib"),
    [
        # (1024 + 64 + 1.5) * 64 / 63 is 1106.8, (1024 + 32) * 64 / 63 is 1072.8.
        (True, 3, 1107 + 2),
        (False, 3, 1073 + 2),
    ],
)
def test_what_must_be_kept_is_a_whole_number_of_mib(low, cpus, present_mib):
    found = present_for_managed(GIB, low_node=low, cpus_possible=cpus)
    assert (type(found), found) == (int, present_mib * MIB)
