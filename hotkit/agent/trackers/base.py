"""The interface of a tracker: a small file that says what it saw and what that cost itself."""

from __future__ import annotations

import base64
import zlib
from typing import Any

# What a tracker is pointed at (DESIGN.md): a process | cgroup | node | vm. Today only "process".
Target = dict[str, Any]


class Probe:
    """Whether a tracker works on this machine, as the machine itself shows, never its version."""

    def __init__(self, available: bool, reason: str | None = None, fix: str | None = None):
        self.available = available
        self.reason = reason
        self.fix = fix

    def as_json(self) -> dict[str, Any]:
        return {"available": self.available, "reason": self.reason, "fix": self.fix}


class Samples:
    """What one run of a tracker saw; the units are the tracker's own (`Tracker.units`).

    `examined` is what it looked at, `positive` what it found accessed, `lost` what it knows to have
    missed, `rounds` how often it went over its target.
    """

    def __init__(self, examined: int = 0, positive: int = 0, lost: int = 0, rounds: int = 0):
        self.examined = examined
        self.positive = positive
        self.lost = lost
        self.rounds = rounds

    def as_json(self) -> dict[str, int]:
        return {
            "examined": self.examined,
            "positive": self.positive,
            "lost": self.lost,
            "rounds": self.rounds,
        }


class HeatRange:
    """Heat of adjacent pages: `heat[i]` is how often page i (of `page_bytes`) was found accessed.

    Counts above 255 are stored as 255; `rounds` of the samples says how many were possible.
    """

    def __init__(self, start: int, page_bytes: int, heat: bytes):
        self.start = start
        self.page_bytes = page_bytes
        self.heat = heat

    def as_json(self) -> dict[str, Any]:
        """Packed, since a page is one byte: zlib, then base64."""
        packed = base64.b64encode(zlib.compress(self.heat, 6)).decode("ascii")
        return {
            "start": self.start,
            "page_bytes": self.page_bytes,
            "pages": len(self.heat),
            "heat_zlib_base64": packed,
        }


class Tracker:
    """One way to learn which memory is hot.

    The runner calls `probe()` once, then for each run `start(target, settings)`, `stop()` and the
    readers below. `stop()` may be called twice, and puts every knob that `start` touched back to
    the value it found.
    """

    name = ""
    # Samples of different trackers are not the same thing: every figure carries these words.
    units = {"examined": "sample", "positive": "sample"}
    # name -> (type, default, smallest allowed); what a sweep may set.
    settings: dict[str, tuple[type, Any, Any]] = {}

    def probe(self) -> Probe:
        raise NotImplementedError

    def start(self, target: Target, settings: dict[str, Any]) -> None:
        """Begin to track; returns when tracking is in force. Raises AgentError."""
        raise NotImplementedError

    def stop(self) -> None:
        """End tracking and restore what was touched. Raises AgentError if tracking had failed."""
        raise NotImplementedError

    def samples(self) -> Samples:
        raise NotImplementedError

    def self_cost(self) -> int:
        """CPU time in ns of the tracker's own threads between start and stop ("direct cost")."""
        raise NotImplementedError

    def cpus(self) -> list[int]:
        """The CPUs its threads were seen on: a spare CPU hides a tracker's cost."""
        raise NotImplementedError

    def hot(self) -> list[HeatRange]:
        """What it believes to be hot."""
        raise NotImplementedError
