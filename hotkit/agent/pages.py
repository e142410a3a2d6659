"""Small questions about pages, frames and the kernel that several trackers ask."""

from __future__ import annotations

import os
import re
import sys
from array import array
from pathlib import Path

from hotkit.agent.protocol import AgentError

PAGE_BYTES = 4096
# Entries read at once: 64 KiB, so that what is made of them stays in the cache.
_CHUNK = 1 << 13
_LOWEST = array("Q", [1]).tobytes() * _CHUNK
_RAM = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM", re.MULTILINE)


def frames_of(pid: int, start: int, end: int) -> array[int]:
    """The frame of each page of [start, end), 0 where none is in RAM.

    Documentation/admin-guide/mm/pagemap.rst. Raises AgentError when it cannot be read to the end.
    """
    found: array[int] = array("Q")
    try:
        handle = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
        try:
            page, last = start // PAGE_BYTES, end // PAGE_BYTES
            while page < last:
                count = min(_CHUNK, last - page)
                data = os.pread(handle, 8 * count, 8 * page)
                if len(data) != 8 * count:
                    raise AgentError(f"/proc/{pid}/pagemap ended early (did the process exit?)")
                found.frombytes(frames_in(data))
                page += count
        finally:
            os.close(handle)
    except OSError as error:
        raise AgentError(f"/proc/{pid}/pagemap: {error.strerror}", "run as root") from error
    return found


def frames_in(entries: bytes) -> bytes:
    """Pagemap entries as frames, 8 bytes each: the low 55 bits of what is present, else 0.

    All entries are one big integer, whose operations are loops in C: `present` has the lowest bit
    of each entry that is, and times 2^55 - 1 it masks that entry's frame.
    """
    one = int.from_bytes(entries, sys.byteorder)
    lowest = int.from_bytes(_LOWEST[: len(entries)], sys.byteorder)
    present = one >> 63 & lowest
    return (one & (present << 55) - present).to_bytes(len(entries), sys.byteorder)


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
