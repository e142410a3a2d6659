"""A recording that was read again: hotkit's own, or one of another tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotkit.core.imported import Imported
from hotkit.core.labels import Label, machine_label
from hotkit.core.record import Recording
from hotkit.core.regions import RegionSnapshots


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordResult:
    """A recording on disk. `sample` is what the tracker reported at its end, None when cut off.

    `folder` is the file itself where another tool's record was read without being imported; of
    such a record `imported` holds all targets, and `recording` is the one that was `chosen`.
    """

    folder: Path
    manifest: Mapping[str, Any]
    recording: Recording
    settings: Mapping[str, Any]
    sample: Mapping[str, Any] | None
    imported: Imported | None = None
    chosen: int = 0

    @property
    def host(self) -> str:
        return str(self.manifest["host"])

    @property
    def tracker(self) -> str:
        return str(self.manifest["schedule"]["runs"][0]["tracker"])

    @property
    def machine(self) -> Mapping[str, Any]:
        """What the agent said about the machine: platform, kernel_release, knobs, ..."""
        machine: Mapping[str, Any] = self.manifest["machine"]
        return machine

    @property
    def label(self) -> Label:
        """metal, virtual or emulated: what every figure of this recording carries."""
        return machine_label(self.machine)

    @property
    def regions(self) -> RegionSnapshots | None:
        """The regions behind the recording, where they are known."""
        return self.imported.targets[self.chosen] if self.imported else None
