"""How far a sweep has come, from the lines of its journal: what is next, and of whom to ask it.

A session is one start of an agent on the host, counted by the controller. The agent numbers its
events; the controller's own lines have no number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class SweepState:
    """Fed with every line of the journal in order, by `add`.

    `session`: the last one begun (-1: none). `open`: not known to be over. `known`: its events
    below this number are in the journal. `finished`: nothing is left to do. `planned_blocks`: how
    many count, when fewer than the schedule has were enough. `elapsed_s`: of the sessions that are
    over. `work`: name and amount that calibration found. `stopped`: how the last session was asked
    to end ("run", "block", "now", "time"), "" when it was not. `knobs`: those that all runs are
    held against. `quiesced`: what the last session changed to make the machine quiet.
    """

    session: int = -1
    open: bool = False
    known: int = 0
    finished: bool = False
    planned_blocks: int | None = None
    why_enough: str | None = None
    boot_id: str | None = None
    knobs: Mapping[str, str] | None = None
    work: tuple[str, int] | None = None
    elapsed_s: float = 0.0
    sessions_without_a_run: int = 0
    boots: dict[str, None] = field(default_factory=dict)
    stopped: str = ""
    quiesced: tuple[str, ...] = ()
    _open_run: int | None = None

    @property
    def next_event(self) -> int:
        """The first event to ask for: a run that is under way is told again from its start."""
        return self.known if self._open_run is None else self._open_run

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one line."""
        kind, run = event["type"], event.get("run")
        if event.get("by") == "controller":
            self._controller(event)
            return
        session, number = event.get("session", 0), event["seq"]
        if session > self.session:
            self.session = session
        if number < self.known:
            return
        self.known = number + 1
        self.open = True
        if kind in ("sample", "counter"):  # half of all lines
            return
        if kind == "hello":
            self.boot_id = event["machine"].get("boot_id")
            self.boots[str(self.boot_id)] = None
        elif kind == "probe" and "calibrated" in event:
            self.work = (event["calibrated"], event["workload"])
        elif kind == "probe" and "quiesce" in event:
            self.quiesced = tuple(event["quiesce"]["said"])
        elif kind == "gates":
            self.knobs = self.knobs or event.get("knobs")
        elif kind == "run":
            self._open_run = number
        elif kind == "end" and run is not None:
            self._open_run = None
            self.sessions_without_a_run = 0
        elif kind in ("end", "error") and run is None:
            self._over(event)

    def _controller(self, event: Mapping[str, Any]) -> None:
        kind = event["type"]
        if kind == "session":
            self.session, self.known, self._open_run = int(event["session"]), 0, None
            self.stopped = ""
            self.open = True
            self.sessions_without_a_run += 1
        elif kind == "gone":
            self.open = False
        elif kind == "enough":
            self.finished = True
            self.planned_blocks, self.why_enough = event["blocks"], event["reason"]

    def _over(self, event: Mapping[str, Any]) -> None:
        self.open = False
        self.elapsed_s += event.get("elapsed_ns", 0) / 1e9
        if event["type"] == "error":
            return
        self.stopped = event.get("stopped", "")
        self.finished = self.finished or self.stopped in ("", "time")
        if self.stopped == "time":
            self.planned_blocks = event.get("blocks")
            self.why_enough = "the time is over (until: minutes)"
