"""A capture of single files (meminfo, `numactl -H`, a boot log) as the ground of a forecast."""

from __future__ import annotations

from collections.abc import Mapping

from hotkit.core.bootreference import BootReference
from hotkit.core.labels import label_of
from hotkit.core.memfacts import MemoryFacts
from hotkit.core.topology import Topology
from hotkit.core.units import MIB, PAGE_BYTES
from hotkit.errors import HotkitError
from hotkit.parse.bootreference import reclaimable_of
from hotkit.parse.numactl import parse_numactl

# numactl cuts each node's size to whole MiB.
_CUT_BYTES = MIB


def reference_from_capture(
    facts: MemoryFacts, topology: Topology, texts: Mapping[str, str]
) -> BootReference | None:
    """The boot that a capture without facts.json shows: its kernel must have had all the RAM.

    Where no node's use is known, that of `numactl -H` at another moment of the same boot shares out
    what meminfo says. None when the capture does not say what each node has.
    """
    nodes: Mapping[int, Mapping[str, int]] = {
        node: sizes
        for node, sizes in facts.nodes.items()
        if "MemTotal" in sizes and "MemFree" in sizes
    } or _shared_out(facts, texts)
    ram = {node: topology.node_ram(node) for node in topology.nodes}
    if not nodes or any(item and node not in nodes for node, item in ram.items()):
        return None
    used = facts.used_bytes
    lists: dict[int, int] = {}
    for zone in facts.zones or ():
        lists[zone.node] = lists.get(zone.node, 0) + zone.per_cpu_free * PAGE_BYTES
    whole = facts.meminfo
    return BootReference(
        name=facts.name,
        label=facts.label or label_of("metal"),
        kernel_release=facts.kernel_release or "",
        ram={node: item for node, item in ram.items() if item},
        memtotal={node: sizes["MemTotal"] for node, sizes in nodes.items()},
        memfree={node: sizes["MemFree"] + lists.get(node, 0) for node, sizes in nodes.items()},
        cpu_nodes={cpu.number: cpu.node for cpu in topology.cpus},
        cpus_online=facts.cpus_online or len(topology.cpus) or 1,
        reclaimable_bytes=min(used, reclaimable_of(whole)),
        programs_bytes=whole.get("AnonPages", 0) + whole.get("Shmem", 0),
        percpu_bytes=whole.get("Percpu", 0),
        uptime_s=facts.uptime_s or 0.0,
    )


def _shared_out(facts: MemoryFacts, texts: Mapping[str, str]) -> dict[int, dict[str, int]]:
    """The nodes by the table of a boot with the same MemTotal, their use to add up to meminfo's."""
    for source, text in sorted(texts.items()):
        if not source.startswith("numactl"):
            continue
        try:
            table = parse_numactl(text)
        except HotkitError:
            continue
        sizes = {node: size for node, size in table.sizes_bytes.items() if size}
        gap = facts.meminfo["MemTotal"] - sum(sizes.values())
        used = {node: size - table.free_bytes.get(node, size) for node, size in sizes.items()}
        if not 0 <= gap < len(sizes) * _CUT_BYTES or not sum(used.values()):
            continue
        share = facts.used_bytes / sum(used.values())
        return {
            node: {"MemTotal": size, "MemFree": size - min(size, int(used[node] * share))}
            for node, size in sizes.items()
        }
    return {}
