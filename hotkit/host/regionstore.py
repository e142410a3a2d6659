"""Regions on disk: a numpy archive below raw/ of a recording, and the journal line that names it.

`raw/regions.npz` holds an array per target and column, named `<target>.<column>` (target: its place
in the line's list): numpy.load reads it anywhere. Nothing is packed: it is read often.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hotkit.core.imported import Imported
from hotkit.core.regions import (
    REGION_COLUMNS,
    SNAPSHOT_COLUMNS,
    Intervals,
    RegionSnapshots,
    Target,
)
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.store import RAW, disk_error

EVENT = "imported"
_NAME = "regions.npz"
_COLUMNS = (*SNAPSHOT_COLUMNS, *REGION_COLUMNS, "first")


def keep_regions(folder: Path, imported: Imported) -> dict[str, Any]:
    """Write the archive; the journal's event about it. Raises HotkitError when the disk refuses."""
    path = folder / RAW / _NAME
    arrays: dict[str, Any] = {}
    for place, one in enumerate(imported.targets):
        arrays |= {f"{place}.{name}": getattr(one, name) for name in _COLUMNS}
        if one.passed is not None:
            arrays[f"{place}.passed"] = one.passed
    partial = path.with_name(f".{_NAME}.part")
    try:
        with partial.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise disk_error(path, error) from error
    return {
        "type": EVENT,
        "file": f"{RAW}/{_NAME}",
        "sha256": _sha256(path),
        "form": imported.form,
        "tracker": imported.tracker,
        "unit": imported.unit,
        "notes": list(imported.notes),
        "skipped": imported.skipped,
        "targets": [
            {
                **asdict(one.target), "relative": one.relative, "lost": one.lost,
                "intervals": None if one.intervals is None else asdict(one.intervals),
            }
            for one in imported.targets
        ],
    }  # fmt: skip


def read_regions(folder: Path, events: Iterable[Mapping[str, Any]]) -> Imported:
    """The regions that a journal names. Raises HotkitError (exit code 1) where the archive is not
    the one that was written, and (2) where the journal names none."""
    event = next((event for event in events if event.get("type") == EVENT), None)
    if event is None:
        raise HotkitError(f"{folder}: the import did not end", hint="import the file again")
    path = folder / RAW / _NAME
    try:
        if _sha256(path) != event["sha256"]:
            raise HotkitError(
                f"{path}: not what was written", hint="import the file again",
                exit_code=ExitCode.VERDICT_FAILED,
            )  # fmt: skip
        with np.load(path, allow_pickle=False) as arrays:
            targets = tuple(
                _target(place, fields, arrays) for place, fields in enumerate(event["targets"])
            )
    except OSError as error:
        raise HotkitError(f"{path}: cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise HotkitError(
            f"{path}: not the regions of an import: {error}", exit_code=ExitCode.VERDICT_FAILED
        ) from error
    return Imported(
        form=event["form"], tracker=event["tracker"], unit=event["unit"], targets=targets,
        notes=tuple(event["notes"]), skipped=event["skipped"],
    )  # fmt: skip


def _target(place: int, fields: Mapping[str, Any], arrays: Mapping[str, Any]) -> RegionSnapshots:
    told = fields["intervals"]
    if told is not None:
        told = Intervals(**{**told, "goal": told["goal"] and tuple(told["goal"])})
    return RegionSnapshots(
        target=Target(
            **{name: fields[name] for name in ("kdamond", "context", "scheme", "kind", "number")}
        ),
        **{name: arrays[f"{place}.{name}"] for name in _COLUMNS},
        passed=arrays.get(f"{place}.passed"),
        relative=fields["relative"],
        lost=fields["lost"],
        intervals=told,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
