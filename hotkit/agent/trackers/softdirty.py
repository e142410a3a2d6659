"""Soft-dirty bits: which pages were *written* since the last look.

Writing 4 to /proc/PID/clear_refs clears the soft-dirty bit of every PTE and write-protects it, so
that the next write faults once and sets the bit; /proc/PID/pagemap shows it as bit 55
(Documentation/admin-guide/mm/soft-dirty.rst, fs/proc/task_mmu.c). The kernel needs
CONFIG_MEM_SOFT_DIRTY. The cost that a workload feels is that fault, and the TLB flush of the
clearing; reads are not seen.

A write that falls between reading a page's bit and clearing it is not seen in that round. With
transparent huge pages one bit stands for 2 MiB, and pagemap shows it on all 512 pages.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path
from typing import Any

from hotkit.agent.access import explain
from hotkit.agent.heat import Heat, HeatRange
from hotkit.agent.protocol import AgentError
from hotkit.agent.trackers.base import Probe, Setting, Settings, Target
from hotkit.agent.trackers.scanner import Scanner

PAGE_BYTES = mmap.PAGESIZE
ENTRY_BYTES = 8
# Entries read at once: 32 KiB of pagemap, 16 MiB of memory, which stay in the cache. malloc gives
# larger buffers back to the kernel each time, and then every page of them faults anew.
_CHUNK = 1 << 12
# Bit 55 is the top bit of byte 6 of a little-endian entry.
_BYTE_OF_BIT_55 = 6
_TOP_BIT = bytes(value >> 7 for value in range(256))


def dirty_flags(entries: bytes) -> bytes:
    """One byte (0 or 1) per pagemap entry: its soft-dirty bit. Two passes at C speed."""
    return entries[_BYTE_OF_BIT_55::ENTRY_BYTES].translate(_TOP_BIT)


def read_flags(pagemap: int, start: int, end: int) -> bytes:
    """The soft-dirty flags of the pages in [start, end), read from an open pagemap file.

    Shorter than asked for when the file ends before (the process is gone).
    """
    parts = []
    page, last = start // PAGE_BYTES, end // PAGE_BYTES
    while page < last:
        count = min(_CHUNK, last - page)
        entries = os.pread(pagemap, count * ENTRY_BYTES, page * ENTRY_BYTES)
        parts.append(dirty_flags(entries))
        if len(entries) < count * ENTRY_BYTES:
            break
        page += count
    return b"".join(parts)


def writable_ranges(maps: str) -> list[tuple[int, int]]:
    """The [start, end) of private writable mappings in the text of /proc/PID/maps."""
    found = []
    for line in maps.splitlines():
        fields = line.split(None, 5)
        if len(fields) >= 5 and fields[1].startswith("rw") and fields[1][3] == "p":
            start, end = fields[0].split("-")
            found.append((int(start, 16), int(end, 16)))
    return found


class SoftDirty(Scanner):
    """Clears and scans at a fixed interval, from a thread of the agent."""

    name = "softdirty"
    how = "write-protects pages; the first write to each faults and marks it"
    units = {"examined": "PTE examined", "positive": "soft-dirty page"}
    settings = {"interval_ms": Setting(200, "ms between two scans", least=1)}

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._heat: dict[tuple[int, int], Heat] = {}
        self._maps = b""
        self._ranges: list[tuple[int, int]] = []
        self._fixed = False

    def probe(self, settings: Settings) -> Probe:
        """Try it on a page of our own: a kernel without soft-dirty takes the write and shows 0."""
        page = mmap.mmap(-1, PAGE_BYTES)
        try:
            page[0] = 1
            address = ctypes.addressof(ctypes.c_char.from_buffer(page))
            Path("/proc/self/clear_refs").write_text("4")
            pagemap = os.open("/proc/self/pagemap", os.O_RDONLY)
            try:
                cleared = read_flags(pagemap, address, address + PAGE_BYTES)
                page[0] = 2
                written = read_flags(pagemap, address, address + PAGE_BYTES)
            finally:
                os.close(pagemap)
        except OSError as error:
            return Probe(False, *explain(Path(error.filename or "/proc/self/pagemap"), error))
        if written != b"\1":
            return Probe(
                False,
                "this kernel sets no soft-dirty bit (a page just written shows 0)",
                "boot a kernel with CONFIG_MEM_SOFT_DIRTY=y, like Debian's",
            )
        if cleared != b"\0":
            return Probe(
                False,
                "clear_refs leaves the soft-dirty bit set",
                "another kernel: this one's clear_refs is broken",
            )
        return Probe(True)

    def prepare(self, target: Target, settings: Settings) -> None:
        proc = f"/proc/{target['pid']}/"
        try:
            self._clear_refs = os.open(proc + "clear_refs", os.O_WRONLY)
            self._pagemap = os.open(proc + "pagemap", os.O_RDONLY)
            self._maps_file = os.open(proc + "maps", os.O_RDONLY)
        except OSError as error:
            raise AgentError(f"{error.filename}: {error.strerror}", "run as root") from error
        if target["kind"] == "vm":
            # The guest's RAM: what else its monitor writes to is no page of the guest.
            self._ranges, self._fixed = [(start, end) for start, end in target["ranges"]], True
        # The first clearing also ends the state "everything is dirty" of new mappings.
        self._clear()

    def release(self) -> None:
        os.close(self._clear_refs)
        os.close(self._pagemap)
        os.close(self._maps_file)

    def hot(self) -> list[HeatRange]:
        return [heat.as_range(start, PAGE_BYTES) for (start, _), heat in sorted(self._heat.items())]

    def look(self) -> None:
        for start, end in self._ranges_now():
            flags = read_flags(self._pagemap, start, end)
            if len(flags) * PAGE_BYTES != end - start:
                raise ValueError("pagemap ended early (did the process exit?)")
            self.count.examined += len(flags)
            self.count.positive += flags.count(b"\1")
            heat = self._heat.setdefault((start, end), Heat(len(flags)))
            heat.add(flags)
            if self.recorder:
                self.recorder.pages(start, PAGE_BYTES, flags)
        self._clear()

    def _ranges_now(self) -> list[tuple[int, int]]:
        """What may be written; taken apart only when it has changed, which is rare."""
        if self._fixed:
            return self._ranges
        parts, at = [], 0
        while part := os.pread(self._maps_file, 1 << 16, at):
            parts.append(part)
            at += len(part)
        maps = b"".join(parts)
        if maps != self._maps:
            self._maps = maps
            self._ranges = writable_ranges(os.fsdecode(maps))
        return self._ranges

    def _clear(self) -> None:
        os.pwrite(self._clear_refs, b"4", 0)
