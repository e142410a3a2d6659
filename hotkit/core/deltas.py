"""The growth of a machine's counters in one run, small: a sweep has a hundred for each of its runs.

A dict of a run's counters is 10 kB; of 100,000 runs nearly all have the same names.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping


class Deltas(Mapping[str, int]):
    """Counters by name, in the order in which they came; made by `DeltaPacker`.

    `names` is shared by all runs that have the same; `values` are 64-bit integers in that order.
    """

    __slots__ = ("names", "values_in_order", "_places")

    def __init__(
        self, names: tuple[str, ...], places: Mapping[str, int], values: array[int]
    ) -> None:
        self.names = names
        self.values_in_order = values
        self._places = places

    def __getitem__(self, name: str) -> int:
        return self.values_in_order[self._places[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._places


class DeltaPacker:
    """Packs the counters of one run after the other."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[tuple[str, ...], dict[str, int]]] = {}

    def pack(self, counters: Mapping[str, int]) -> Mapping[str, int]:
        """The same mapping, packed; one with a value that is no 64-bit integer as it is."""
        try:
            values = array("q", counters.values())
        except (OverflowError, TypeError):
            return counters
        names = tuple(counters)
        if names not in self._known:
            self._known[names] = names, {name: place for place, name in enumerate(names)}
        names, places = self._known[names]
        return Deltas(names, places, values)
