"""How often each page of a range was found accessed: counted at C speed, without numpy."""

from __future__ import annotations

import base64
import zlib
from array import array
from typing import Any


class HeatRange:
    """Heat of adjacent pages: page i (of `page_bytes`) was found accessed `heat[i]` times.

    `possible` says how often it could have been found, at most 255: what counts further is scaled
    by `scaled()` before. 0 possible: the tracker takes no turns (a sampler), heat is relative.
    """

    def __init__(self, start: int, page_bytes: int, heat: bytes, possible: int):
        self.start = start
        self.page_bytes = page_bytes
        self.heat = heat
        self.possible = possible

    def as_json(self) -> dict[str, Any]:
        """Packed, since a page is one byte: zlib, then base64."""
        packed = base64.b64encode(zlib.compress(self.heat, 6)).decode("ascii")
        return {
            "start": self.start,
            "page_bytes": self.page_bytes,
            "pages": len(self.heat),
            "possible": self.possible,
            "heat_zlib_base64": packed,
        }


def scaled(counts: Any, most: int) -> bytes:
    """Counts as bytes of at most 255; what is not 0 stays so, what is more than `most` is `most`.

    More can happen: DAMON checks once more than its intervals say, or records were lost.
    """
    if max(counts, default=0) > most:
        counts = [min(count, most) for count in counts]
    if most <= 255:
        return bytes(list(counts))  # of an array, bytes() would take the machine words
    return bytes((count * 255 + most - 1) // most for count in counts)


class Heat:
    """How often each page of one range was found accessed.

    Adding two byte strings as big integers adds them page by page, as long as no byte overflows:
    after 255 additions the sum goes to an array of counters.
    """

    def __init__(self, pages: int):
        self.pages = pages
        self._sum = 0
        self._added = 0
        self._rounds = 0
        self._spilled: array[int] | None = None

    def add(self, flags: bytes) -> None:
        """One round: a byte (0 or 1) per page."""
        self._sum += int.from_bytes(flags, "little")
        self._added += 1
        self._rounds += 1
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

    def as_range(self, start: int, page_bytes: int) -> HeatRange:
        """What was counted so far."""
        if self._spilled is None:
            heat = self._sum.to_bytes(self.pages, "little")
            return HeatRange(start, page_bytes, heat, self._rounds)
        self._spill()
        heat = scaled(self._spilled, self._rounds)
        return HeatRange(start, page_bytes, heat, min(self._rounds, 255))
