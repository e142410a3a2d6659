"""A recording read again from its directory: hotkit's own, or one that was imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotkit.errors import ExitCode, HotkitError
from hotkit.host.regionstore import read_regions
from hotkit.host.store import JOURNAL, read_journal, read_manifest
from hotkit.parse.recording import RecordingBuilder
from hotkit.recordimport import IMPORTED, KIND, imported_result
from hotkit.recordresult import RecordResult


def load_recording(folder: Path, target: int | None = None) -> RecordResult:
    """Read a recording from its manifest and journal alone. Of one that was imported, `target`
    chooses whose memory (default: the one with most of it).

    Raises HotkitError: exit code 2 for a directory that is no recording, 5 for one without heat.
    """
    manifest = read_manifest(folder)
    if manifest.get("kind") != KIND:
        raise HotkitError(
            f"{folder}: is no recording",
            hint=f"hotkit sweep {folder} if it is a sweep; hotkit record watch makes a recording",
        )
    if IMPORTED in manifest:
        return imported_result(folder, manifest, read_regions(folder, read_journal(folder)), target)
    builder = RecordingBuilder()
    planned = manifest["schedule"]["runs"][0]
    settings: Mapping[str, Any] = planned["settings"]
    sample: Mapping[str, Any] | None = None
    for event in read_journal(folder):
        add_event(builder, event, folder)
        if event["type"] == "run":
            settings = event["settings"]
        elif event["type"] == "sample" and not event.get("part"):
            sample = event
    recording = builder.recording()
    if recording is None or not recording.looked_fraction:
        tracker = planned["tracker"]
        if sample is None:
            raise HotkitError(
                f"{folder}: the run was cut off before tracker {tracker} told of any memory",
                hint=f"{folder / JOURNAL} ends with the reason",
                exit_code=ExitCode.NOT_TRUSTWORTHY,
            )
        raise HotkitError(
            f"{folder}: tracker {tracker} does not tell which memory is hot while it runs, there is"
            " no map to show",
            hint="docs/record.md says which trackers do",
            exit_code=ExitCode.NOT_TRUSTWORTHY,
        )
    return RecordResult(
        folder=folder, manifest=manifest, recording=recording, settings=settings, sample=sample
    )


def add_event(builder: RecordingBuilder, event: Mapping[str, Any], where: Path) -> bool:
    """Take an event; whether it changed the recording. HotkitError for one that is none."""
    try:
        return builder.add(event)
    except ValueError as error:
        raise HotkitError(
            f"{where}: {error}", hint="agent and hotkit differ, or the journal was edited",
            exit_code=ExitCode.VERDICT_FAILED,
        ) from error  # fmt: skip
