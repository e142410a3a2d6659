"""A record of another tool, as it was read: what it is, whose memory, what could not be kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from hotkit.core.regions import RegionSnapshots


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """`form` names the format in words; `targets` are in order, at least one.

    `tracker` is what had looked, `unit` what `accesses` of a region counts. `notes` are sentences
    about what was lost, guessed or left out. `skipped` counts lines that were not understood.
    """

    form: str
    tracker: str
    unit: str
    targets: tuple[RegionSnapshots, ...]
    notes: tuple[str, ...] = field(default=())
    skipped: int = 0

    @property
    def main(self) -> int:
        """Which target a report is about unless told otherwise: the one with most memory seen."""
        sizes = [int(one.sizes.sum()) for one in self.targets]
        return sizes.index(max(sizes))
