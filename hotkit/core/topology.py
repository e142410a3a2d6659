"""A machine's memory as its firmware describes it: nodes, ranges, RAM, CPUs, distances."""

from __future__ import annotations

from dataclasses import dataclass, field

from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.ranges import Range, RangeSet


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAffinity:
    """One SRAT memory entry: which node a physical range belongs to (ACPI 6.4, 5.2.16.2)."""

    node: int
    range: Range
    hotplug: bool = False
    nonvolatile: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """One logical CPU under the number that Linux gives it."""

    number: int
    node: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Everything a layout is computed from; true for the machine, whatever layout it runs now.

    `firmware` is the pristine map (/sys/firmware/memmap, or a capture's e820 or node ranges);
    `cpus` are in bring-up order (the order that maxcpus= counts), empty when the source does not
    say; `distances[i][j]` as numactl -H prints them, by position in `nodes`, 0 for a pair that the
    source does not know, empty when it knows none; `nodes` holds every node
    that the source names, those without memory or CPUs too. `notes` says, in sentences, what the
    source could not tell.
    """

    name: str
    source: str
    arch: str = "x86_64"
    nodes: tuple[int, ...]
    firmware: tuple[E820Entry, ...]
    affinity: tuple[MemoryAffinity, ...]
    cpus: tuple[Cpu, ...] = ()
    distances: tuple[tuple[int, ...], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def span(self, node: int) -> RangeSet:
        """Volatile ranges that SRAT gives to `node`, RAM or not.

        A hot-plug range counts when the firmware has RAM in it at boot (some mark every DIMM so);
        an empty one is room for later.
        """
        ram = self.ram
        return RangeSet.of(
            item.range
            for item in self.affinity
            if item.node == node
            and not item.nonvolatile
            and (not item.hotplug or ram.intersect(RangeSet((item.range,))))
        )

    def pmem(self, node: int) -> RangeSet:
        """Non-volatile ranges of `node`: no RAM, nothing to reserve."""
        return RangeSet.of(
            item.range for item in self.affinity if item.node == node and item.nonvolatile
        )

    @property
    def ram(self) -> RangeSet:
        """All firmware RAM (type 1), to the byte."""
        return RangeSet.of(item.range for item in self.firmware if item.type == E820Type.RAM)

    def node_ram(self, node: int) -> RangeSet:
        """RAM present on `node`: the firmware's RAM inside the node's span, to the byte."""
        return self.ram.intersect(self.span(node))

    def node_cpus(self, node: int) -> tuple[int, ...]:
        return tuple(cpu.number for cpu in self.cpus if cpu.node == node)
