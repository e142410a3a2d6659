"""What a kernel log says about memory that is gone before MemTotal is counted, and about PMEM."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hotkit.core.units import PAGE_BYTES
from hotkit.errors import HotkitError
from hotkit.parse.dmesg import DmesgMemory, parse_dmesg
from hotkit.parse.doubts import Doubts

# mm/percpu.c: pcpu_embed_first_chunk(), pcpu_page_first_chunk(); 3.10 writes "PERCPU:".
_PERCPU = re.compile(r"percpu: (?:Embedded )?(\d{1,9}) (?:\w{1,8} )?pages/cpu", re.IGNORECASE)
# pcpu_dump_alloc_info(): "[0] 00 01 02 -- [1] 03 ..."; a unit that no CPU has is dashes.
_UNITS = re.compile(r"pcpu-alloc: (\[\d.*)")
_UNIT = re.compile(r"(?<=\s)(?:\d+|-+)(?=\s|$)")
_CPU_IDS = re.compile(r"setup_percpu: .*\bnr_cpu_ids:(\d{1,6})")
_ALLOWED = re.compile(r"Allowing (\d{1,6}) CPUs, \d+ hotplug CPUs")
_ALLOWED_NOW = re.compile(r"Allowing (\d{1,6}) present CPUs plus (\d{1,6}) hotplug CPUs")  # 6.9
_VERSION = re.compile(r"Linux version (\S{1,80})")


@dataclass(frozen=True, slots=True, kw_only=True)
class BootLog:
    """`percpu_unit_bytes`, `percpu_units`: the first per-CPU chunk, see MemoryFacts.

    `pmem_bytes` and `present_bytes` (RAM, after any memmap=) per node.
    """

    kernel_release: str | None = None
    cmdline: str | None = None
    cpus_possible: int | None = None
    percpu_unit_bytes: int | None = None
    percpu_units: int | None = None
    pmem_bytes: Mapping[int, int] = field(default_factory=dict)
    present_bytes: Mapping[int, int] = field(default_factory=dict)


def read_bootlog(text: str, source: str = "dmesg") -> tuple[BootLog, tuple[str, ...]]:
    """Read the last boot in `text`, and say what could not be read."""
    doubts = Doubts(source)
    start = text.rfind("Linux version ")
    if start > 0:
        text = text[text.rfind("\n", 0, start) + 1 :]
    pmem: dict[int, int] = {}
    present: dict[int, int] = {}
    command_line = None
    for log in _logs(text, source, doubts):
        command_line = command_line or log.command_line
        for item in log.affinity:
            if item.nonvolatile:
                pmem[item.node] = pmem.get(item.node, 0) + item.range.size_bytes
        for node, where in log.node_ranges:
            present[node] = present.get(node, 0) + where.size_bytes
    pages = _first(_PERCPU, text)
    version = _VERSION.search(text)
    return (
        BootLog(
            kernel_release=version[1] if version else None,
            cmdline=command_line,
            cpus_possible=_possible(text),
            percpu_unit_bytes=pages * PAGE_BYTES if pages else None,
            percpu_units=_units(text),
            pmem_bytes=pmem,
            present_bytes=present,
        ),
        doubts.sentences,
    )


def _logs(text: str, source: str, doubts: Doubts) -> list[DmesgMemory]:
    """The log in one piece; when a line of it is damaged, line by line without that one."""
    try:
        return [parse_dmesg(text, source)]
    except (HotkitError, ValueError):
        logs = []
        for number, line in enumerate(text.splitlines(), 1):
            try:
                logs.append(parse_dmesg(line, source))
            except (HotkitError, ValueError):
                doubts.line(number, line)
        return logs


def _possible(text: str) -> int | None:
    """How many CPUs the kernel reserved per-CPU memory for."""
    if match := _ALLOWED_NOW.search(text):
        allowed = int(match[1]) + int(match[2])
    else:
        allowed = _first(_ALLOWED, text) or 0
    return _first(_CPU_IDS, text) or allowed or None


def _units(text: str) -> int | None:
    groups = _UNITS.findall(text)
    return sum(len(_UNIT.findall(line)) for line in groups) or None


def _first(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match[1]) if match else None
