"""/sys/firmware/memmap: the map as the boot loader handed it over, untouched by memmap=."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.ranges import Range
from hotkit.errors import HotkitError

# arch/x86/kernel/e820.c e820_type_to_string() (Linux 6.1).
TYPE_OF_NAME = {
    "System RAM": int(E820Type.RAM),
    "Reserved": int(E820Type.RESERVED),
    "reserved": int(E820Type.RESERVED),
    "ACPI Tables": int(E820Type.ACPI),
    "ACPI Non-volatile Storage": int(E820Type.NVS),
    "Unusable memory": int(E820Type.UNUSABLE),
    "Persistent Memory": int(E820Type.PMEM),
    "Persistent Memory (legacy)": int(E820Type.PRAM),
    "Soft Reserved": int(E820Type.SOFT_RESERVED),
}


def parse_firmware_memmap(items: Iterable[Mapping[str, Any]]) -> tuple[E820Entry, ...]:
    """Entries from `[{"start", "end_inclusive", "type"}]`, in address order.

    The kinds of the values were looked at before (factsshape.py). A type whose name nobody knows
    ("Unknown E820 type") is claimed by something: reserved.
    """
    found: list[E820Entry] = []
    for item in items:
        start, end = item["start"], item["end_inclusive"] + 1
        if end <= start:
            raise HotkitError(f"firmware_memmap: the range at {start:#x} ends before it starts")
        found.append(
            E820Entry(Range(start, end), TYPE_OF_NAME.get(item["type"], int(E820Type.RESERVED)))
        )
    return tuple(sorted(found, key=lambda entry: entry.range))
