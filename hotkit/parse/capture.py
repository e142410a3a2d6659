"""A captured kernel log, with or without `numactl -H` beside it -> a topology."""

from __future__ import annotations

from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.ranges import RangeSet
from hotkit.core.topology import Cpu, Topology
from hotkit.errors import HotkitError
from hotkit.parse.dmesg import DmesgMemory, parse_dmesg
from hotkit.parse.facts import with_memory_notes
from hotkit.parse.numactl import Numactl


def topology_from_dmesg(text: str, name: str, numactl: Numactl | None = None) -> Topology:
    """Build a topology from a boot log (and numactl's table, which knows CPUs and distances).

    Raises HotkitError when the log has no SRAT lines, no memory map, or a map that a layout has
    already cut.
    """
    log = parse_dmesg(text, name)
    if not log.affinity:
        what = "has no SRAT lines: which node owns which range is unknown"
        if not log.e820 and not log.node_ranges:
            what = "is no boot log: neither SRAT nor memory map lines are in it"
        raise HotkitError(
            f"{name} {what}",
            hint="take it right after a boot: dmesg > dmesg-boot.txt (the ring buffer may have "
            "lost its beginning; journalctl -k -b has it still)",
        )
    notes: list[str] = []
    firmware = _firmware(log, name, notes)
    named = {item.node for item in log.affinity} | {node for node, _ in log.node_ranges}
    named |= {node for _, node in log.srat_cpus} | set(log.booted.values())
    named |= set(numactl.nodes) if numactl else set()
    nodes = tuple(sorted(named))
    return with_memory_notes(
        Topology(
            name=name,
            source="dmesg",
            arch=log.arch,
            nodes=nodes,
            firmware=firmware,
            affinity=log.affinity,
            cpus=_cpus(log, numactl, notes),
            distances=_distances(nodes, numactl, notes),
            notes=tuple(notes),
        )
    )


def _firmware(log: DmesgMemory, name: str, notes: list[str]) -> tuple[E820Entry, ...]:
    if log.e820:
        return log.e820
    if not log.node_ranges:
        raise HotkitError(
            f"{name} has neither e820 lines nor early memory node ranges: its RAM is unknown"
        )
    if log.limited:
        raise HotkitError(
            f"{name} was taken while {log.command_line!r} was in force, and has no e820 lines: "
            "what the machine has is not in it",
            hint="take the log on the stock entry",
        )
    notes.append("no e820 lines: RAM is known to the page, what lies in the holes between is not")
    ram = RangeSet.of(item for _, item in log.node_ranges)
    for item in log.affinity:
        usual = not item.nonvolatile and not item.hotplug
        if usual and not ram.intersect(RangeSet((item.range,))):
            notes.append(f"node {item.node} has no RAM at {item.range}: is the log cut short?")
    return tuple(E820Entry(item, int(E820Type.RAM)) for _, item in log.node_ranges)


def _cpus(log: DmesgMemory, numactl: Numactl | None, notes: list[str]) -> tuple[Cpu, ...]:
    order = "the CPUs are taken to come up in the order of their numbers"
    if numactl and any(numactl.cpus.values()):
        where = {cpu: node for node, cpus in numactl.cpus.items() for cpu in cpus}
        notes.append(f"{order}, as Linux does")
    elif log.booted:
        first = next((node for _, node in log.srat_cpus[:1]), log.booted.get(1, 0))
        where = {0: first} | log.booted
        notes.append(f"{order}; CPU 0 is assumed on node {first}")
    elif log.srat_cpus:
        where = {number: node for number, (_, node) in enumerate(log.srat_cpus)}
        notes.append("the CPUs are taken in the order of the SRAT, some of them may not exist")
    else:
        notes.append("the source names no CPUs: their nodes and their number are unknown")
        where = {}
    return tuple(Cpu(number=number, node=where[number]) for number in sorted(where))


def _distances(
    nodes: tuple[int, ...], numactl: Numactl | None, notes: list[str]
) -> tuple[tuple[int, ...], ...]:
    if numactl is None or not numactl.distances:
        return ()
    if set(numactl.nodes) != set(nodes):
        lost = ", ".join(str(node) for node in nodes if node not in numactl.nodes)
        notes.append(f"the distances of node {lost} are unknown (0 in the table)")
    place = {node: index for index, node in enumerate(numactl.nodes)}
    return tuple(
        tuple(
            numactl.distances[place[a]][place[b]] if a in place and b in place else 0 for b in nodes
        )
        for a in nodes
    )
