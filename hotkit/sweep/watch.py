"""How far a sweep is, looked at from outside: from its journals, beside whoever writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotkit.core.analysis import Analysis
from hotkit.core.sweepstate import SweepState
from hotkit.errors import HotkitError
from hotkit.host.store import GROUP, JOURNAL, MANIFEST, PARTS, is_written, read_manifest
from hotkit.sweep.folder import analyse_blocks, planned_blocks
from hotkit.sweep.journal import RunCollector
from hotkit.sweep.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """One part. `state`: not begun, running (a hotkit is at work), finished, stopped, cut off."""

    name: str
    host: str
    state: str
    blocks: int
    planned_blocks: int
    runs: int
    planned_runs: int
    reruns: int
    sessions: int
    enough: str | None
    last_event: str | None

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class PartWatch:
    """Reads the journal of one part as it grows."""

    def __init__(self, folder: Path, part: Mapping[str, Any]) -> None:
        self.folder = folder
        self.part = part
        self.manifest: dict[str, Any] | None = None
        self.state = SweepState()
        self.collector = RunCollector(())
        self.analysis: Analysis | None = None
        self._offset = 0
        self._places: dict[str, tuple[int, str]] = {}
        self._block: tuple[int, str] | None = None
        self._last: str | None = None

    def look(self) -> bool:
        """Read what is new; returns whether something was."""
        if self.manifest is None:
            if not (self.folder / MANIFEST).exists():
                return False
            self.manifest = read_manifest(self.folder)
            runs = self.manifest["schedule"]["runs"]
            self.collector = RunCollector(runs)
            self._places = {run["run"]: (run["block"], run["arm"]) for run in runs}
        path = self.folder / JOURNAL
        if not path.exists():
            return False
        with path.open("rb") as stream:
            stream.seek(self._offset)
            fresh = stream.read()
        # Whole lines only: half of one may be taken back (a full disk).
        fresh = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(fresh)
        lines = fresh.splitlines()
        before = len(self.collector.runs)
        for line in lines:
            self._take(json.loads(line))
        if len(self.collector.runs) != before:
            with suppress(ValueError):
                blocks = planned_blocks(self.manifest, self.state)
                self.analysis = analyse_blocks(self.collector, self.manifest, blocks)
        return bool(lines)

    def status(self) -> PartStatus:
        """What is known after the last look."""
        runs = self.manifest["schedule"]["runs"] if self.manifest else []
        return PartStatus(
            name=self.part["name"],
            host=self.part["host"],
            state=self._word(),
            blocks=self.analysis.blocks if self.analysis else 0,
            planned_blocks=planned_blocks(self.manifest, self.state) if self.manifest else 0,
            runs=len(self.collector.runs),
            planned_runs=len(runs),
            reruns=len(self.collector.reruns),
            sessions=self.state.session + 1,
            enough=self.state.why_enough,
            last_event=self._last,
        )

    def progress(self) -> Progress:
        """The same for the live view."""
        now = self.status()
        block, arm = self._block or (None, None)
        return Progress(
            host=now.host, part=now.name, step=now.state, done=now.runs, total=now.planned_runs,
            block=block, blocks=now.planned_blocks, arm=arm, analysis=self.analysis,
            reruns=now.reruns,
        )  # fmt: skip

    def _take(self, event: dict[str, Any]) -> None:
        self.state.add(event)
        self.collector.add(event)
        self._last = event.get("received", self._last)
        if event["type"] == "run":
            self._block = self._places.get(event["run"], self._block)

    def _word(self) -> str:
        if self.manifest is None:
            return "not begun"
        if self.state.finished:
            return "finished"
        if is_written(self.folder):
            return "running"
        return "stopped" if self.state.stopped else "cut off"


def watches(folder: Path) -> list[PartWatch]:
    """One for each part of a sweep directory. Raises HotkitError for another directory."""
    if (folder / GROUP).exists():
        parts = read_manifest(folder, GROUP)["parts"]
        return [PartWatch(folder / PARTS / part["name"], part) for part in parts]
    manifest = read_manifest(folder)
    if "description" not in manifest:
        raise HotkitError(f"{folder}: is no sweep", hint="a recording: hotkit record watch DIR")
    part = manifest.get("part") or {"name": folder.name, "host": manifest["host"]}
    return [PartWatch(folder, part)]


def status_of(folder: Path) -> list[PartStatus]:
    """How far each part of a sweep is."""
    found = watches(folder)
    for one in found:
        one.look()
    return [one.status() for one in found]


def follow(folder: Path) -> Iterator[list[PartWatch]]:
    """All parts, again and again, until none is at work any more."""
    found = watches(folder)
    while True:
        for one in found:
            one.look()
        yield found
        if not any(one.status().state == "running" for one in found):
            return
