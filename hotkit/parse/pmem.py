"""The facts' `pmem` (what agent/gather.py read of /sys/bus/nd and /sys/bus/dax) -> core types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotkit.core.observed import DaxDevice
from hotkit.core.plaintext import plain_line
from hotkit.core.pmem import Namespace, Region
from hotkit.core.ranges import Range
from hotkit.parse.cpulist import parse_cpulist


def regions(pmem: Mapping[str, Any]) -> tuple[Region, ...]:
    """The NVDIMM regions whose addresses could be read (by root)."""
    return tuple(
        Region(
            name=plain_line(str(item["name"])),
            range=Range(int(item["start"]), int(item["start"]) + int(item["size"])),
            largest_free_bytes=int(item["largest_free"]),
            align_bytes=int(item["align"]),
            labelled=bool(item["labelled"]),
            namespaces=tuple(
                Namespace(
                    name=plain_line(str(piece["name"])),
                    size_bytes=int(piece["size"]),
                    mode=plain_line(str(piece["mode"])),
                    alt_name=str(piece["alt_name"]),
                )
                for piece in item["namespaces"]
            ),
        )
        for item in pmem.get("regions") or ()
        if item["size"]
    )


def dax_devices(pmem: Mapping[str, Any]) -> tuple[DaxDevice, ...]:
    """The dax devices, with what of them is online as RAM."""
    return tuple(
        DaxDevice(
            name=str(item["name"]),
            range=Range(int(item["start"]), int(item["start"]) + int(item["size"])),
            node=int(item["node"]),
            driver=item["driver"],
            online_bytes=int(item["online_bytes"]),
        )
        for item in pmem.get("dax") or ()
        if item["size"]
    )


def memory_tiers(pmem: Mapping[str, Any]) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """`memory_tier4: 0-1` and the like (mm/memory-tiers.c, Linux 6.1), fastest first."""
    found = (
        (int(name.removeprefix("memory_tier")), parse_cpulist(str(nodes)))
        for name, nodes in (pmem.get("tiers") or {}).items()
        if name.removeprefix("memory_tier").isdecimal()
    )
    return tuple(sorted(found))
