"""A sweep on disk: manifest.json, journal.jsonl, raw/. Appended to, never rewritten."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from hotkit.agent.spool import is_locked
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.jsonlines import json_lines

SCHEMA_VERSION = 1
MANIFEST, JOURNAL, RAW = "manifest.json", "journal.jsonl", "raw"
# A sweep of several parts: what it consists of, and the directory of the parts.
GROUP, PARTS = "sweep.json", "parts"


def create_sweep_folder(folder: Path) -> Path:
    """Make a new sweep directory. One that holds anything is refused: nothing is overwritten."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HotkitError(f"{folder}: exists and is not empty", hint="name a new --out directory")
    try:
        (folder / RAW).mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise HotkitError(f"{folder}: cannot be made: {error.strerror}") from error
    return folder


def write_once(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON document that must not exist yet; it is complete or not there."""
    text = json.dumps({"schema_version": SCHEMA_VERSION, **document}, indent=1) + "\n"
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
        temporary.unlink()
    except FileExistsError as error:
        raise HotkitError(f"{path}: exists already, nothing is overwritten") from error
    except OSError as error:
        raise disk_error(path, error) from error


@contextmanager
def journal_of(folder: Path, *, hint: str) -> Iterator[Journal]:
    """The journal of a measurement that may fail or be interrupted: its last line then says so.

    `hint` goes with the HotkitError that Ctrl-C becomes (exit code 130).
    """
    with Journal(folder) as journal:
        try:
            yield journal
        except HotkitError as error:
            journal.append({"type": "error", "by": "controller", "message": error.message})
            raise
        except KeyboardInterrupt:
            journal.append({"type": "error", "by": "controller", "message": "interrupted"})
            raise HotkitError(
                "interrupted; agent and workload have ended",
                hint=hint,
                exit_code=ExitCode.INTERRUPTED,
            ) from None


class Journal:
    """The append-only record of a sweep: one JSON line per event, on disk before it counts.

    `raw` holds what is too large for a line; a journal line names the file and its SHA-256.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        self.raw = folder / RAW
        # O_APPEND: two writers cannot overwrite each other, whatever they believe the end to be.
        try:
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise disk_error(self.path, error) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise HotkitError(
                f"{folder}: another hotkit is at work on it",
                hint=f"look on: hotkit sweep watch {folder}",
            ) from None
        self._end_torn_line()

    def _end_torn_line(self) -> None:
        """What a full disk or a power cut left of a last line is cut off: it never counted."""
        size = os.fstat(self._handle).st_size
        tail = os.pread(self._handle, 1 << 20, max(0, size - (1 << 20)))
        if size and not tail.endswith(b"\n"):
            os.ftruncate(self._handle, size - len(tail) + tail.rfind(b"\n") + 1)

    def append(self, event: Mapping[str, Any]) -> None:
        """Write one line and wait until the disk has it; of a line that fails nothing stays."""
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        before = os.fstat(self._handle).st_size
        try:
            while line:
                line = line[os.write(self._handle, line) :]
            os.fsync(self._handle)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._handle, before)
            raise disk_error(self.path, error) from error

    def keep_raw(self, name: str, blob: bytes) -> Path:
        """Store a file below raw/, whole or not at all; returns its path.

        A file that is there with the same content is it; with another the name gets a number.
        """
        path = self.raw / name
        number = 1
        try:
            while path.exists():
                if path.read_bytes() == blob:
                    return path
                number += 1
                path = self.raw / f"{number}-{name}"
            partial = self.raw / f".{name}.part"
            with partial.open("wb") as file:
                file.write(blob)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            with suppress(OSError):
                (self.raw / f".{name}.part").unlink(missing_ok=True)
            raise disk_error(path, error) from error
        return path

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._handle)


def part_folders(folder: Path) -> list[Path]:
    """The directories of the parts that have begun; a sweep of one part is its own."""
    if not (folder / GROUP).exists():
        return [folder]
    names = [part["name"] for part in read_manifest(folder, GROUP)["parts"]]
    return [folder / PARTS / name for name in names if (folder / PARTS / name / MANIFEST).exists()]


def is_written(folder: Path) -> bool:
    """Whether a hotkit has the journal open now."""
    return is_locked(folder / JOURNAL)


def read_journal(folder: Path) -> Iterator[dict[str, Any]]:
    """The events of a sweep. A last line that was cut off (power failure) is left out.

    Nothing where no journal was begun. Raises HotkitError with file and line for any other line
    that is not a JSON object.
    """
    path = folder / JOURNAL
    if path.exists() or not (folder / MANIFEST).exists():
        yield from json_lines(path)


def read_manifest(folder: Path, name: str = MANIFEST) -> dict[str, Any]:
    """The manifest of a sweep directory, or another document of it. Raises HotkitError."""
    path = folder / name
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise HotkitError(
            f"{path}: cannot be read: {error.strerror}",
            hint="name what --out of `hotkit sweep` or `hotkit record watch` was",
        ) from error
    except ValueError as error:
        raise HotkitError(f"{path}: not JSON: {error}") from error
    return manifest


def disk_error(path: Path, error: OSError) -> HotkitError:
    """A write that failed, in one sentence; what was journalled before stays valid."""
    return HotkitError(
        f"{path}: cannot be written: {error.strerror}",
        hint="what was journalled before stays as it is",
        exit_code=ExitCode.VERDICT_FAILED,
    )
