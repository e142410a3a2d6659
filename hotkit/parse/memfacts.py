"""A capture's texts, by the name of their source, become one MemoryFacts.

Nothing but a missing MemTotal or MemFree is fatal: what is damaged, cut or foreign is named in
`problems`, `truncated` or `unknown_fields`, and the rest is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hotkit.core.memfacts import MemoryFacts, VmallocArea, Zone
from hotkit.core.meminfofields import INSIDE, PARTS, unknown
from hotkit.core.plaintext import plain_line
from hotkit.core.units import MIB, PAGE_BYTES
from hotkit.errors import HotkitError
from hotkit.parse.allocinfo import parse_allocinfo
from hotkit.parse.bootlog import BootLog, read_bootlog
from hotkit.parse.iomem import Iomem, parse_iomem
from hotkit.parse.meminfo import read_meminfo
from hotkit.parse.memrecord import read_record
from hotkit.parse.nodetables import node_tables
from hotkit.parse.psrss import parse_ps
from hotkit.parse.slabinfo import parse_slabinfo
from hotkit.parse.vmallocinfo import parse_vmallocinfo
from hotkit.parse.zoneinfo import parse_zoneinfo

_NODE_FILE = re.compile(r"node(\d{1,4})-meminfo")
_VMSTAT = re.compile(r"(?P<name>[a-z][a-z0-9_]{1,60}) (?P<count>[0-9]{1,20})")
_NOT_RAM = {"VmallocUsed", "MemFree"}
# The kernel takes and gives back vmalloc memory between two files of one capture.
_VMALLOC_DRIFT_BYTES = MIB
_VMALLOC_DRIFT_SHARE = 100  # one part in


def memory_facts(
    name: str, texts: Mapping[str, str], record: Mapping[str, Any] | None = None
) -> MemoryFacts:
    """Read the texts of one machine: "meminfo", "node0-meminfo", "vmallocinfo", "numactl" ...

    `record` is the capture's memory.json. Without meminfo a single table of `numactl -H` makes a
    minimal capture: sizes and free memory. Raises HotkitError when the total or the free memory is
    missing.
    """
    problems: list[str] = []
    extra: dict[str, Any] = {}
    if record is not None:
        extra, said = read_record(record)
        problems += [*extra.pop("problems", ()), *said]
    log = _log(texts, problems)
    meminfo = _meminfo(name, texts, problems)
    nodes = _nodes(texts, problems)
    tables = node_tables(texts, meminfo, nodes, problems)
    meminfo = meminfo or tables.meminfo
    _need(name, meminfo)
    areas = _optional(texts, "vmallocinfo", parse_vmallocinfo, problems)
    zones = _optional(texts, "zoneinfo", parse_zoneinfo, problems)
    iomem = _iomem(texts, problems)
    processes = extra.pop("processes", None)
    if processes is None and (source := _named(texts, "ps")):
        processes, said = parse_ps(texts[source], source)
        problems += said
    facts: dict[str, Any] = {
        "kernel_release": log.kernel_release,
        "cmdline": plain_line(texts.get("cmdline", ""), 4096) or log.cmdline,
        "cpus_online": sum(tables.cpus.values()) or None,
        "cpus_possible": log.cpus_possible or tables.cpus_possible,
        "node_cpus": tables.cpus,
        "nodes": nodes or tables.nodes,
        "percpu_unit_bytes": log.percpu_unit_bytes,
        "percpu_units": log.percpu_units,
        "pmem_bytes": log.pmem_bytes,
        "present_bytes": _present(zones) or log.present_bytes,
        "crashkernel_bytes": iomem.named("Crash kernel", depth=None).size_bytes if iomem else None,
    }
    facts |= {key: value for key, value in extra.items() if value is not None and value != {}}
    if log.percpu_unit_bytes:  # the log's own words, where it has them
        facts["percpu_unit_bytes"] = log.percpu_unit_bytes
    if not facts["pmem_bytes"] and iomem and iomem.persistent:
        facts["pmem_bytes"] = {-1: iomem.persistent.size_bytes}  # on a node that nobody names
    return MemoryFacts(
        name=plain_line(name, 120),
        meminfo=meminfo,
        vmalloc=areas,
        slabs=_optional(texts, "slabinfo", parse_slabinfo, problems),
        alloc_sites=_optional(texts, "allocinfo", parse_allocinfo, problems),
        zones=zones,
        processes=processes,
        vmstat=_vmstat(texts.get("vmstat", "")),
        truncated=_truncated(meminfo, areas),
        unknown_fields=unknown({**meminfo, **{f: 0 for node in nodes.values() for f in node}}),
        problems=tuple(problems),
        **facts,
    )


def kind_of_text(text: str) -> str | None:
    """The source that a single file is: "meminfo" or "numactl"; None when it is neither."""
    if re.search(r"^\s*node \d+ (?:cpus|size|free):", text, re.MULTILINE):
        return "numactl"
    return "meminfo" if re.search(r"^\s*Mem(?:Total|Free): ", text, re.MULTILINE) else None


def _named(texts: Mapping[str, str], stem: str) -> str | None:
    """The source of that name, or of a name that begins with it and a dash."""
    return next((key for key in sorted(texts) if key == stem or key.startswith(f"{stem}-")), None)


def _optional(
    texts: Mapping[str, str], source: str, parse: Any, problems: list[str]
) -> tuple[Any, ...] | None:
    """What a parser makes of a source that need not be there; None too when nothing is in it."""
    if source not in texts:
        return None
    found, said = parse(texts[source], source)
    problems += said
    if not found and not said:
        problems.append(f"{source}: it is empty (was it read by another user than root?)")
    return tuple(found) if found else None


def _meminfo(name: str, texts: Mapping[str, str], problems: list[str]) -> dict[str, int]:
    if "meminfo" not in texts:
        return {}
    found, said = read_meminfo(texts["meminfo"])
    problems += said
    _need(name, found)
    _drop_impossible(found, "meminfo", problems)
    if found["MemFree"] > found["MemTotal"]:
        problems.append("meminfo: more is free than there is: one of the two figures is damaged")
    if "MemAvailable" not in found:
        problems.append("meminfo: no MemAvailable: kernels before 3.14 do not estimate it")
    return found


def _drop_impossible(fields: dict[str, int], source: str, problems: list[str]) -> None:
    """Leave out parts of RAM that are larger than it: cut digits, or a counter below zero.

    VmallocUsed may be: it was address space once.
    """
    for field in [name for name in fields if name in (PARTS | INSIDE.keys()) - _NOT_RAM]:
        if fields[field] > fields["MemTotal"]:
            problems.append(f"{source}: {field} is larger than MemTotal and is left out")
            del fields[field]


def _need(name: str, meminfo: Mapping[str, int]) -> None:
    for field in ("MemTotal", "MemFree"):
        if field not in meminfo:
            raise HotkitError(
                f"{plain_line(name, 120)}: no {field} is known: there is no meminfo, it is cut "
                "short, or it is another file",
                hint="take it again: hotkit memory capture HOST --out DIR",
            )


def _nodes(texts: Mapping[str, str], problems: list[str]) -> dict[int, dict[str, int]]:
    nodes = {}
    for source in sorted(texts):
        if not (match := _NODE_FILE.fullmatch(source)):
            continue
        found, said = read_meminfo(texts[source], source)
        problems += said
        lost = [field for field in ("MemTotal", "MemFree") if field not in found]
        if lost:
            problems.append(f"{source}: no {' and no '.join(lost)}: this node is left out")
        else:
            _drop_impossible(found, source, problems)
            nodes[int(match[1])] = found
    return nodes


def _log(texts: Mapping[str, str], problems: list[str]) -> BootLog:
    source = _named(texts, "dmesg")
    if source is None:
        return BootLog()
    log, said = read_bootlog(texts[source], source)
    problems += said
    return log


def _iomem(texts: Mapping[str, str], problems: list[str]) -> Iomem | None:
    if "iomem" not in texts:
        return None
    try:
        return parse_iomem(texts["iomem"])
    except (HotkitError, ValueError) as error:
        problems.append(f"iomem: left out: {plain_line(str(error), 160)}")
        return None


def _present(zones: tuple[Zone, ...] | None) -> dict[int, int]:
    present: dict[int, int] = {}
    for zone in zones or ():
        present[zone.node] = present.get(zone.node, 0) + zone.present * PAGE_BYTES
    return present


def _vmstat(text: str) -> dict[str, int]:
    lines = (_VMSTAT.fullmatch(line.strip()) for line in text.splitlines())
    return {match["name"]: int(match["count"]) for match in lines if match}


def _truncated(
    meminfo: Mapping[str, int], areas: tuple[VmallocArea, ...] | None
) -> tuple[str, ...]:
    """vmallocinfo is only a part when its pages are less than what meminfo says is in use."""
    used = meminfo.get("VmallocUsed", 0)
    drift = max(_VMALLOC_DRIFT_BYTES, used // _VMALLOC_DRIFT_SHARE)
    listed = sum(area.pages or 0 for area in areas or ()) * PAGE_BYTES
    return ("vmallocinfo",) if areas and listed + drift < used else ()
