"""Which page is whose, for all pages that a trace or page_owner names, in two bytes a page."""

from __future__ import annotations

from array import array
from collections import Counter

# A region is 2 MiB: 512 pages.
_SHIFT = 9
_PAGES = 1 << _SHIFT
# What array("H") holds; the last number stands for all owners that come after.
_MOST = (1 << 16) - 1


class PageTable:
    """Page frame number -> owner, a small number from 1 up; 0 is nobody.

    Memory is bounded by the RAM that the pages are of, not by how often they change hands: 1 KiB
    per 2 MiB, 1/2048. Blocks may be taken whole and given back in pieces, as vmalloc and huge pages
    are.
    """

    def __init__(self) -> None:
        self._regions: dict[int, array[int]] = {}

    def put(self, pfn: int, order: int, owner: int) -> int:
        """Give 2**order pages to `owner`; returns how many of them were somebody's until now."""
        if order == 0:
            region = self._regions.get(pfn >> _SHIFT)
            if region is None:
                if not owner:
                    return 0
                region = self._regions[pfn >> _SHIFT] = _empty()
            before = region[pfn & _PAGES - 1]
            region[pfn & _PAGES - 1] = owner
            return 1 if before else 0
        taken, end = 0, pfn + (1 << order)
        while pfn < end:
            begin = pfn & _PAGES - 1
            count = min(end - pfn, _PAGES - begin)
            taken += self._fill(pfn >> _SHIFT, begin, count, owner)
            pfn += count
        return taken

    def _fill(self, number: int, begin: int, count: int, owner: int) -> int:
        region = self._regions.get(number)
        if region is None:
            if not owner:
                return 0
            region = self._regions[number] = _empty()
        before = region[begin : begin + count]
        region[begin : begin + count] = array("H", (owner,)) * count
        return count - before.count(0)

    def tally(self) -> dict[int, int]:
        """Owner -> pages that are its own now."""
        found: Counter[int] = Counter()
        for region in self._regions.values():
            found.update(region)
        del found[0]
        return dict(found)


class Owners:
    """Owners by their keys, numbered for a PageTable."""

    def __init__(self, most: int = _MOST) -> None:
        self._numbers: dict[tuple[str, bool, bool], int] = {}
        self._most = most

    def number(self, name: str, movable: bool = False, doubtful: bool = False) -> int:
        """The number of an owner; the same one for all that come when no number is left."""
        key = (name, movable, doubtful)
        number = self._numbers.get(key)
        if number is None:
            number = min(len(self._numbers) + 1, self._most)
            if number == self._most:
                key = ("others", False, False)
            self._numbers[key] = number
        return number

    def keys(self) -> dict[int, tuple[str, bool, bool]]:
        """Number -> (name, movable, doubtful)."""
        return {number: key for key, number in self._numbers.items()}


def _empty() -> array[int]:
    return array("H", bytes(2 * _PAGES))
