"""The memory lines of a kernel log: firmware map, SRAT, node ranges, CPUs.

Reads both spellings of the time stamp (`[    0.017089]`, and `[ 0.017089]` of logs that went
through something that squeezes blanks), none at all, and a syslog prefix. Line formats:
arch/x86/kernel/e820.c, drivers/acpi/numa/srat.c, mm/page_alloc.c, smpboot.c (Linux 3.10 to 6.12).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hotkit.core.cmdline import parse
from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.ranges import Range
from hotkit.core.topology import MemoryAffinity
from hotkit.errors import HotkitError

_STAMP = re.compile(r"^(?:.*? kernel: )?(?:<\d+>)?(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?)?")
_MEM = r"\[mem 0x(?P<start>[0-9a-f]{1,16})-0x(?P<end>[0-9a-f]{1,16})\]"
_E820 = re.compile(rf"BIOS-e820: {_MEM} (?P<type>.+)")
_SRAT_MEMORY = re.compile(
    rf"(?:ACPI: )?SRAT: Node (?P<node>\d{{1,5}}) PXM \d+ {_MEM}"
    r"(?P<hot> hotplug)?(?P<nv> non-volatile)?"
)
_SRAT_CPU = re.compile(
    r"(?:ACPI: )?SRAT: PXM \d+ -> (?:X2)?APIC (?P<apic>0x[0-9a-f]{1,8}) -> Node (?P<node>\d{1,5})"
)
_NODE_RANGE = re.compile(rf"node +(?P<node>\d{{1,5}}): {_MEM}")
_BOOTED = re.compile(r"\.\.\.\. node +#(?P<node>\d{1,5}), CPUs:(?P<cpus>[ #\d]*)")
_COMMAND_LINE = re.compile(r"(?:Kernel c|C)ommand line: (?P<line>.*)")
_OURS = re.compile(r"BIOS-e820: \[|(?:ACPI: )?SRAT: Node \d|node +\d+: \[mem")
# What gives another architecture away: its compiler, or how it names its CPUs.
_OTHER_ARCH = re.compile(
    r"\b(?P<arch>aarch64|riscv64|ppc64le|s390x|loongarch64)\b"
    r"|(?P<arm>Booting Linux on physical CPU|SRAT: PXM \d+ -> MPIDR)"
)
_E820_TYPES = {
    "usable": E820Type.RAM, "reserved": E820Type.RESERVED, "ACPI data": E820Type.ACPI,
    "ACPI NVS": E820Type.NVS, "unusable": E820Type.UNUSABLE,
    "soft reserved": E820Type.SOFT_RESERVED,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DmesgMemory:
    """What one boot's log says.

    `e820` is the firmware's map, empty when the log has no such lines; `node_ranges` are pages of
    RAM as the kernel used them (after any memmap=); `srat_cpus` are (APIC id, node) in table order;
    `booted` maps CPU numbers to nodes, CPU 0 left out (the kernel does not announce it). `arch`
    is x86_64 unless something in the log says otherwise: excerpts seldom do.
    """

    e820: tuple[E820Entry, ...]
    affinity: tuple[MemoryAffinity, ...]
    node_ranges: tuple[tuple[int, Range], ...]
    srat_cpus: tuple[tuple[int, int], ...]
    booted: dict[int, int]
    command_line: str | None
    arch: str = "x86_64"

    @property
    def limited(self) -> bool:
        """Whether this boot's command line changed the memory map."""
        return any(
            argument.named(name)
            for argument in parse(self.command_line or "")
            for name in ("mem", "memmap")
        )


def parse_dmesg(text: str, name: str = "the log") -> DmesgMemory:
    """Read the last boot in `text`. Raises HotkitError, with the line, on one that is cut short."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if "Linux version " in line]
    first = starts[-1] if starts else 0
    e820: list[E820Entry] = []
    affinity: list[MemoryAffinity] = []
    ranges: list[tuple[int, Range]] = []
    srat_cpus: list[tuple[int, int]] = []
    booted: dict[int, int] = {}
    command_line: str | None = None
    arch = "x86_64"
    for number, raw in enumerate(lines[first:], first + 1):
        line = _STAMP.sub("", raw, count=1).strip()
        if match := _E820.fullmatch(line):
            e820.append(E820Entry(_range(match, name, number), _e820_type(match["type"])))
        elif match := _SRAT_MEMORY.fullmatch(line):
            affinity.append(
                MemoryAffinity(
                    node=int(match["node"]),
                    range=_range(match, name, number),
                    hotplug=bool(match["hot"]),
                    nonvolatile=bool(match["nv"]),
                )
            )
        elif match := _SRAT_CPU.match(line):
            srat_cpus.append((int(match["apic"], 16), int(match["node"])))
        elif match := _NODE_RANGE.fullmatch(line):
            ranges.append((int(match["node"]), _range(match, name, number)))
        elif match := _BOOTED.match(line):
            cpus = re.findall(r"#(\d{1,7})\b", match["cpus"])
            booted |= {int(cpu): int(match["node"]) for cpu in cpus}
        elif match := _COMMAND_LINE.fullmatch(line):
            command_line = command_line or match["line"]
        elif match := _OTHER_ARCH.search(line):
            arch = match["arch"] or "aarch64"
        else:
            _refuse_cut(line, name, number)
    return DmesgMemory(
        e820=tuple(e820),
        affinity=tuple(affinity),
        node_ranges=tuple(ranges),
        srat_cpus=tuple(srat_cpus),
        booted=booted,
        command_line=command_line,
        arch=arch,
    )


def _e820_type(text: str) -> int:
    if text in _E820_TYPES:
        return int(_E820_TYPES[text])
    match = re.search(r"type (\d{1,10})", text)
    return int(match[1]) if match else int(E820Type.RESERVED)


def _range(match: re.Match[str], name: str, number: int) -> Range:
    start, end = int(match["start"], 16), int(match["end"], 16) + 1
    if start >= end:
        raise HotkitError(f"{name}, line {number}: the range ends before it starts")
    return Range(start, end)


def _refuse_cut(line: str, name: str, number: int) -> None:
    """A line that begins as one of ours and is not one was damaged on its way into the file."""
    if _OURS.match(line):
        raise HotkitError(
            f"{name}, line {number}: {line!r} is cut short or damaged",
            hint="take the log again: dmesg > dmesg-boot.txt",
        )
