"""Facts (docs/architecture.md) -> what the machine's memory was like once it had booted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hotkit.core.bootreference import PERCPU_BYTES, BootReference
from hotkit.core.ranges import RangeSet
from hotkit.core.units import KIB, MIB, PAGE_BYTES
from hotkit.errors import HotkitError
from hotkit.parse.cpulist import parse_cpulist
from hotkit.parse.iomem import parse_iomem
from hotkit.parse.meminfo import parse_meminfo
from hotkit.parse.observed import observe

_PERCPU = re.compile(r"percpu: Embedded (\d{1,9}) pages/cpu")
_FREED = re.compile(
    r"Freeing (?:unused kernel image|unused decrypted|SMP alternatives)[^:]*memory: (\d{1,12})K"
)
_SWIOTLB = re.compile(r"software IO TLB: mapped .*\((\d{1,9})MB\)")
_IMAGE = ("Kernel code", "Kernel rodata", "Kernel data", "Kernel bss")
# Of init_size (what the kernel wants to unpack itself, boot/header.S), that much stays taken:
# 16.0 of 27.7 MiB between Debian's kernel and the lab's (Linux 6.1, both booted in QEMU).
_IMAGE_SHARE = 0.58


def reference_from_facts(
    facts: Mapping[str, Any], *, host: str = "", kernel: str = ""
) -> BootReference | None:
    """The boot that these facts show; None when they do not show nodes, RAM or use.

    `kernel` is the path of the kernel that is to boot (with or without /boot), for its initramfs.
    """
    observed = observe(facts, host=host)
    topology = observed.topology
    if topology is None or observed.system_ram is None:
        return None
    sizes = {
        int(number): fields
        for number, item in (facts.get("nodes") or {}).items()
        if (fields := _meminfo(str(item.get("meminfo") or "")))
    }
    ram = {node: observed.system_ram.intersect(topology.span(node)) for node in topology.nodes}
    whole = _meminfo(str(facts.get("meminfo") or "")) or _sum(sizes)
    cpus = facts.get("cpus") or {}
    possible = parse_cpulist(str(cpus.get("possible") or ""))
    cpu_nodes = {cpu.number: cpu.node for cpu in topology.cpus}
    if possible:
        first = min(topology.nodes, default=0)
        cpu_nodes = {cpu: cpu_nodes.get(cpu, first) for cpu in possible}
    lines = "\n".join(facts.get("dmesg_memory") or ())
    percpu = _PERCPU.search(lines)
    image = parse_iomem(str(facts["iomem"])).named(*_IMAGE, depth=None)
    size, unpacked = _initramfs(facts, kernel)
    found = BootReference(
        name=observed.host,
        label=observed.label,
        kernel_release=observed.kernel_release,
        ram={node: item for node, item in ram.items() if item},
        memtotal={node: fields["MemTotal"] for node, fields in sizes.items()},
        memfree=free_of(facts, sizes),
        image_at=image.ranges[0].start if image else None,
        image_bytes=_kept_of(image, lines),
        swiotlb_bytes=_swiotlb(lines),
        cpu_nodes=cpu_nodes,
        cpus_online=len(observed.cpus_online) or 1,
        reclaimable_bytes=reclaimable_of(whole),
        programs_bytes=_of(whole, "AnonPages", "Shmem", "Hugetlb"),
        percpu_first_bytes=int(percpu[1]) * PAGE_BYTES if percpu else PERCPU_BYTES,
        percpu_bytes=_of(whole, "Percpu"),
        pmem_online_bytes=observed.hotplugged_ram.size_bytes,
        initrd_bytes=size,
        initrd_unpacked_bytes=unpacked,
        uptime_s=float(facts.get("uptime_s") or 0),
    )
    return found if found.nodes else None


def cache_of(facts: Mapping[str, Any]) -> int:
    """What of a machine's use can be given back: page cache and reclaimable slab, in bytes."""
    return reclaimable_of(_meminfo(str(facts.get("meminfo") or "")))


def reclaimable_of(meminfo: Mapping[str, int]) -> int:
    """The same of /proc/meminfo's fields, in bytes."""
    return max(0, _of(meminfo, "Cached", "Buffers", "SReclaimable") - _of(meminfo, "Shmem"))


def free_of(facts: Mapping[str, Any], sizes: Mapping[int, Mapping[str, int]]) -> dict[int, int]:
    """What is free per node: MemFree, and what waits on lists of CPUs (`cpu_lists_bytes`).

    The lists may hold a third of what MemTotal - MemFree calls used after a boot, and next to
    nothing on the same machine with less RAM.
    """
    nodes = facts.get("nodes") or {}
    return {
        node: min(
            fields["MemTotal"],
            fields.get("MemFree", 0) + int(nodes[str(node)].get("cpu_lists_bytes") or 0),
        )
        for node, fields in sizes.items()
    }


def image_change(facts: Mapping[str, Any], kernel: str, init_bytes: int = 0) -> int:
    """How much more RAM the kernel at path `kernel` keeps than the one that runs; 0 if unknown.

    `init_bytes` is its init_size where the host does not have the file yet.
    """
    sizes = {
        path.rpartition("/")[2]: int(size)
        for path, size in ((facts.get("boot") or {}).get("kernel_init_bytes") or {}).items()
    }
    running = sizes.get(f"vmlinuz-{facts.get('kernel_release')}")
    coming = init_bytes or sizes.get(kernel.rpartition("/")[2])
    return int((coming - running) * _IMAGE_SHARE) if running and coming else 0


def _kept_of(image: RangeSet, lines: str) -> int:
    """What the kernel keeps of its image: from end to end, less what the log says it gave back.

    Without such lines (free_initmem(), free_kernel_image_pages()) what /proc/iomem names of it.
    """
    freed = sum(int(size) for size in _FREED.findall(lines)) * KIB
    if not image or not freed:
        return image.size_bytes
    return image.ranges[-1].end - image.ranges[0].start - freed


def _swiotlb(lines: str) -> int:
    """The size of the bounce buffers by the boot log: what it does not speak of is not there."""
    found = _SWIOTLB.search(lines)
    return int(found[1]) * MIB if found else 0


def _initramfs(facts: Mapping[str, Any], kernel: str) -> tuple[int, int]:
    """Size and unpacked size of that kernel's initramfs, by the ratio of one that was unpacked.

    One that is not there yet is taken to be as large as that of the running kernel.
    """
    known = (facts.get("boot") or {}).get("initrds") or {}
    unpacked = next(
        (item for item in known.values() if item.get("unpacked_bytes") and item["bytes"]), None
    )
    release = kernel.rpartition("vmlinuz-")[2]
    sizes = [int(item["bytes"]) for path, item in known.items() if release and release in path]
    size = sizes[0] if sizes else int(unpacked["bytes"]) if unpacked else 0
    return size, int(size * unpacked["unpacked_bytes"] / unpacked["bytes"]) if unpacked else 0


def _meminfo(text: str) -> dict[str, int]:
    try:
        return parse_meminfo(text)
    except HotkitError:
        return {}


def _sum(nodes: Mapping[int, Mapping[str, int]]) -> dict[str, int]:
    """The machine from its nodes; there page cache is called FilePages."""
    found: dict[str, int] = {}
    for fields in nodes.values():
        for name, value in fields.items():
            name = "Cached" if name == "FilePages" else name
            found[name] = found.get(name, 0) + value
    return found


def _of(fields: Mapping[str, int], *names: str) -> int:
    return sum(fields.get(name, 0) for name in names)
