"""Small questions about pages, frames and the kernel that several trackers ask."""

from __future__ import annotations

import os
import re
from array import array
from pathlib import Path

from hotkit.agent.protocol import AgentError

PAGE_BYTES = 4096
# Entries read at once: 32 KiB, which stay in the cache. malloc gives larger buffers back to the
# kernel each time, and then every page of them faults anew.
_CHUNK = 1 << 12
_FRAME = (1 << 55) - 1
# Bytes 6 and 7 of a little-endian entry: bits 48 to 54 of the frame and bit 55; flags, present.
_LOW_7_BITS = bytes(value & 0x7F for value in range(256))
_SWAPPED = bytes(0 < value < 128 for value in range(256))
_RAM = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM", re.MULTILINE)


def frames_of(pid: int, start: int, end: int) -> array[int]:
    """The frame of each page of [start, end), 0 where none is in RAM.

    Documentation/admin-guide/mm/pagemap.rst. Raises AgentError when it cannot be read to the end.
    """
    first, last = start // PAGE_BYTES, end // PAGE_BYTES
    found = array("Q", [0]) * (last - first)  # at once: to grow moves it, page tables and all
    view = memoryview(found).cast("B")
    try:
        handle = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
        try:
            for page in range(first, last, _CHUNK):
                count = min(_CHUNK, last - page)
                data = os.pread(handle, 8 * count, 8 * page)
                if len(data) != 8 * count:
                    raise AgentError(f"/proc/{pid}/pagemap ended early (did the process exit?)")
                view[8 * (page - first) :][: len(data)] = frames_in(data)
        finally:
            os.close(handle)
    except OSError as error:
        raise AgentError(f"/proc/{pid}/pagemap: {error.strerror}", "run as root") from error
    return found


def frames_in(entries: bytes) -> bytes | bytearray:
    """Pagemap entries as frames, 8 bytes each: the low 55 bits of what is present, else 0.

    A page that is absent and nowhere else either has no low bits: to clear the flags above them is
    enough, in a few passes at C speed. One that is swapped out has; its top byte shows it.
    """
    top = entries[7::8]
    if b"\1" in top.translate(_SWAPPED):
        words = array("Q", entries)
        return array("Q", (w & _FRAME if w >> 63 else 0 for w in words)).tobytes()
    frames = bytearray(entries)
    frames[7::8] = bytes(len(top))
    frames[6::8] = entries[6::8].translate(_LOW_7_BITS)
    return frames


def iomem_ram() -> list[tuple[int, int]]:
    """The [start, end) of System RAM in /proc/iomem, whole pages. AgentError without permission."""
    text = Path("/proc/iomem").read_text()
    found = [(int(a, 16), int(b, 16) + 1) for a, b in _RAM.findall(text)]
    found = [(-(-a // PAGE_BYTES) * PAGE_BYTES, b // PAGE_BYTES * PAGE_BYTES) for a, b in found]
    if not found or found[-1][1] == 0:
        raise AgentError("/proc/iomem shows no addresses", "run as root")
    return [(a, b) for a, b in found if a < b]


def kernel_has(symbol: str) -> bool | None:
    """Whether a symbol's name is in /proc/kallsyms; None when that cannot be read."""
    try:
        with Path("/proc/kallsyms").open() as stream:
            return any(symbol in line for line in stream)
    except OSError:
        return None
