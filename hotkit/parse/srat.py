"""SRAT: which proximity domain each memory range and each CPU belongs to (ACPI 6.4, 5.2.16)."""

from __future__ import annotations

from dataclasses import dataclass

from hotkit.core.ranges import Range
from hotkit.parse.acpi import body, subtables

_LAPIC, _MEMORY, _X2APIC, _INITIATOR = 0, 1, 2, 5
_ENABLED, _HOTPLUG, _NONVOLATILE = 1, 2, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SratMemory:
    """An enabled memory affinity structure; `domain` is firmware's number, not yet a node."""

    domain: int
    range: Range
    hotplug: bool
    nonvolatile: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Srat:
    """`memory` in table order; `cpus` maps APIC id to domain, enabled entries only.

    `nodes` maps a domain to Linux's node number: the kernel counts domains in the order in which
    it meets them, CPUs before memory (acpi_numa_init() in drivers/acpi/numa/srat.c, Linux 6.1).
    """

    memory: tuple[SratMemory, ...]
    cpus: dict[int, int]
    nodes: dict[int, int]


def parse_srat(table: bytes) -> Srat:
    """Read the binary table. Raises HotkitError on a damaged one."""
    data = body(table, "SRAT")[12:]  # a reserved word and eight reserved bytes come first
    wide = table[8] >= 2  # before revision 2 a domain had 8 bits
    memory: list[SratMemory] = []
    cpus: dict[int, int] = {}
    domains: list[int] = []
    for entry in subtables(data, "SRAT", {_LAPIC: 16, _MEMORY: 40, _X2APIC: 24, _INITIATOR: 32}):
        if entry.kind == _LAPIC and entry.u32(4) & _ENABLED:
            high = int.from_bytes(entry.data[9:12], "little") if wide else 0
            cpus[entry.u8(3)] = entry.u8(2) | high << 8
            domains.append(cpus[entry.u8(3)])
        elif entry.kind == _X2APIC and entry.u32(12) & _ENABLED:
            cpus[entry.u32(8)] = entry.u32(4)
            domains.append(entry.u32(4))
        elif entry.kind == _INITIATOR and entry.u32(24) & _ENABLED:
            domains.append(entry.u32(4))
        elif entry.kind == _MEMORY:
            flags, start, size = entry.u32(28), entry.u64(8), entry.u64(16)
            if flags & _ENABLED and size:
                memory.append(
                    SratMemory(
                        domain=entry.u32(2) if wide else entry.u8(2),
                        range=Range(start, start + size),
                        hotplug=bool(flags & _HOTPLUG),
                        nonvolatile=bool(flags & _NONVOLATILE),
                    )
                )
    nodes: dict[int, int] = {}
    for domain in (*domains, *(item.domain for item in memory)):
        nodes.setdefault(domain, len(nodes))
    return Srat(memory=tuple(memory), cpus=cpus, nodes=nodes)
