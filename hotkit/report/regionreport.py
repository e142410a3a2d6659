"""What a report says more of a record that another tool made: where it is from, its regions."""

from __future__ import annotations

from typing import Any

import numpy as np

from hotkit.core.imported import Imported
from hotkit.core.record import PERCENTILES
from hotkit.core.regions import RegionSnapshots, accessed_bytes

_MOST_TARGETS = 5


def source_lines(imported: Imported, chosen: int) -> list[str]:
    """Where it is from, whose memory it shows, and what could not be kept of it."""
    one = imported.targets[chosen]
    lines = [
        f"Read from: {imported.form}; {one.target}, {one.snapshots:,} snapshots,"
        f" {one.regions:,} regions, {one.duration_s:.1f} s"
    ]
    others = [
        f"{place} is {other.target}"
        for place, other in enumerate(imported.targets, 1)
        if place != chosen + 1
    ]
    if others:
        more = len(others) - _MOST_TARGETS
        lines.append(
            f"Other targets, by --target: {'; '.join(others[:_MOST_TARGETS])}"
            + (f"; and {more} more" if more > 0 else "")
        )
    return [*lines, *(f"Note: {note}" for note in imported.notes)]


def accessed_percentiles(one: RegionSnapshots) -> dict[int, float]:
    """Percentile over the snapshots -> bytes in regions with any access: damo's working set."""
    found = np.percentile(accessed_bytes(one), PERCENTILES)
    return {key: float(value) for key, value in zip(PERCENTILES, found, strict=True)}


def frequency(one: RegionSnapshots, share: float) -> str:
    """How often a second that share means that an access was found; empty where nobody knows."""
    most = one.most_hz
    return "" if most is None else f"{share * most:.3g}"


def to_dict(imported: Imported, chosen: int) -> dict[str, Any]:
    """The part `imported` of the `--json` document."""
    one = imported.targets[chosen]
    return {
        "form": imported.form,
        "unit": imported.unit,
        "notes": list(imported.notes),
        "skipped_lines": imported.skipped,
        "targets": [str(other.target) for other in imported.targets],
        "target": chosen + 1,
        "snapshots": one.snapshots,
        "regions": one.regions,
        "lost_regions": one.lost,
        "relative": one.relative,
        "most_hz": one.most_hz,
        "accessed_regions_bytes": {
            str(key): size for key, size in accessed_percentiles(one).items()
        },
    }
