"""The story of `hotkit record import`: another tool's record, as a recording of ours.

read (host/foreignrecord.py, parse/) -> decide (core/regionmap.py) -> keep (host/regionstore.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hotkit
from hotkit.core.imported import Imported
from hotkit.core.labels import Platform
from hotkit.core.regionmap import recording_of
from hotkit.core.regions import Intervals, RegionSnapshots
from hotkit.errors import HotkitError
from hotkit.host.clock import now
from hotkit.host.foreignrecord import read_foreign
from hotkit.host.regionstore import keep_regions
from hotkit.host.store import MANIFEST, Journal, create_sweep_folder, write_once
from hotkit.parse.memsamples import EVERY_MS
from hotkit.recordresult import RecordResult

# Of a recording's manifest: it was not measured by us, and this says what it is.
IMPORTED = "imported"
KIND = "recording"


def import_record(
    file: Path,
    out: Path,
    *,
    form: str | None = None,
    fields: str | None = None,
    every_ms: int = EVERY_MS,
    intervals: Intervals | None = None,
    platform: str = Platform.UNKNOWN,
) -> RecordResult:
    """Read `file` and keep it as a recording in the new directory `out`.

    Nothing is written unless all of it could be read. Raises HotkitError (exit code 2) else.
    """
    imported = read_foreign(file, form=form, fields=fields, every_ms=every_ms, intervals=intervals)
    manifest = _manifest(file, imported, platform)
    result = imported_result(out, manifest, imported, None)
    folder = create_sweep_folder(out.absolute())
    with Journal(folder) as journal:
        journal.append({**keep_regions(folder, imported), "received": now()})
    write_once(folder / MANIFEST, manifest)
    return result


def read_record(
    file: Path,
    *,
    form: str | None = None,
    fields: str | None = None,
    every_ms: int = EVERY_MS,
    intervals: Intervals | None = None,
    platform: str = Platform.UNKNOWN,
    target: int | None = None,
) -> RecordResult:
    """The same without keeping anything: a file as it is."""
    imported = read_foreign(file, form=form, fields=fields, every_ms=every_ms, intervals=intervals)
    return imported_result(
        file, _manifest(file, imported, platform, digest=False), imported, target
    )


def imported_result(
    folder: Path, manifest: Mapping[str, Any], imported: Imported, target: int | None
) -> RecordResult:
    """The result about one target: `target` is its place in the list, counted from 1."""
    number = len(imported.targets)
    if target is not None and not 1 <= target <= number:
        raise HotkitError(
            f"{folder}: there is no target {target}",
            hint=f"it has {number}: " + "; ".join(
                f"{place} is {one.target}" for place, one in enumerate(imported.targets, 1)
            ),
        )  # fmt: skip
    chosen = imported.main if target is None else target - 1
    regions = imported.targets[chosen]
    if not regions.regions:
        raise HotkitError(f"{folder}: there is no region in it")
    return RecordResult(
        folder=folder,
        manifest=manifest,
        recording=recording_of(regions),
        settings=_settings(regions),
        sample=_sample(imported, regions),
        imported=imported,
        chosen=chosen,
    )


def _settings(regions: RegionSnapshots) -> dict[str, Any]:
    """The intervals, for the title; `tuned` where they changed."""
    if regions.intervals is None:
        return {}
    known = regions.intervals
    found: dict[str, Any] = {"sample_us": f"{known.sample_us:g}", "aggr_us": f"{known.aggr_us:g}"}
    if (regions.sample_us != known.sample_us).any():
        low, high = regions.sample_us.min(), regions.sample_us.max()
        found["tuned_sample_us"] = f"{low:g} to {high:g}"
    return found


def _sample(imported: Imported, regions: RegionSnapshots) -> dict[str, Any]:
    """What the record says was looked at, in the form of an agent's last event."""
    counted = regions.regions
    unit = "regions in snapshots"
    if not regions.relative:
        counted = int((regions.full[regions.snapshot_of]).sum())
        unit = "checks of a region"
    return {
        "units": {"examined": unit, "positive": imported.unit},
        "examined": counted,
        "positive": int(regions.accesses.sum()),
        "lost": regions.lost,
        "rounds": regions.snapshots,
    }


def _manifest(
    file: Path, imported: Imported, platform: str, *, digest: bool = True
) -> dict[str, Any]:
    sha256 = None
    if digest:
        with file.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    told = "said by who imported it" if platform != Platform.UNKNOWN else "the record does not tell"
    return {
        "kind": KIND,
        "created": now(),
        "hotkit": hotkit.__version__,
        "host": file.name,
        IMPORTED: {"file": file.name, "form": imported.form, "sha256": sha256},
        "machine": {
            "platform": str(platform),
            "nested": False,
            "platform_evidence": told,
            "kernel_release": "not known",
        },
        "schedule": {"runs": [{"run": "record", "tracker": imported.tracker, "settings": {}}]},
    }
