"""Facts of booted machines -> topologies."""

import base64
import copy
import json

import pytest

from hotkit.core.ranges import Range
from hotkit.core.units import GIB
from hotkit.errors import HotkitError
from hotkit.parse.cpulist import parse_cpulist
from hotkit.parse.facts import topology_from_facts
from tests.unit.machines import DATA, captured


def facts(name="qemu-2n-3g"):
    return json.loads((DATA / f"facts/{name}.json").read_text(encoding="utf-8"))


def test_the_lab_under_a_layout_is_the_captured_machine():
    """The facts were taken with the layout in force; firmware tells of all the RAM still."""
    lab, real = topology_from_facts(facts("qemu-lab-2s-256g-in-layout")), captured()
    assert lab.node_ram(0).size_bytes > 127 * GIB
    assert lab.span(1) == real.span(1)
    assert lab.pmem(3) == real.pmem(2)  # QEMU's firmware lists the two in the other order
    assert [cpu.node for cpu in lab.cpus] == [0] * 4 + [1] * 4
    assert lab.distances[0] == (10, 21, 28, 17)
    assert lab.notes == ()


def test_eight_nodes_with_interleaved_cpus():
    found = topology_from_facts(facts("qemu-8n"))
    assert found.nodes == tuple(range(8))
    assert [cpu.node for cpu in found.cpus] == [0, 1, 0, 1]
    assert len(found.span(1)) == 2
    assert found.node_cpus(5) == ()


def without(*path, name="qemu-2n-3g"):
    data = copy.deepcopy(facts(name))
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = None
    return data


def test_without_the_madt_sysfs_says_where_cpus_are():
    data = without("acpi", "APIC")
    data["cpus"]["node"] = {"0": 0, "1": 0, "2": 1, "10": 1}
    found = topology_from_facts(data)
    assert [(cpu.number, cpu.node) for cpu in found.cpus] == [(0, 0), (1, 0), (2, 1), (10, 1)]
    assert "without the MADT" in found.notes[0]


def test_one_node_without_srat():
    data = without("acpi", "SRAT")
    data["nodes"] = {"0": data["nodes"]["0"] | {"distance": "10"}}
    found = topology_from_facts(data)
    assert [item.range for item in found.affinity] == [
        Range(0, 0x7FFE0000), Range(4 * GIB, 5 * GIB),
    ]  # fmt: skip
    assert found.distances == ((10,),)
    assert len(found.cpus) == 4


def test_another_architecture_has_no_such_firmware():
    data = without("acpi", "SRAT") | {"arch": "riscv64", "firmware_memmap": []}
    assert topology_from_facts(data).arch == "riscv64"


def test_hot_plug_marks_on_ram_that_is_there():
    """Some firmware marks every DIMM hot-pluggable: the RAM in it is the node's all the same."""
    data = facts()
    raw = bytearray(base64.b64decode(data["acpi"]["SRAT"]))
    plain = topology_from_facts(data)
    offset = 48
    while offset < len(raw):
        if raw[offset] == 1:
            raw[offset + 28] |= 2
        offset += raw[offset + 1]
    raw[9] = (raw[9] - sum(raw)) % 256
    data["acpi"]["SRAT"] = base64.b64encode(raw).decode()
    marked = topology_from_facts(data)
    # Padding entries that are not enabled stay disabled: bit 1 alone does not enable.
    assert any(item.hotplug for item in marked.affinity)
    assert marked.node_ram(1) == plain.node_ram(1)


def test_ram_that_no_node_claims_is_said():
    data = facts()
    data["firmware_memmap"].append(
        {"start": 300 * GIB, "end_inclusive": 301 * GIB - 1, "type": "System RAM"}
    )
    assert "1 GiB of RAM belong to no node" in topology_from_facts(data).notes[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema_version 2"),
        ({"firmware_memmap": []}, "no /sys/firmware/memmap"),
        ({"firmware_memmap": [{"start": 1}]}, "memmap.0.end_inclusive is missing"),
        ({"firmware_memmap": [{"start": 5, "end_inclusive": 1, "type": "x"}]}, "0x5 ends before"),
        ({"acpi": {"SRAT": "%%%"}}, "no base64"),
        ({"acpi": {"SRAT": "U1JBVA=="}}, "less than its header"),
        ({"acpi": {}}, "2 nodes and no readable SRAT"),
    ],
)
def test_facts_that_do_not_suffice(change, message):
    with pytest.raises(HotkitError, match=message):
        topology_from_facts(facts() | change)


@pytest.mark.parametrize("data", [{}, {"hello": 1}])
def test_no_facts(data):
    with pytest.raises(HotkitError, match="no facts of hotkit"):
        topology_from_facts(data)


@pytest.mark.parametrize("name", ["qemu-2n-3g", "qemu-8n", "qemu-lab-2s-256g-in-layout"])
def test_cpus_are_numbered_and_placed_as_the_booted_kernel_did(name):
    """From MADT and SRAT alone, against /sys/devices/system/node/node*/cpulist."""
    data = facts(name)
    cpus = {cpu.number: cpu.node for cpu in topology_from_facts(data).cpus}
    online = parse_cpulist(data["cpus"]["online"])
    assert list(cpus)[: len(online)] == list(online)
    for node, item in data["nodes"].items():
        for number in parse_cpulist(item["cpulist"]):
            assert cpus[number] == int(node)
