"""The story of a sweep of several parts: read its directory, put its boots and hosts together.

    DIR/sweep.json            what was described, and the parts that make it up
    DIR/parts/NAME/           one part: a whole sweep directory

A directory without sweep.json is a sweep of one part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hotkit.core.group import Column, combine
from hotkit.core.groupparts import Part
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.store import GROUP, MANIFEST, PARTS, SCHEMA_VERSION, read_manifest
from hotkit.sweep.compare import session_of
from hotkit.sweep.folder import SweepResult
from hotkit.sweep.report import read_sweep

_KEYS = ("name", "host", "layout", "boot", "workload")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPart:
    """One part: the mapping that names it, what was found in `folder`, or why nothing was."""

    part: Mapping[str, Any]
    folder: Path
    result: SweepResult | None
    reason: str | None = None

    @property
    def name(self) -> str:
        return str(self.part["name"])

    @property
    def trusted(self) -> bool:
        return self.result is not None and self.result.analysis.trusted

    @property
    def defined(self) -> bool:
        return self.result is not None and self.result.analysis.defined


@dataclass(frozen=True, kw_only=True)
class SweepGroup:
    """A sweep directory with all of its parts. `document` is sweep.json, None of a flat one."""

    folder: Path
    document: Mapping[str, Any] | None
    parts: tuple[GroupPart, ...]

    @property
    def only(self) -> SweepResult | None:
        """The sweep itself when the directory is a flat one."""
        return self.parts[0].result if self.document is None else None

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """What boots and hosts say together, for each layout and workload."""
        return combine([_core_part(part) for part in self.parts])

    @property
    def trusted(self) -> bool:
        return all(part.trusted for part in self.parts)

    @property
    def defined(self) -> bool:
        return all(part.defined for part in self.parts)

    @property
    def exit_code(self) -> ExitCode:
        """0 when every part is there, can be trusted and has all of its figures."""
        return ExitCode.OK if self.trusted and self.defined else ExitCode.NOT_TRUSTWORTHY


def load_group(folder: Path) -> SweepGroup:
    """Read a sweep directory, flat or with parts; the figures are computed anew.

    A part that has not begun, or cannot be read, is there with its reason. Raises HotkitError for a
    directory that is no sweep (2), and as `read_sweep` does for a flat one.
    """
    if not (folder / GROUP).exists():
        result = read_sweep(folder)
        part = result.manifest.get("part") or _default_part(result)
        return SweepGroup(
            folder=folder,
            document=None,
            parts=(GroupPart(part=part, folder=folder, result=result),),
        )
    document = read_manifest(folder, GROUP)
    parts = _checked(document, folder / GROUP)
    return SweepGroup(
        folder=folder, document=document, parts=tuple(_read(folder, part) for part in parts)
    )


def _read(group: Path, part: Mapping[str, Any]) -> GroupPart:
    folder = group / PARTS / part["name"]
    if not (folder / MANIFEST).exists():
        return GroupPart(part=part, folder=folder, result=None, reason="not begun")
    try:
        result = read_sweep(folder)
    except HotkitError as error:
        reason = error.message.removeprefix(f"{folder}: ")
        return GroupPart(part=part, folder=folder, result=None, reason=reason)
    stated = result.manifest.get("part") or part
    if any(stated.get(key) != part[key] for key in _KEYS):
        reason = f"its manifest is that of part {stated.get('name')}"
        return GroupPart(part=part, folder=folder, result=None, reason=reason)
    return GroupPart(part=part, folder=folder, result=result)


def _default_part(result: SweepResult) -> dict[str, Any]:
    """The name of a sweep that was made before there were parts."""
    workload = str(result.manifest["description"]["workload"].get("kind", "workload"))
    return {
        "name": f"{result.host}-{workload}",
        "host": result.host,
        "layout": None,
        "boot": 0,
        "workload": workload,
    }


def _checked(document: Any, path: Path) -> list[Mapping[str, Any]]:
    """The parts that sweep.json names. Raises HotkitError: the file may be anybody's."""
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise HotkitError(
            f"{path}: schema_version is {version}, not {SCHEMA_VERSION}",
            hint="report it with the version of hotkit that wrote it",
        )
    parts = document.get("parts")
    if not isinstance(parts, list) or not parts:
        raise HotkitError(f"{path}: names no parts")
    names = set()
    for part in parts:
        lacking = [key for key in _KEYS if not isinstance(part, dict) or key not in part]
        if lacking:
            raise HotkitError(f"{path}: a part lacks {', '.join(lacking)}")
        name = part["name"]
        # It is a directory's name, and none but those below parts/ may be reached by it.
        if not isinstance(name, str) or name in ("", ".", "..") or {"/", "\0"} & set(name):
            raise HotkitError(f"{path}: {name!r} is no name of a part")
        if name in names:
            raise HotkitError(f"{path}: two parts are called {name}")
        names.add(name)
    return parts


def _core_part(part: GroupPart) -> Part:
    where = part.part
    return Part(
        name=part.name,
        host=str(where["host"]),
        layout=where["layout"],
        boot=where["boot"],
        workload=str(where["workload"]),
        session=session_of(part.result) if part.result else None,
        missing=part.reason,
    )
