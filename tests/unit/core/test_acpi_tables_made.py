"""Tables that a simulated firmware shows: our own readers, and so Linux, read the topology back."""

from __future__ import annotations

import pytest
from hypothesis import given

from hotkit.core.acpi_tables import build_slit, build_srat
from hotkit.core.topology import Topology
from hotkit.parse.slit import parse_slit
from hotkit.parse.srat import parse_srat
from tests.unit.machines import captured, machines


@given(machines())
def test_the_topology_comes_back(topology: Topology) -> None:
    cpu_nodes = tuple(cpu.node for cpu in topology.cpus)
    table = build_srat(topology, cpu_nodes)
    assert sum(table) % 256 == 0 and len(table) == int.from_bytes(table[4:8], "little")
    found = parse_srat(table)
    assert found.cpus == dict(enumerate(cpu_nodes))
    assert {(item.domain, item.range, item.hotplug, item.nonvolatile) for item in found.memory} == {
        (item.node, item.range, item.hotplug, item.nonvolatile) for item in topology.affinity
    }
    assert list(found.memory) == sorted(found.memory, key=lambda item: (item.domain, item.range))


def test_distances_come_back() -> None:
    assert parse_slit(build_slit(captured().distances)) == captured().distances
    assert parse_slit(build_slit(())) == ()


def test_a_distance_that_no_table_can_hold() -> None:
    with pytest.raises(ValueError, match="range"):
        build_slit(((256,),))
