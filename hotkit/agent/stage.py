"""Where a run takes place: which workloads and trackers there are, and what trackers are shown.

`Here` is this machine. hotkit/agent/guest/stage.py has the workload in a guest of it, and trackers
in the guest or over it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hotkit.agent import cgroup
from hotkit.agent.counters import counters
from hotkit.agent.heat import HeatRange
from hotkit.agent.protocol import AgentError
from hotkit.agent.threads import cpus_of
from hotkit.agent.trackers import TRACKERS
from hotkit.agent.trackers.base import Probe, Settings, Target, Tracker, complete
from hotkit.agent.trackers.softdirty import writable_ranges
from hotkit.agent.undo import Undo
from hotkit.agent.workloads import WORKLOADS
from hotkit.agent.workloads.base import Workload


class Programs:
    """Paths of the C programs that came with the agent; "" for one that did not."""

    def __init__(self, workload: str, scan: str):
        self.workload = workload
        self.scan = scan


class Here:
    """Everything on this machine."""

    def __init__(self, programs: Programs, undo: Undo):
        self._programs = programs
        self._undo = undo
        self._group: Path | None = None

    def work_key(self, kind: str) -> str:
        """The parameter that is the amount of work, "" where none is."""
        return _workload_kind(kind).work_key

    def workload(self, kind: str, parameters: dict[str, Any]) -> Workload:
        """A workload that is not started yet, in a memory cgroup of its own."""
        self._group = cgroup.make(self._undo)
        return _workload_kind(kind)(self._programs.workload, parameters, self._group)

    def tracker(self, name: str, scope: str = "") -> Tracker:
        """A tracker that is not started yet. `scope` is "" here."""
        if scope:
            raise AgentError(f"scope: {scope}: the sweep has no guest")
        made = tracker_kind(name)(self._undo)
        made.scan_program = self._programs.scan
        return made

    def probe(self, name: str, settings: Settings, scope: str = "") -> tuple[Tracker, Probe]:
        """Whether a tracker works here with these (complete) settings."""
        made = self.tracker(name, scope)
        return made, made.probe(settings)

    def target(self, truth: dict[str, Any], settings: Settings | None = None) -> Target:
        """What a tracker with these settings is pointed at, of a workload started just now."""
        return {
            "kind": "process",
            "pid": truth["pid"],
            "ranges": ranges_of(truth),
            "cpus": truth.get("cpus") or cpus_of(truth["pid"]),
            "uffd": truth.get("uffd", -1),
            "cgroup": str(self._group) if self._group else None,
        }

    def counters(self) -> dict[str, int]:
        """What the machine has counted so far."""
        return counters()

    def heat(self, tracker: Tracker) -> tuple[list[HeatRange], dict[str, Any]]:
        """What a tracker that was stopped believes to be hot, in the workload's addresses; and
        what else the run's `sample` event is to say."""
        return tracker.hot(), {}

    def ready(self) -> None:
        """See that a run can begin. AgentError when none can any more."""

    def after_run(self, result: dict[str, Any]) -> list[str]:
        """Why a run that has ended does not count, a sentence each."""
        return []

    def trouble(self, error: Exception) -> list[str]:
        """Why a run failed, if it is only this run that did; else nothing."""
        return []

    def close(self) -> None:
        """Let go what was held."""


def _workload_kind(kind: str) -> type[Workload]:
    if kind not in WORKLOADS:
        raise AgentError(f"no workload {kind!r}")
    return WORKLOADS[kind]


def tracker_kind(name: str) -> type[Tracker]:
    """The tracker of this name. AgentError when there is none."""
    if name not in TRACKERS:
        known = ", ".join(sorted(TRACKERS))
        raise AgentError(f"no tracker {name!r}", "this agent knows " + known)
    return TRACKERS[name]


def settings_of(name: str, given: Settings | None, scope: str = "") -> Settings:
    """All settings of a tracker. AgentError for a wrong one."""
    return complete(tracker_kind(name), given or {}, scope)


def end_run(tracker: Tracker | None, workload: Workload | None, undo: Undo) -> None:
    """End both, the tracker first so that it does not read a process that is gone; put back all.

    AgentError when something cannot be put back.
    """
    try:
        if tracker is not None:
            tracker.stop()
    except AgentError:
        pass  # the run has failed for another reason, which was told
    finally:
        if workload is not None:
            workload.stop()
    _, failed = undo.undo()
    if failed:
        raise AgentError("; ".join(failed), "put it back by hand, or reboot")


def ranges_of(truth: dict[str, Any]) -> list[list[int]]:
    """The memory that a workload works on: its one mapping, or all that it may write to."""
    if "start" in truth:
        return [[truth["start"], truth["start"] + truth["bytes"]]]
    try:
        maps = Path("/proc/{}/maps".format(truth["pid"])).read_text()
    except OSError as error:
        raise AgentError(f"{error.filename}: {error.strerror}", "run as root") from error
    return [list(part) for part in writable_ranges(maps)]
