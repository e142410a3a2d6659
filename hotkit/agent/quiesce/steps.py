"""The single things that are set (a knob, a register, a swap area, a timer), and their way back.

A step is what one item of the table (`cpu`, `memory`, `system`) found at one place and what is
wanted there. Paths are below a root, so that a test can lay out the files of a machine that it has
not got; sentences name them as on a real one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotkit.agent.gather import text
from hotkit.agent.putback import swap_off, systemctl, write_knob, write_msr

ROOT = Path("/")


class Missing(Exception):
    """This machine has not got what an item is about; the message says what lacks, and where."""


@dataclass(frozen=True)
class Step:
    """One place: its name, what was found there, what is wanted."""

    name: str
    found: str
    wanted: str

    @property
    def holds(self) -> bool:
        return self.found == self.wanted

    def back(self) -> dict[str, Any] | None:
        """The entry that undoes it (putback.py); None when there is nothing to undo."""
        raise NotImplementedError

    def do(self) -> None:
        """Set it. Raises AgentError."""
        raise NotImplementedError


@dataclass(frozen=True)
class Knob(Step):
    """A file that is written."""

    file: Path

    def back(self) -> dict[str, Any] | None:
        # With the end of line that echo writes: what was longer before is then no part of it.
        return {"write": str(self.file), "text": self.found + "\n"}

    def do(self) -> None:
        write_knob(str(self.file), self.wanted + "\n")


@dataclass(frozen=True)
class Companion(Knob):
    """A file that the kernel changes along with the knobs after it: only ever put back."""

    @property
    def holds(self) -> bool:
        return True


@dataclass(frozen=True)
class Register(Step):
    """A model-specific register of one CPU."""

    file: Path
    register: int
    value_found: int
    value_wanted: int

    def back(self) -> dict[str, Any] | None:
        return {"msr": str(self.file), "register": self.register, "value": self.value_found}

    def do(self) -> None:
        write_msr(str(self.file), self.register, self.value_wanted)


@dataclass(frozen=True)
class SwapArea(Step):
    """A swap area that is on; `flags` are those of swapon(2)."""

    flags: int

    def back(self) -> dict[str, Any] | None:
        return {"swapon": self.name, "flags": self.flags}

    def do(self) -> None:
        swap_off(self.name)


@dataclass(frozen=True)
class Timer(Step):
    """A timer unit of systemd that is active."""

    def back(self) -> dict[str, Any] | None:
        return {"start": self.name}

    def do(self) -> None:
        systemctl("stop", self.name)


@dataclass(frozen=True)
class Act(Knob):
    """A file whose writing does something once: there is nothing to hold or to put back."""

    @property
    def holds(self) -> bool:
        return True

    def back(self) -> dict[str, Any] | None:
        return None

    def do(self) -> None:
        os.sync()
        super().do()


def value(file: Path) -> str | None:
    """What a knob says: its first line, of "always [madvise] never" the marked word; None: none."""
    said = text(str(file))
    if said is None:
        return None
    first = said.split("\n", 1)[0].strip()
    return first[first.index("[") + 1 : first.index("]")] if "[" in first else first


def number(file: Path) -> int | None:
    said = value(file)
    return int(said) if said is not None and said.isdigit() else None


def knob(root: Path, name: str, wanted: str) -> Knob:
    """The knob `name` (without the leading /). Raises Missing when it is not there."""
    found = value(root / name)
    if found is None:
        raise Missing(f"there is no /{name}")
    return Knob(f"/{name}", found, wanted, root / name)


def below(root: Path, folder: str, pattern: str) -> list[str]:
    """The names (without the leading /) of what matches in `folder`, by their numbers."""
    found = [str(path.relative_to(root)) for path in (root / folder).glob(pattern)]
    return sorted(found, key=lambda name: [(len(part), part) for part in name.split("/")])
