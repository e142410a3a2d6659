"""Facts (what hotkit/agent/gather.py prints, docs/architecture.md) -> core types."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hotkit.core.e820 import E820Entry
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.topology import Cpu, MemoryAffinity, Topology
from hotkit.core.units import GIB, MIB, format_size
from hotkit.errors import HotkitError
from hotkit.parse.cpulist import parse_cpulist
from hotkit.parse.factsshape import damage
from hotkit.parse.firmware_memmap import parse_firmware_memmap
from hotkit.parse.madt import parse_madt
from hotkit.parse.slit import parse_slit
from hotkit.parse.srat import Srat, parse_srat

FACTS_SCHEMA_VERSION = 1
_FOUR_GIB = 4 * GIB


def topology_from_facts(facts: Mapping[str, Any]) -> Topology:
    """The machine's topology from its firmware, whatever layout it runs at the moment.

    Nodes, ranges and CPUs come from the binary SRAT and MADT and the pristine map; sysfs is asked
    only where firmware is silent. Raises HotkitError when the facts are not readable, or do not
    hold what a topology needs.
    """
    check_facts(facts)
    name = str(facts.get("hostname") or "host")
    arch = str(facts.get("arch") or "unknown")
    firmware = parse_firmware_memmap(facts.get("firmware_memmap") or ())
    tables = facts.get("acpi") or {}
    srat_bytes = _decode(tables.get("SRAT"), "SRAT", name)
    madt_bytes = _decode(tables.get("APIC"), "APIC", name)
    slit_bytes = _decode(tables.get("SLIT"), "SLIT", name)
    notes: list[str] = []
    online = parse_cpulist(str((facts.get("cpus") or {}).get("online") or ""))
    if not firmware and arch == "x86_64":
        raise HotkitError(
            f"{name}: no /sys/firmware/memmap in the facts: its RAM is unknown",
            hint="gather as root, on a kernel with CONFIG_FIRMWARE_MEMMAP",
        )
    srat = parse_srat(srat_bytes) if srat_bytes else None
    if srat is not None and srat.memory:
        nodes, affinity = srat_nodes(srat)
    else:
        nodes, affinity = _single_node(facts, firmware, name, arch)
        notes.append("the firmware has no SRAT: all RAM is taken as node 0")
    nodes = tuple(sorted({*nodes, *(int(node) for node in facts.get("nodes") or {})}))
    cpus = _cpus(facts, srat, madt_bytes, online, notes)
    topology = Topology(
        name=name,
        source="facts",
        arch=arch,
        nodes=nodes,
        firmware=firmware,
        affinity=affinity,
        cpus=cpus,
        distances=_distances(facts, nodes, srat, slit_bytes),
        notes=tuple(notes),
    )
    return with_memory_notes(topology)


def check_facts(facts: Mapping[str, Any]) -> None:
    """Raise HotkitError unless this is a facts document of a version known here, whose values are
    of the kinds that its readers take."""
    if not isinstance(facts, Mapping) or "schema_version" not in facts:
        raise HotkitError("these are no facts of hotkit: schema_version is missing")
    if facts["schema_version"] != FACTS_SCHEMA_VERSION:
        raise HotkitError(
            f"facts of schema_version {facts['schema_version']} are not known here, "
            f"only {FACTS_SCHEMA_VERSION}"
        )
    if wrong := damage(facts):
        raise HotkitError(
            f"the facts are damaged: {wrong}",
            hint="gather them again: hotkit topology show HOST --json",
        )


def srat_nodes(srat: Srat) -> tuple[tuple[int, ...], tuple[MemoryAffinity, ...]]:
    """Linux's node numbers and the memory ranges under them."""
    affinity = tuple(
        MemoryAffinity(
            node=srat.nodes[item.domain],
            range=item.range,
            hotplug=item.hotplug,
            nonvolatile=item.nonvolatile,
        )
        for item in srat.memory
    )
    return tuple(sorted(srat.nodes.values())), affinity


def single_node_affinity(firmware: tuple[E820Entry, ...]) -> tuple[MemoryAffinity, ...]:
    """What a firmware would say of a machine with one node: RAM below and RAM above 4 GiB."""
    ram = RangeSet.of(entry.range for entry in firmware if entry.type == 1)
    low = ram.intersect(RangeSet((Range(0, _FOUR_GIB),)))
    high = ram.subtract(RangeSet((Range(0, _FOUR_GIB),)))
    ranges = [Range(0, low.ranges[-1].end)] if low else []
    ranges += [Range(high.ranges[0].start, high.ranges[-1].end)] if high else []
    return tuple(MemoryAffinity(node=0, range=item) for item in ranges)


def with_memory_notes(topology: Topology) -> Topology:
    """Add a sentence for RAM that no node claims, and for ranges that two nodes claim."""
    notes = list(topology.notes)
    claimed = RangeSet.of(item for node in topology.nodes for item in topology.span(node))
    orphan = topology.ram.subtract(claimed)
    if orphan.size_bytes > MIB:  # numa_meminfo_cover_memory() forgives 1 MiB
        notes.append(
            f"{format_size(orphan.size_bytes)} of RAM belong to no node "
            f"({', '.join(map(str, orphan))}): the kernel then gives up NUMA"
        )
    for index, node in enumerate(topology.nodes):
        for other in topology.nodes[index + 1 :]:
            both = topology.span(node).intersect(topology.span(other))
            if both:
                notes.append(f"nodes {node} and {other} both claim {', '.join(map(str, both))}")
    return replace(topology, notes=tuple(notes))


def _single_node(
    facts: Mapping[str, Any], firmware: tuple[E820Entry, ...], name: str, arch: str
) -> tuple[tuple[int, ...], tuple[MemoryAffinity, ...]]:
    nodes = facts.get("nodes") or {}
    if len(nodes) > 1 and arch == "x86_64":
        raise HotkitError(
            f"{name} has {len(nodes)} nodes and no readable SRAT: their ranges are unknown",
            hint="gather as root: /sys/firmware/acpi/tables/SRAT is for root only",
        )
    return (0,), single_node_affinity(firmware)


def _cpus(
    facts: Mapping[str, Any],
    srat: Srat | None,
    madt: bytes | None,
    online: tuple[int, ...],
    notes: list[str],
) -> tuple[Cpu, ...]:
    said = facts.get("cpus") or {}
    if madt:
        boot = said.get("boot_apic_id")
        order = parse_madt(madt, boot if isinstance(boot, int) else None).apic_ids
        if srat is None or not srat.cpus:
            return tuple(Cpu(number=number, node=0) for number in range(len(order)))
        missing = [apic for apic in order if apic not in srat.cpus]
        if missing:
            notes.append(f"SRAT names no node for {len(missing)} CPUs: node 0 is assumed for them")
        return tuple(
            Cpu(number=number, node=srat.nodes.get(srat.cpus.get(apic, -1), 0))
            for number, apic in enumerate(order)
        )
    known = {int(number): int(node) for number, node in (said.get("node") or {}).items()}
    if known:
        notes.append("without the MADT the CPUs are taken to come up in the order of their numbers")
    elif online:
        notes.append("the nodes of the CPUs are unknown: node 0 is assumed")
    numbers = sorted(known) or sorted(online)
    return tuple(Cpu(number=number, node=known.get(number, 0)) for number in numbers)


def _distances(
    facts: Mapping[str, Any], nodes: tuple[int, ...], srat: Srat | None, slit: bytes | None
) -> tuple[tuple[int, ...], ...]:
    if srat and slit:
        matrix = parse_slit(slit)
        domain_of = {node: domain for domain, node in srat.nodes.items()}
        domains = [domain_of.get(node, -1) for node in nodes]
        if all(0 <= domain < len(matrix) for domain in domains):
            return tuple(tuple(matrix[a][b] for b in domains) for a in domains)
    rows = [
        tuple(int(word) for word in str(item.get("distance") or "").split())
        for _, item in sorted((facts.get("nodes") or {}).items(), key=lambda pair: int(pair[0]))
    ]
    square = len(rows) == len(nodes) and all(len(row) == len(nodes) for row in rows)
    return tuple(rows) if square else ()


def _decode(text: object, signature: str, name: str) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(str(text), validate=True)
    except ValueError as error:  # binascii.Error is one; a letter outside ASCII raises another
        raise HotkitError(f"{name}: the {signature} table in the facts is no base64") from error
