"""Any program as a workload, from one description: `kind: command` (docs/workloads.md).

Two shapes. A server and its client (redis and redis-benchmark): `start` is tracked, `load` fills
it, `work` is the fixed amount of work that is timed. A program that does its work by itself (GAPBS,
XSBench): `work` alone; it is stopped when it is `ready`, that is populated, goes on when the timed
part begins, and is held as it exits, so that its memory can still be read.

Its hot memory is not known: `start()` names a process and no ranges.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from hotkit.agent.protocol import AgentError
from hotkit.agent.workloads.base import Workload
from hotkit.agent.workloads.kept import Kept, resident_bytes
from hotkit.agent.workloads.llc import against_llc

_STOP_S = 10.0
# Between two looks whether it is ready: so much of a batch program's work may go by untimed.
_LOOK_S = 0.005
_ENVIRONMENT = {"LC_ALL": "C"}


class Command(Workload):
    """One run of it: the parameters are those of CommandSpec (hotkit/host/workloadspec.py)."""

    def __init__(self, binary: str, parameters: dict[str, Any], cgroup: Path | None = None):
        self._binary = binary
        self._cgroup = cgroup
        self._ready: dict[str, Any] = parameters["ready"]
        self._within = float(parameters.get("within_s", 60))
        self._most = float(parameters.get("most_s", 1800))
        self._exits: list[int] = list(parameters.get("exits", (0,)))
        self._needs: str | None = parameters.get("needs")
        self._environment = dict(_ENVIRONMENT, **(parameters.get("env") or {}))
        self._start: list[str] | None = parameters.get("start")
        self._load: list[str] | None = parameters.get("load")
        self._work: list[str] = parameters["work"]
        self._stop: list[str] | None = parameters.get("stop")
        self._tracked: Kept | None = None
        self._client: Kept | None = None

    def start(self) -> dict[str, Any]:
        for argv in (self._start, self._load, self._work, self._stop):
            if argv:
                self._look_for(argv[0])
        self._free_port()
        self._tracked = self._keep(self._start or self._work, self._cgroup)
        self._wait_until_ready(self._tracked)
        if self._load:
            self._to_the_end(self._load, self._most)
        pid = max(self._tracked.pids(), key=resident_bytes, default=self._tracked.pid)
        if not self._start:
            self._tracked.hold(pid)
            self._tracked.pause()
        truth: dict[str, Any] = {"pid": pid, "distribution": "unknown"}
        truth.update(against_llc(resident_bytes(pid)))
        return truth

    def run(self) -> dict[str, Any]:
        assert self._tracked is not None
        if self._start:
            began, end, said = self._to_the_end(self._work, self._most)
        else:
            began = self._tracked.go_on()
            end, said = self._end_of(self._tracked, self._most)
        return {"duration_ns": end - began, "checksum": None, "output": said}

    def stop(self) -> None:
        client, self._client = self._client, None
        tracked, self._tracked = self._tracked, None
        try:
            if client is not None:
                client.close()
            if tracked is not None and self._stop:
                with suppress(AgentError):  # it is killed next
                    self._to_the_end(self._stop, _STOP_S)
        finally:
            if tracked is not None:
                tracked.close()

    def _keep(self, argv: list[str], cgroup: Path | None = None, holdable: bool = True) -> Kept:
        return Kept(self._binary, argv, cgroup, self._environment, holdable)

    def _to_the_end(self, argv: list[str], seconds: float) -> tuple[int, int, str]:
        """Run `argv` outside the cgroup; when it began and ended (ns), and what it printed last."""
        self._client = self._keep(argv, holdable=False)
        try:
            end, said = self._end_of(self._client, seconds)
            return self._client.started_ns, end, said
        finally:
            client, self._client = self._client, None
            client.close()

    def _end_of(self, kept: Kept, seconds: float) -> tuple[int, str]:
        name = kept.argv[0]
        end = kept.ended(seconds)
        if end is None:
            raise AgentError(f"{name} was still running after {seconds:g} s", "give it less work")
        status = int(end["status"])
        if status & 0x7F or status >> 8 not in self._exits:
            raise AgentError(f"{name} {_how(status)}: {kept.tail() or 'it printed nothing'}")
        return int(end["at_ns"]), kept.tail()

    def _look_for(self, name: str) -> None:
        path = self._environment.get("PATH") or os.environ.get("PATH")
        if shutil.which(name, path=path) is None:
            raise AgentError(f"{name} is not installed here", self._needs)

    def _free_port(self) -> None:
        """A server that listens there already would be measured in place of ours."""
        if "port" in self._ready and _listens(self._ready["port"]):
            raise AgentError(
                "port {} is taken already".format(self._ready["port"]), "name another port"
            )

    def _wait_until_ready(self, kept: Kept) -> None:
        began = time.monotonic()
        while not self._is_ready(kept, time.monotonic() - began):
            end = kept.ended(_LOOK_S)
            if end is not None:
                how = _how(int(end["status"]))
                raise AgentError(f"{kept.argv[0]} {how} before it was ready: {kept.tail()}")
            if time.monotonic() - began > self._within:
                raise AgentError(
                    f"{kept.argv[0]} was not ready within {self._within:g} s: {kept.tail()}"
                )

    def _is_ready(self, kept: Kept, waited_s: float) -> bool:
        if "output" in self._ready:
            return re.search(self._ready["output"], kept.printed(), re.M) is not None
        if "port" in self._ready:
            return _listens(self._ready["port"])
        return bool(waited_s >= self._ready["seconds"])


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _how(status: int) -> str:
    """How a process ended, from the status of wait(2)."""
    signal_number = status & 0x7F
    return f"ended by signal {signal_number}" if signal_number else f"exited with {status >> 8}"
