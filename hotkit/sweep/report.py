"""The story of `hotkit report`, `compare` and `export`: read a sweep directory, write one file."""

from __future__ import annotations

from pathlib import Path

from hotkit.errors import ExitCode, HotkitError
from hotkit.host.store import GROUP, JOURNAL, MANIFEST, PARTS, RAW
from hotkit.sweep.folder import SweepResult, load_sweep


def read_sweep(folder: Path) -> SweepResult:
    """A sweep directory, analysed. Raises HotkitError, also for the files of another version.

    Exit code 2 for a directory that is no sweep, or one of several parts (sweep/group.py reads
    those); 5 for one without a complete block.
    """
    if (folder / GROUP).exists():
        raise HotkitError(
            f"{folder}: is a sweep of several parts: name one of them",
            hint=f"{folder}/{PARTS}/NAME; hotkit report {folder} shows the names",
        )
    try:
        result = load_sweep(folder)
        # What every report needs of the manifest: asked for here, where its absence can be told.
        _ = (result.label, result.host, result.manifest["seed"], result.manifest["sha256"],
             result.machine["kernel_release"])  # fmt: skip
    except (KeyError, TypeError) as error:
        raise HotkitError(
            f"{folder}: manifest or journal lacks {error}: written by another version of hotkit",
            hint="report it with the version that its manifest names",
        ) from error
    return result


def write_result(path: Path, blob: bytes, sweep: Path) -> None:
    """Write a report or an export. What was measured is never written over.

    An earlier report of the same name is: it can be made again. Raises HotkitError.
    """
    kept = sweep.resolve()
    target = path.resolve()
    measured = {kept / GROUP}
    # The sweep itself, and each of its parts.
    for folder in (kept, *(kept / PARTS).glob("*")):
        measured |= {folder / MANIFEST, folder / JOURNAL, folder / RAW}
    if measured & {target, *target.parents}:
        raise HotkitError(f"{path}: holds what was measured", hint="name another file")
    try:
        path.write_bytes(blob)
    except OSError as error:
        raise HotkitError(
            f"{path}: cannot be written: {error.strerror}", exit_code=ExitCode.BAD_INPUT
        ) from error
