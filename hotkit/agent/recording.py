"""Heat over address and time: what a tracker saw, as it saw it, in a few hundred bins.

The target's ranges are cut into bins of whole pages. While the tracker runs, each part of the time
becomes one event:

    {"type": "sample", "part": true, "run", "since_ns", "at_ns", "rounds", "ranges": [[start, end]],
     "bin_bytes", "share_zlib_base64", "looked_zlib_base64"}

Bin after bin, range after range, `share` holds a byte: which part (0 to 255) of what was looked at
between `since_ns` and `at_ns` (CLOCK_MONOTONIC_RAW) was found accessed; `looked` holds 1 where
anything was looked at. A bin that was not looked at is not cold: nobody knows. Every event says
which bins it is about, so that a recording that was cut off can be read.

All of this happens in the tracker's thread and counts as its CPU time: a run that is recorded shows
what a tracker sees, not what it costs.
"""

from __future__ import annotations

import base64
import mmap
import zlib
from collections.abc import Callable

from hotkit.agent.samples import Recorder

PAGE_BYTES = mmap.PAGESIZE


def bin_size(ranges: list[list[int]], bins: int) -> int:
    """Bytes of a bin, so that at most `bins` of them cover all ranges (or one for each range).

    A range's last bin may be shorter: no bin reaches over the end of its range.
    """
    pages = [-(-(end - start) // PAGE_BYTES) for start, end in ranges]
    size = max(1, -(-sum(pages) // bins))
    while sum(-(-count // size) for count in pages) > max(bins, len(pages)):
        size += 1 + size // 64
    return size * PAGE_BYTES


class BinRecorder(Recorder):
    """Sends a part every `every_ms`, or after each round when rounds take longer.

    Rounds that end within `every_ms` become one part: its share is that of all their checks.
    """

    def __init__(
        self,
        emit: Callable[..., None],
        run: str,
        ranges: list[list[int]],
        bins: int,
        every_ms: int,
        since_ns: int,
    ):
        self._emit = emit
        self._run = run
        self._every_ns = every_ms * 1_000_000
        self._bin_bytes = bin_size(ranges, bins)
        # [start, end, number of its first bin], in the order of the bins.
        self._ranges: list[tuple[int, int, int]] = []
        self._count = 0
        for start, end in ranges:
            self._ranges.append((start, end, self._count))
            self._count += -(-(end - start) // self._bin_bytes)
        self._since_ns = self._until_ns = since_ns
        self._clear()

    def _clear(self) -> None:
        # Bytes looked at, and found accessed, since the last part; a round counts each time.
        self._looked = [0] * self._count
        self._accessed = [0.0] * self._count
        self._rounds = 0

    def pages(self, start: int, page_bytes: int, flags: bytes) -> None:
        for number, low, high in self._pieces(start, start + len(flags) * page_bytes):
            # A page larger than a bin counts in every bin that it reaches into.
            first = (low - start) // page_bytes
            last = -(-(high - start) // page_bytes)
            accessed = flags.count(1, first, last)
            self._looked[number] += high - low
            self._accessed[number] += (high - low) * accessed / (last - first)

    def region(self, start: int, end: int, share: float) -> None:
        for number, low, high in self._pieces(start, end):
            self._looked[number] += high - low
            self._accessed[number] += (high - low) * share

    def round_ended(self, at_ns: int) -> None:
        self._rounds += 1
        self._until_ns = at_ns
        if at_ns - self._since_ns >= self._every_ns:
            self.flush()

    def flush(self) -> None:
        """Send what was not sent yet; nothing when no round has ended since."""
        if not self._rounds:
            return
        share = bytes(map(_as_byte, self._accessed, self._looked))
        self._emit(
            "sample",
            run=self._run,
            part=True,
            since_ns=self._since_ns,
            at_ns=self._until_ns,
            rounds=self._rounds,
            ranges=[[start, end] for start, end, _ in self._ranges],
            bin_bytes=self._bin_bytes,
            share_zlib_base64=_packed(share),
            looked_zlib_base64=_packed(bytes(map(bool, self._looked))),
        )
        self._since_ns = self._until_ns
        self._clear()

    def _pieces(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """(bin, low, high) for every bin that [start, end) reaches into, cut to that bin."""
        found = []
        size = self._bin_bytes
        for begin, stop, first in self._ranges:
            low, most = max(start, begin), min(end, stop)
            while low < most:
                index = (low - begin) // size
                high = min(most, begin + (index + 1) * size)
                found.append((first + index, low, high))
                low = high
        return found


def _as_byte(accessed: float, looked: int) -> int:
    """A share as a byte; what is not 0 stays so."""
    if not accessed:
        return 0
    return min(255, max(1, int(255 * accessed / looked + 0.5)))


def _packed(flags: bytes) -> str:
    return base64.b64encode(zlib.compress(flags, 6)).decode("ascii")
