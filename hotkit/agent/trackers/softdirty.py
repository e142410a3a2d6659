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
import threading
import time
from array import array
from pathlib import Path
from typing import Any

from hotkit.agent.protocol import AgentError
from hotkit.agent.trackers.base import HeatRange, Probe, Samples, Target, Tracker

PAGE_BYTES = mmap.PAGESIZE
ENTRY_BYTES = 8
# Entries read at once: 2 MiB of pagemap, 1 GiB of memory. Larger reads gain nothing.
_CHUNK = 1 << 18
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


class Heat:
    """How often each page of one mapping was found dirty, summed at C speed.

    Adding two byte strings as big integers adds them page by page, as long as no byte overflows:
    after 255 additions the sum goes to an array of counters.
    """

    def __init__(self, pages: int):
        self.pages = pages
        self._sum = 0
        self._added = 0
        self._spilled: array[int] | None = None

    def add(self, flags: bytes) -> None:
        self._sum += int.from_bytes(flags, "little")
        self._added += 1
        if self._added == 255:
            self._spill()

    def _spill(self) -> None:
        recent = self._sum.to_bytes(self.pages, "little")
        if self._spilled is None:
            # Not array("L", recent): bytes would be taken for machine words.
            self._spilled = array("L", list(recent))
        else:
            self._spilled = array("L", map(int.__add__, self._spilled, recent))
        self._sum = self._added = 0

    def as_bytes(self) -> bytes:
        """One byte per page; counts above 255 are cut to 255."""
        if self._spilled is None:
            return self._sum.to_bytes(self.pages, "little")
        self._spill()
        return bytes(min(count, 255) for count in self._spilled)


class SoftDirty(Tracker):
    """Clears and scans at a fixed interval, from a thread of the agent."""

    name = "softdirty"
    units = {"examined": "PTE examined", "positive": "soft-dirty page"}
    settings = {"interval_ms": (int, 200, 1)}

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: str | None = None
        self._samples = Samples()
        self._heat: dict[tuple[int, int], Heat] = {}
        self._cpu_ns = 0
        self._cpus: set[int] = set()

    def probe(self) -> Probe:
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
            return Probe(False, f"{error.filename}: {error.strerror}", "run as root")
        if written != b"\1":
            return Probe(
                False,
                "this kernel sets no soft-dirty bit (a page just written shows 0)",
                "boot a kernel with CONFIG_MEM_SOFT_DIRTY=y, like Debian's",
            )
        if cleared != b"\0":
            return Probe(False, "clear_refs leaves the soft-dirty bit set", None)
        return Probe(True)

    def start(self, target: Target, settings: dict[str, Any]) -> None:
        proc = f"/proc/{target['pid']}/"
        try:
            self._clear_refs = os.open(proc + "clear_refs", os.O_WRONLY)
            self._pagemap = os.open(proc + "pagemap", os.O_RDONLY)
        except OSError as error:
            raise AgentError(f"{error.filename}: {error.strerror}", "run as root") from error
        self._maps = Path(proc + "maps")
        self._interval = settings["interval_ms"] / 1000
        # The first clearing also ends the state "everything is dirty" of new mappings.
        self._clear()
        self._thread = threading.Thread(target=self._loop, name="softdirty", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        os.close(self._clear_refs)
        os.close(self._pagemap)
        if self._failure:
            raise AgentError(self._failure)

    def samples(self) -> Samples:
        return self._samples

    def self_cost(self) -> int:
        return self._cpu_ns

    def cpus(self) -> list[int]:
        return sorted(self._cpus)

    def hot(self) -> list[HeatRange]:
        return [
            HeatRange(start, PAGE_BYTES, heat.as_bytes())
            for (start, _), heat in sorted(self._heat.items())
        ]

    def _clear(self) -> None:
        os.pwrite(self._clear_refs, b"4", 0)

    def _loop(self) -> None:
        began = time.thread_time_ns()
        due = time.monotonic() + self._interval
        try:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                self._round()
                # A round that took longer than the interval delays the next; none is made up for.
                due = max(due + self._interval, time.monotonic())
        except (OSError, ValueError) as error:
            self._failure = f"soft-dirty scan stopped: {error}"
        self._cpu_ns = time.thread_time_ns() - began

    def _round(self) -> None:
        for start, end in writable_ranges(self._maps.read_text()):
            flags = read_flags(self._pagemap, start, end)
            if len(flags) * PAGE_BYTES != end - start:
                raise ValueError("pagemap ended early (did the process exit?)")
            self._samples.examined += len(flags)
            self._samples.positive += flags.count(b"\1")
            heat = self._heat.setdefault((start, end), Heat(len(flags)))
            heat.add(flags)
        self._clear()
        self._samples.rounds += 1
        self._cpus.add(_cpu_of_this_thread())


def _cpu_of_this_thread() -> int:
    """Field 39 of /proc/thread-self/stat, proc(5); the name in field 2 may hold blanks."""
    stat = Path("/proc/thread-self/stat").read_text()
    return int(stat.rpartition(")")[2].split()[36])
