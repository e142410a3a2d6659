"""Machines that nobody built, for comparing the model with a kernel: random but reproducible.

They have what real firmware maps have: holes at odd pages below 4 GiB, nodes made of several
ranges, PMEM between DRAM nodes, hot-plug windows, nodes without memory, node numbers that do not
follow the addresses.
"""

from __future__ import annotations

import random

from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.plan import plan
from hotkit.core.plan_error import PlanError
from hotkit.core.profile import Profile, Tier
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.topology import Cpu, MemoryAffinity, Topology
from hotkit.core.units import GIB, MIB, PAGE_BYTES

_LOW_TOP = 3 * GIB  # RAM below the PCI hole ends here at the latest
_HIGH = 4 * GIB
_HOLE_TYPES = (E820Type.RESERVED, E820Type.ACPI, E820Type.NVS, E820Type.UNUSABLE)


def random_topology(seed: int) -> Topology:
    """A machine of one to eight nodes; the same for the same seed, on every Python."""
    dice = random.Random(f"topology {seed}")
    dram_nodes = dice.choice((1, 2, 2, 2, 3, 3, 4, 6))
    pmem_nodes = dice.choice((0, 0, 1, 1, 2)) if dram_nodes < 6 else 2
    firmware = [
        E820Entry(Range(0, 0x9FC00), E820Type.RAM),
        E820Entry(Range(0x9FC00, 0xA0000), E820Type.RESERVED),
        E820Entry(Range(0xF0000, MIB), E820Type.RESERVED),
        E820Entry(Range(0xFEC00000, 0xFEC01000), E820Type.RESERVED),
    ]
    affinity: list[MemoryAffinity] = []

    # Node 0 starts at 0, as on every machine, and has room for a kernel.
    low_end = _pages(dice, 768 * MIB, _LOW_TOP - 64 * MIB)
    firmware += _with_holes(dice, Range(MIB, low_end), dice.randint(0, 4))
    affinity.append(MemoryAffinity(node=0, range=Range(0, _up(low_end))))

    # Above 4 GiB: a shuffled row of pieces; a node may own several.
    pieces = [("dram", node) for node in range(1, dram_nodes)]
    pieces += [("dram", dice.randrange(dram_nodes)) for _ in range(dice.randint(0, 3))]
    pieces += [("pmem", dram_nodes + i) for i in range(pmem_nodes)]
    if dice.random() < 0.3:
        pieces.append(("hotplug", dice.randrange(dram_nodes)))
    dice.shuffle(pieces)
    at = _HIGH
    for kind, node in pieces:
        at += dice.choice((0, 0, 128 * MIB, 1 * GIB))
        end = _pages(dice, at + 128 * MIB, at + 1536 * MIB)
        span = Range(at, _up(end))
        if kind == "dram":
            firmware += _with_holes(dice, Range(at, end), dice.choice((0, 0, 0, 1, 2)))
        elif kind == "pmem" and dice.random() < 0.7:  # or the firmware map is silent about it
            firmware.append(E820Entry(span, E820Type.PMEM))
        affinity.append(
            MemoryAffinity(
                node=node,
                range=span,
                hotplug=kind == "hotplug",
                nonvolatile=kind == "pmem",
            )
        )
        at = span.end
    count = dram_nodes + pmem_nodes
    cpu_nodes = min(dram_nodes, dice.choice((1, 2, 2)))
    cpus = [0] * dice.randint(1, 2) + list(range(1, cpu_nodes))
    return Topology(
        name=f"random-{seed}",
        source=f"random topology, seed {seed}",
        nodes=tuple(range(count)),
        firmware=tuple(sorted(firmware, key=lambda entry: entry.range)),
        affinity=tuple(affinity),
        cpus=tuple(Cpu(number=i, node=node) for i, node in enumerate(cpus)),
        distances=tuple(
            tuple(10 if i == j else 20 + abs(i - j) for j in range(count)) for i in range(count)
        ),
    )


def random_profile(topology: Topology, seed: int) -> Profile:
    """A profile that `topology` can give; the same for the same seed."""
    dice = random.Random(f"profile {seed}")
    dram = [node for node in topology.nodes if topology.node_ram(node)]
    pmem = [node for node in topology.nodes if topology.pmem(node)]
    for _ in range(200):
        others = [node for node in dram if node != 0]
        slow: Tier | None = None
        choice = dice.random()
        if others and choice < 0.7:
            node = dice.choice(others)
            slow = Tier(node=node, size_bytes=_some(dice, topology, node, 16 * MIB))
        elif pmem and choice < 0.85:
            slow = Tier(node=dice.choice(pmem), pmem=True)
        profile = Profile(
            name=f"random-{seed}",
            cpus=dice.randint(1, len(topology.node_cpus(0))),
            fast=Tier(node=0, size_bytes=_some(dice, topology, 0, 384 * MIB)),
            slow=slow,
            size_means=dice.choice(("present", "present", "span")),
            align_bytes=dice.choice((MIB, MIB, 2 * MIB, 128 * MIB)),
            style=dice.choice(("$", "%")),
        )
        try:
            plan(topology, profile)
        except PlanError:
            continue
        return profile
    raise PlanError(f"seed {seed}: no profile fits {topology.name}")


def _some(dice: random.Random, topology: Topology, node: int, least: int) -> int:
    present = topology.node_ram(node).size_bytes
    return dice.randint(least // MIB, max(present // MIB, least // MIB)) * MIB


def _pages(dice: random.Random, low: int, high: int) -> int:
    """A page boundary; often a rounder one, as most firmware gives."""
    step = dice.choice((PAGE_BYTES, MIB, 64 * MIB))
    return dice.randint(-(-low // step), high // step) * step


def _up(end: int) -> int:
    """SRAT speaks in round numbers: the next 64 MiB."""
    return -(-end // (64 * MIB)) * 64 * MIB


def _with_holes(dice: random.Random, whole: Range, count: int) -> list[E820Entry]:
    """RAM with `count` firmware ranges or plain holes in it, the first 512 MiB left alone."""
    holes: list[tuple[Range, E820Type | None]] = []
    lowest = max(whole.start, 512 * MIB) // PAGE_BYTES
    for _ in range(count):
        start = dice.randint(lowest, whole.end // PAGE_BYTES - 1) * PAGE_BYTES
        end = min(start + dice.randint(1, 4096) * PAGE_BYTES, whole.end)
        hole = Range(start, end)
        if not any(hole.intersect(other) for other, _ in holes):
            holes.append((hole, dice.choice((*_HOLE_TYPES, None))))
    ram = RangeSet((whole,)).subtract(RangeSet.of(hole for hole, _ in holes))
    entries = [E820Entry(item, E820Type.RAM) for item in ram]
    return entries + [E820Entry(hole, kind) for hole, kind in holes if kind is not None]
