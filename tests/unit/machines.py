"""Machines for tests: the captured one, and random ones."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.ranges import Range
from hotkit.core.topology import Cpu, MemoryAffinity, Topology
from hotkit.core.units import GIB, MIB
from hotkit.topology import load_topology

DATA = Path(__file__).parents[1] / "data"
CAPTURE = DATA / "captures/lab-2s-256g"


def captured() -> Topology:
    """The two-socket machine of DESIGN.md: 2 x 128 GiB DRAM, 2 x 504 GiB PMEM, 144 CPUs."""
    return load_topology(str(CAPTURE))


def machine(*ranges: tuple[int, int, int, int | None], unit_bytes: int = GIB) -> Topology:
    """Nodes from (node, start, end in units, e820 type or None for a range without RAM)."""
    return Topology(
        name="made",
        source="test",
        nodes=tuple(sorted({node for node, *_ in ranges})),
        firmware=tuple(
            E820Entry(Range(a * unit_bytes, b * unit_bytes), kind)
            for _, a, b, kind in ranges
            if kind
        ),
        affinity=tuple(
            MemoryAffinity(node=node, range=Range(a * unit_bytes, b * unit_bytes))
            for node, a, b, _ in ranges
        ),
    )


@st.composite
def machines(draw: st.DrawFn) -> Topology:
    """One to eight nodes of one or more ranges, holes of every kind, PMEM in any place."""
    count = draw(st.integers(1, 8))
    firmware = [
        E820Entry(Range(0, 0x9FC00), E820Type.RAM),
        E820Entry(Range(0x9FC00, 0xA0000), E820Type.RESERVED),
    ]
    affinity: list[MemoryAffinity] = []
    # Node 0 owns the low memory up to the PCI hole, in one range of SRAT or in two.
    low_end = draw(st.sampled_from([1, 2, 3])) * GIB
    affinity.append(MemoryAffinity(node=0, range=Range(0, low_end)))
    firmware += _filled(draw, Range(MIB, low_end), always_low=True)
    address = 4 * GIB
    for node in range(count):
        for _ in range(draw(st.integers(0 if node == 0 else 1, 2))):
            kind = draw(st.sampled_from(["ram", "ram", "ram", "pmem", "empty"]))
            size = draw(st.integers(1, 64)) * 128 * MIB
            span = Range(address, address + size)
            address = span.end + draw(st.sampled_from([0, 0, 0, GIB]))
            if kind == "pmem":
                owner = count + len(affinity)
                affinity.append(MemoryAffinity(node=owner, range=span, nonvolatile=True))
                if draw(st.booleans()):
                    firmware.append(E820Entry(span, E820Type.PMEM))
            elif kind == "empty":
                affinity.append(MemoryAffinity(node=node, range=span, hotplug=True))
            else:
                affinity.append(MemoryAffinity(node=node, range=span))
                firmware += _filled(draw, span)
    nodes = tuple(sorted({*range(count), *(item.node for item in affinity)}))
    per_node = draw(st.integers(1, 4))
    order = draw(st.sampled_from(["blocks", "interleaved"]))
    owners = [node for node in range(count) for _ in range(per_node)]
    if order == "interleaved":
        owners = [node for _ in range(per_node) for node in range(count)]
    return Topology(
        name="random",
        source="test",
        nodes=nodes,
        firmware=tuple(draw(st.permutations(firmware))),
        affinity=tuple(affinity),
        cpus=tuple(Cpu(number=number, node=node) for number, node in enumerate(owners)),
    )


def _filled(draw: st.DrawFn, span: Range, always_low: bool = False) -> list[E820Entry]:
    """RAM with up to two holes: unclaimed, reserved, or ACPI; edges to the page or odder."""
    entries: list[E820Entry] = []
    start = span.start
    for _ in range(draw(st.integers(0, 2))):
        first = start + (80 * MIB if always_low and not entries else 0)
        room = span.end - first
        if room < 64 * MIB:
            break
        at = first + draw(st.integers(1, room // MIB // 2)) * MIB + draw(st.sampled_from([0, 4096]))
        size = draw(st.sampled_from([4096, 0x1800, MIB, 30 * MIB]))
        kind = draw(st.sampled_from([None, E820Type.RESERVED, E820Type.ACPI, E820Type.NVS]))
        entries.append(E820Entry(Range(start, at), E820Type.RAM))
        if kind is not None:
            entries.append(E820Entry(Range(at, at + size), kind))
        start = at + size
    entries.append(E820Entry(Range(start, span.end), E820Type.RAM))
    return entries
