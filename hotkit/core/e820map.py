"""The kernel's working copy of the firmware map, and what it does to it before memory is used.

A model of arch/x86/kernel/e820.c and setup.c, Linux 6.1. Entries are kept unsorted and may
overlap until `sanitise` runs, as in the kernel: order matters to what memmap= does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.memparse import U64
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.units import MIB, PAGE_BYTES

RESERVED_KERN = 128  # setup_data: still System RAM in /proc/iomem
# e820_nomerge(): neighbours of these types stay separate entries, they may be separate devices.
_NOMERGE = (E820Type.PRAM, E820Type.SOFT_RESERVED)
_ULLONG_MAX = U64 - 1
_BIOS_AREA = Range(0xA0000, MIB)


@dataclass(slots=True)
class _Entry:
    addr: int
    size: int
    type: int

    @property
    def end(self) -> int:
        return (self.addr + self.size) % U64


class Panic(Exception):
    """The kernel would stop here; the message says at what."""


class E820Map:
    """struct e820_table with the operations that early parameters call."""

    def __init__(self, entries: Iterable[E820Entry]) -> None:
        self._entries = [_Entry(e.range.start, e.range.size_bytes, e.type) for e in entries]
        self.sanitise()

    def add(self, addr: int, size: int, kind: int) -> None:
        """e820__range_add(): append, whatever is there already."""
        self._entries.append(_Entry(addr, size, kind))

    def update(self, addr: int, size: int, old: int, new: int) -> None:
        """e820__range_update(): what is `old` inside the range becomes `new`."""
        if old == new:
            raise Panic(f"a type changed into itself ({old}) is a BUG_ON in e820__range_update()")
        start, end = addr, addr + min(size, _ULLONG_MAX - addr)
        size = end - start
        for entry in self._entries:  # grows while it is walked; what is added never matches
            if entry.type != old:
                continue
            if entry.addr >= start and entry.end <= end:
                entry.type = new
            elif entry.addr < start and entry.end > end:
                self.add(start, size, new)
                self.add(end, entry.end - end, entry.type)
                entry.size = start - entry.addr
            else:
                self._carve(entry, start, end, becomes=new)

    def remove(self, addr: int, size: int, old: int | None) -> None:
        """e820__range_remove(): the range is forgotten where it is `old` (None: any type)."""
        start, end = addr, addr + min(size, _ULLONG_MAX - addr)
        for entry in self._entries:
            if old is not None and entry.type != old:
                continue
            if entry.addr >= start and entry.end <= end:
                entry.addr = entry.size = entry.type = 0
            elif entry.addr < start and entry.end > end:
                self.add(end, entry.end - end, entry.type)
                entry.size = start - entry.addr
            else:
                self._carve(entry, start, end, becomes=None)

    def _carve(self, entry: _Entry, start: int, end: int, becomes: int | None) -> None:
        first, last = max(start, entry.addr), min(end, entry.end)
        if first >= last:
            return
        if becomes is not None:
            self.add(first, last - first, becomes)
        entry.size -= last - first
        if entry.addr >= first:
            entry.addr = last

    def clear(self) -> None:
        self._entries = []

    def sanitise(self) -> bool:
        """e820__update_table(): sort, resolve overlaps to the highest type, merge neighbours.

        False, and nothing done, when there are fewer than two entries or one wraps around.
        """
        if len(self._entries) < 2 or any(e.end < e.addr for e in self._entries):
            return False
        points = sorted(
            [(e.addr, 0, index) for index, e in enumerate(self._entries) if e.size]
            + [(e.end, 1, index) for index, e in enumerate(self._entries) if e.size]
        )
        sane: list[_Entry] = []
        inside: set[int] = set()
        last_type, last_addr = 0, 0
        for addr, _is_end, index in points:
            inside.symmetric_difference_update((index,))
            kind = max((self._entries[i].type for i in inside), default=0)
            if kind == last_type and kind not in _NOMERGE:
                continue
            if last_type and addr > last_addr:
                sane.append(_Entry(last_addr, addr - last_addr, last_type))
            if kind:
                last_addr = addr
            last_type = kind
        self._entries = sane
        return True

    def add_kernel_image(self, image: Range) -> None:
        """e820_add_kernel_range(): where the kernel itself lies is RAM, whatever was asked."""
        covered = RangeSet.of(e.range for e in self.entries() if e.type == E820Type.RAM)
        if covered.intersect(RangeSet((image,))).size_bytes != image.size_bytes:
            self.remove(image.start, image.size_bytes, None)
            self.add(image.start, image.size_bytes, E820Type.RAM)

    def trim_bios_range(self) -> None:
        """trim_bios_range(): page 0 and the BIOS area from 640 KiB to 1 MiB are no RAM."""
        self.update(0, PAGE_BYTES, E820Type.RAM, E820Type.RESERVED)
        self.remove(_BIOS_AREA.start, _BIOS_AREA.size_bytes, E820Type.RAM)
        self.sanitise()

    def entries(self) -> tuple[E820Entry, ...]:
        """The map in its present order; entries of no size are left out."""
        return tuple(E820Entry(Range(e.addr, e.end), e.type) for e in self._entries if e.size)


def system_ram(entries: Iterable[E820Entry]) -> RangeSet:
    """What /proc/iomem calls System RAM, to the byte, neighbours merged."""
    return RangeSet.of(e.range for e in entries if e.type in (E820Type.RAM, RESERVED_KERN))
