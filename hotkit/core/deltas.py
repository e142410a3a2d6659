"""The growth of a machine's counters in one run, small: a sweep has a hundred for each of its runs.

A dict of a run's counters is 10 kB; of 100,000 runs nearly all have the same names.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

_ONE = struct.Struct("q")


class Deltas(Mapping[str, int]):
    """Counters by name, in the order in which they came; made by `DeltaPacker`.

    `names` is shared by all runs that have the same; `packed` are their values, in that order, as
    64-bit integers of this machine.
    """

    __slots__ = ("names", "packed", "_places")

    def __init__(self, names: tuple[str, ...], places: Mapping[str, int], packed: bytes) -> None:
        self.names = names
        self.packed = packed
        self._places = places

    def __getitem__(self, name: str) -> int:
        value: int = _ONE.unpack_from(self.packed, _ONE.size * self._places[name])[0]
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """As of every mapping; faster than what it would inherit."""
        place = self._places.get(name)
        return default if place is None else _ONE.unpack_from(self.packed, _ONE.size * place)[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._places


class DeltaPacker:
    """Packs the counters of one run after the other."""

    def __init__(self) -> None:
        self._known: dict[
            tuple[str, ...], tuple[tuple[str, ...], dict[str, int], struct.Struct]
        ] = {}

    def pack(self, counters: Mapping[str, int]) -> Mapping[str, int]:
        """The same mapping, packed; one with a value that is no 64-bit integer as it is."""
        names = tuple(counters)
        known = self._known.get(names)
        if known is None:
            places = {name: place for place, name in enumerate(names)}
            known = self._known[names] = names, places, struct.Struct(f"{len(names)}q")
        names, places, form = known
        try:
            return Deltas(names, places, form.pack(*counters.values()))
        except struct.error:
            return counters
