"""The workload in a guest, trackers in the guest or over its VM.

A guest that dies, hangs or is not the same any more costs the run, not the sweep: it is told in one
sentence (`trouble`, `after_run`), and before the next run the guest is started again (`ready`).
"""

from __future__ import annotations

import base64
import sys
import zlib
from array import array
from contextlib import suppress
from pathlib import Path
from typing import Any

from hotkit.agent.counters import counters
from hotkit.agent.guest.life import Guest
from hotkit.agent.guest.link import GuestGone, Link
from hotkit.agent.guest.memory import Seen
from hotkit.agent.guest.proxies import GuestTracker, GuestWorkload
from hotkit.agent.guest.qmp import QmpSilent
from hotkit.agent.guest.vm import Vm
from hotkit.agent.heat import HeatRange
from hotkit.agent.protocol import AgentError
from hotkit.agent.stage import Here, Programs, tracker_kind
from hotkit.agent.trackers.base import Probe, Settings, Target, Tracker
from hotkit.agent.undo import Undo
from hotkit.agent.workloads.base import Workload

GUEST, HOST = "guest", "host"
_MARKS = 64
# ssh and Python begin first, which takes a guest on an emulated host that is busy some minutes.
_FIRST_S = 300.0


class WithGuest(Here):
    """A stage with one guest, which is up or is brought up."""

    def __init__(self, programs: Programs, undo: Undo, description: dict[str, Any]):
        super().__init__(programs, undo)
        self._guest = Guest(description)
        self._files = [Path(sys.argv[0]), Path(programs.workload), Path(programs.scan)]
        self._link: Link | None = None
        self._vm: Vm | None = None
        self._workload: GuestWorkload | None = None
        self._frames: array[int] = array("Q")
        self._broken = False
        self._scope = ""
        self._clocks = (0, 0, 0)

    def hello(self) -> dict[str, Any]:
        """The guest's machine, as its agent describes it; brings the guest up."""
        self.ready()
        machine: dict[str, Any] = self._ask("hello")["machine"]
        return machine

    def workload(self, kind: str, parameters: dict[str, Any]) -> Workload:
        self._workload = GuestWorkload(self._connected(), kind, parameters)
        return self._workload

    def tracker(self, name: str, scope: str = "") -> Tracker:
        self._scope = scope
        if scope == GUEST:
            return GuestTracker(self._connected(), tracker_kind(name))
        return super().tracker(name)

    def probe(self, name: str, settings: Settings, scope: str = "") -> tuple[Tracker, Probe]:
        made, found = super().probe(name, settings, scope)
        if scope == HOST and made.not_over_vm:
            return made, Probe(False, made.not_over_vm, "scope: guest")
        return made, found

    def target(self, truth: dict[str, Any], settings: Settings | None = None) -> Target:
        """The VM, for trackers in the host; those in the guest have the workload."""
        self._vm = self._look_at_vm()
        # Before the tracker starts: what is tracked is to be the run, and as little else as can be.
        self._clocks = self._connected().clocks()
        self._frames = self._guest_frames()
        found = self._vm.target()
        if settings and settings.get("watch") == "workload":
            found["ranges"] = self._vm.ram.behind(self._frames)
        return found

    def counters(self) -> dict[str, int]:
        found = counters()
        found.update({f"guest.{name}": value for name, value in self._ask("counters").items()})
        return found

    def heat(self, tracker: Tracker) -> tuple[list[HeatRange], dict[str, Any]]:
        if self._scope != HOST:
            return tracker.hot(), {}
        assert self._vm is not None and self._workload is not None
        seen = Seen(
            self._workload.ranges, self._frames, self._guest_frames(), self._vm.ram, tracker.hot()
        )
        return seen.heat, {"vm": seen.as_json()}

    def ready(self) -> None:
        """The guest is up and its agent answers; started again after a run that it spoiled."""
        try:
            self._connect()
        except QmpSilent:  # it was started on a host that is very busy: once more
            self._broken = True
            self._connect()

    def _connect(self) -> None:
        if self._broken or (self._link is not None and self._guest.pid() is None):
            self._restart()
        if self._link is None:
            self._guest.up()
            self._link = Link(self._guest, self._files)
            self._link.ask("hello", _FIRST_S)

    def after_run(self, result: dict[str, Any]) -> list[str]:
        """As Here, and gives the result `clocks`: what passed by the host's clock and the guest's
        between two looks at both around the run, and how far these may be off (all in ns)."""
        problems = self._vm.changed() if self._vm else []
        if not problems:
            try:
                result["clocks"] = self._clocks_since()
            except GuestGone as error:
                problems = [error.message]
        self._broken = bool(problems)
        return problems

    def _clocks_since(self) -> dict[str, int]:
        host, guest, error = self._connected().clocks()
        return {
            "host_ns": host - self._clocks[0],
            "guest_ns": guest - self._clocks[1],
            "error_ns": error + self._clocks[2],
        }

    def trouble(self, error: Exception) -> list[str]:
        changed = self._vm.changed() if self._vm else []
        if not changed and isinstance(error, QmpSilent):
            changed = [self._guest.silence(error)]
        if not changed and not isinstance(error, GuestGone):
            return []
        self._broken = True
        return changed[:1] or [str(error)]

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _restart(self) -> None:
        """A guest of ours anew: nobody knows what state it is in. One of others must be up."""
        self._vm = self._workload = None
        with suppress(AgentError):
            self.close()
        if self._guest.ours:
            self._guest.down(at_once=True)
        self._guest.up()
        self._broken = False

    def _look_at_vm(self) -> Vm:
        marks = {gpa: bytes.fromhex(said) for gpa, said in self._ask("marks", count=_MARKS)}
        try:
            return Vm(self._guest, self._ask("ram"), marks)
        finally:
            self._ask("marks", count=0)

    def _guest_frames(self) -> array[int]:
        found = array("Q")
        found.frombytes(zlib.decompress(base64.b64decode(self._ask("frames"))))
        return found

    def _ask(self, do: str, **fields: Any) -> Any:
        return self._connected().ask(do, **fields)

    def _connected(self) -> Link:
        if self._link is None:
            raise GuestGone(f"guest {self._guest.name}: there is no connection to its agent")
        return self._link
