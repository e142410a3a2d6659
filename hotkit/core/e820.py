"""The firmware's memory map (arch/x86/include/asm/e820/types.h, Linux 6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from hotkit.core.ranges import Range


class E820Type(IntEnum):
    """The kernel resolves overlaps in favour of the highest number."""

    RAM = 1
    RESERVED = 2
    ACPI = 3
    NVS = 4
    UNUSABLE = 5
    PMEM = 7
    PRAM = 12
    SOFT_RESERVED = 0xEFFFFFFF


@dataclass(frozen=True, slots=True)
class E820Entry:
    """One row of the map; `type` is an int because firmware (and memmap=%) may use any number."""

    range: Range
    type: int
