"""The pieces that boot a firmware map of our own choice: bytes against their specifications."""

from __future__ import annotations

import struct

import pytest

from hotkit.core.acpi_tables import build_slit, build_srat
from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.random_topology import random_profile, random_topology
from hotkit.core.ranges import Range
from hotkit.errors import HotkitError
from hotkit.host import guestboot
from hotkit.host.probe_initramfs import read_facts
from hotkit.parse.slit import parse_slit
from hotkit.parse.srat import parse_srat

HEADER = bytes(0x268 - 0x1F1)
MAP = [E820Entry(Range(0, 0x9FC00), E820Type.RAM), E820Entry(Range(0x100000, 1 << 30), 1)]


@pytest.mark.parametrize("seed", range(40))
def test_srat_reads_back(seed: int) -> None:
    """Through the parser that reads real machines' tables."""
    topology = random_topology(seed)
    cpu_nodes = tuple(cpu.node for cpu in topology.cpus)
    table = build_srat(topology, cpu_nodes)
    assert sum(table) & 0xFF == 0
    srat = parse_srat(table)
    found = {(item.domain, item.range, item.hotplug, item.nonvolatile) for item in srat.memory}
    assert found == {(a.node, a.range, a.hotplug, a.nonvolatile) for a in topology.affinity}
    assert srat.cpus == dict(enumerate(cpu_nodes))
    assert all(domain == node for domain, node in srat.nodes.items()), "numbers stay what they are"
    slit = build_slit(topology.distances)
    assert sum(slit) & 0xFF == 0
    assert parse_slit(slit) == topology.distances


@pytest.mark.parametrize("seed", range(40))
def test_random_machines_are_sound_and_reproducible(seed: int) -> None:
    topology = random_topology(seed)
    assert topology == random_topology(seed)
    ranges = sorted(entry.range for entry in topology.firmware)
    assert all(a.end <= b.start for a, b in zip(ranges, ranges[1:], strict=False)), "no overlap"
    spans = [topology.span(node) for node in topology.nodes]
    covered = spans[0]
    for span in spans[1:]:
        assert not covered.intersect(span)
        covered = covered.union(span)
    assert not topology.ram.subtract(covered), "all RAM belongs to a node"
    assert random_profile(topology, seed) == random_profile(topology, seed)


def test_stub() -> None:
    image = guestboot.stub(HEADER, 1234, "maxcpus=1 memmap=1M$1G", MAP)
    words = struct.unpack_from("<8I", image)
    assert words[0] == 0x1BADB002 and sum(words[:3]) & 0xFFFFFFFF == 0
    assert words[7] == guestboot.STUB_ADDRESS + 0x40
    params = image[0x1000:0x2000]
    assert params[0x1E8] == len(MAP)
    assert struct.unpack_from("<QQI", params, 0x2D0) == (0, 0x9FC00, 1)
    assert struct.unpack_from("<QQI", params, 0x2D0 + 20) == (0x100000, (1 << 30) - 0x100000, 1)
    assert struct.unpack_from("<II", params, 0x218) == (guestboot.INITRD_ADDRESS, 1234)
    assert image[0x2000:].startswith(b"maxcpus=1 memmap=1M$1G\0")


def test_stub_refuses_what_does_not_fit() -> None:
    with pytest.raises(HotkitError, match="129 entries"):
        guestboot.stub(HEADER, 0, "", MAP[:1] * 129)
    with pytest.raises(HotkitError, match="command line"):
        guestboot.stub(HEADER, 0, "x" * 2048, MAP)
    with pytest.raises(HotkitError, match="no bzImage"):
        guestboot.split_kernel(bytes(0x300))


def test_facts_cut_short_are_no_facts() -> None:
    with pytest.raises(HotkitError, match="to the end"):
        read_facts("HOTKIT-SECTION cmdline\nmaxcpus=1\n")
