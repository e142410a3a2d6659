"""What a tracker believed, against the ground truth of the workload."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatRange:
    """Adjacent pages: `heat[i]` counts how often page i, of `page_bytes`, was found accessed."""

    start: int
    page_bytes: int
    heat: bytes


def pages_found(ranges: Iterable[HeatRange], start: int, size: int) -> tuple[int, int]:
    """How many pages lie whole inside [start, start + size), and how many of them have any heat.

    Pages that no range covers count as not found. (0, 0) when there is no range at all: the tracker
    reports no heat.
    """
    known = list(ranges)
    if not known:
        return 0, 0
    page = known[0].page_bytes
    first, last = -(-start // page), (start + size) // page
    found = 0
    for part in known:
        begin = part.start // part.page_bytes
        inside = part.heat[max(0, first - begin) : max(0, last - begin)]
        found += len(inside) - inside.count(0)
    return max(0, last - first), found
