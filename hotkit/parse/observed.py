"""Facts (docs/architecture.md) -> what a layout is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotkit.core.labels import Platform, label_of
from hotkit.core.observed import NodeState, Observed
from hotkit.core.ranges import RangeSet
from hotkit.core.topology import Topology
from hotkit.errors import HotkitError
from hotkit.parse.cpulist import parse_cpulist
from hotkit.parse.facts import check_facts, topology_from_facts
from hotkit.parse.iomem import Iomem, parse_iomem
from hotkit.parse.meminfo import parse_meminfo
from hotkit.parse.numactl import parse_numactl
from hotkit.parse.pmem import dax_devices, memory_tiers


def observe(facts: Mapping[str, Any], *, host: str = "") -> Observed:
    """The memory layout that the facts show; what they do not show is None in there.

    Raises HotkitError when this is no facts document of a version known here.
    """
    check_facts(facts)
    iomem = _iomem(facts)
    numactl = parse_numactl(facts["numactl"]) if facts.get("numactl") else None
    cpus = facts.get("cpus") or {}
    state = facts.get("state")
    boot = facts.get("boot") or {}
    pmem = facts.get("pmem") or {}
    kernel = facts.get("kernel") or {}
    nodes = tuple(
        NodeState(
            node=int(number),
            memtotal_bytes=_memtotal(str(item.get("meminfo") or "")),
            numactl_bytes=numactl.sizes_bytes.get(int(number)) if numactl else None,
            cpus=parse_cpulist(str(item.get("cpulist") or "")),
            distances=tuple(int(word) for word in str(item.get("distance") or "").split()),
        )
        for number, item in sorted((facts.get("nodes") or {}).items(), key=lambda i: int(i[0]))
    )
    return Observed(
        host=host or str(facts.get("hostname") or ""),
        boot_id=str(facts.get("boot_id") or ""),
        cmdline=str(facts.get("cmdline") or ""),
        kernel_release=str(facts.get("kernel_release") or ""),
        label=label_of(
            str(facts.get("platform") or Platform.METAL),
            nested=bool(facts.get("nested", False)),
            evidence=str(facts.get("platform_evidence") or ""),
        ),
        topology=_topology(facts),
        system_ram=iomem.system_ram if iomem else None,
        hotplugged_ram=_hotplugged(iomem),
        pmem=iomem.persistent if iomem else RangeSet(),
        nodes=nodes,
        numactl_nodes=numactl.nodes if numactl else None,
        cpus_online=parse_cpulist(str(cpus.get("online") or "")),
        cpu_nodes=tuple((int(cpu), int(node)) for cpu, node in (cpus.get("node") or {}).items()),
        dax=dax_devices(pmem),
        block_bytes=int(pmem.get("block_bytes") or 0),
        tiers=memory_tiers(pmem),
        demotion={"true": True, "false": False}.get(str(pmem.get("demotion"))),
        build_id=kernel.get("build_id"),
        switches=kernel.get("switches"),
        entry_text=boot.get("custom_cfg"),
        state=str(state["state"]) if isinstance(state, Mapping) and "state" in state else None,
    )


def _iomem(facts: Mapping[str, Any]) -> Iomem | None:
    """None when the kernel hid the addresses: a check that needs them is then not made."""
    try:
        return parse_iomem(str(facts.get("iomem") or ""))
    except HotkitError:
        return None


def _hotplugged(iomem: Iomem | None) -> RangeSet:
    """RAM that dax/kmem put below a device: "System RAM (kmem)" (drivers/dax/kmem.c, Linux 6.1)."""
    if iomem is None:
        return RangeSet()
    return RangeSet.of(
        item.range
        for item in iomem.resources
        if item.name.startswith("System RAM") and (item.depth or item.name != "System RAM")
    )


def _topology(facts: Mapping[str, Any]) -> Topology | None:
    """None when the firmware's tables could not be read (by a user who is not root, as a rule)."""
    try:
        return topology_from_facts(facts)
    except HotkitError:
        return None


def _memtotal(text: str) -> int | None:
    try:
        return parse_meminfo(text)["MemTotal"]
    except HotkitError:
        return None
