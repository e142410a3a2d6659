"""Any program, run so that it never outlives the agent: through `hotset keep` (src/keep.c).

Three things end it, and all that it started: closing the line to `keep`, which also happens when
the agent is killed with SIGKILL; the death of `keep` itself (ptrace's EXITKILL); and, where there
is a memory cgroup, the guard's write to its cgroup.kill (hotkit/agent/undo.py).
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from hotkit.agent.cgroup import entering
from hotkit.agent.protocol import AgentError

# How long `keep` may take to kill everything, in s: a process that dumps core or frees 100 GiB.
_END_S = 60.0
_TAIL_BYTES = 4000


class Kept:
    """A program that runs under `keep`. AgentError when it cannot be started.

    `holdable`: `hold` may be called. What is only timed is not, since that costs time at its exit.
    """

    def __init__(
        self,
        binary: str,
        argv: list[str],
        cgroup: Path | None = None,
        environment: dict[str, str] | None = None,
        holdable: bool = True,
    ):
        self.argv = argv
        self._rest = b""
        # A file, not a pipe: nobody reads what it prints while the work runs.
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        env = dict(os.environ, **environment) if environment else None
        try:
            self._keep = subprocess.Popen(
                [binary, "keep", *([] if holdable else ["-x"]), "--", *entering(cgroup, argv)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._output,
                env=env,
            )
        except OSError as error:
            self._output.close()
            raise AgentError(f"{binary}: {error.strerror}") from error
        name, fields = self._line(_END_S)
        if name != "started":
            said = str(fields.get("message") or self.tail() or "it does not start")
            self.close()
            raise AgentError(f"{argv[0]}: {said}")
        self.pid = int(fields["pid"])
        self.started_ns = int(fields["at_ns"])

    def pids(self) -> list[int]:
        """The program and what it started, as they are now."""
        parents: dict[int, int] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError, IndexError):  # it has ended
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        family = {self._keep.pid}
        while True:
            more = {pid for pid, parent in parents.items() if parent in family} - family
            if not more:
                return sorted(family - {self._keep.pid})
            family |= more

    def pause(self) -> None:
        """Stop its process group where it is, until `go_on`; returns when it has stopped."""
        self._say(b"s")
        until = time.monotonic() + _END_S
        while time.monotonic() < until:
            state = _state(self.pid)
            if state in ("T", "t"):
                return
            if state in ("", "Z"):
                raise AgentError(
                    f"{self.argv[0]} ended before it could be stopped: {self.tail()}",
                    "give it more work",
                )
            time.sleep(0.001)
        raise AgentError(f"{self.argv[0]}: it could not be stopped")

    def go_on(self) -> int:
        """Let it continue; returns when that was, in ns of CLOCK_MONOTONIC_RAW."""
        self._say(b"c")
        name, fields = self._line(_END_S)
        if name != "continued":
            raise AgentError(f"{self.argv[0]} ended while it was stopped: {self.tail()}")
        return int(fields["at_ns"])

    def hold(self, pid: int) -> None:
        """When this process of it exits, keep it there with its memory until `close`."""
        self._say(f"h{pid}\n".encode())

    def ended(self, seconds: float) -> dict[str, Any] | None:
        """How it ended (`at_ns`, `status`), None when it runs on after `seconds`."""
        name, fields = self._line(seconds)
        return fields if name == "exit" else None

    def printed(self) -> str:
        """All that it has printed so far."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")

    def tail(self) -> str:
        """The last of what it printed, at most 4000 bytes, as a terminal would show it."""
        lines = (line.rpartition("\r")[2] for line in self.printed().strip().split("\n"))
        return "\n".join(lines).encode()[-_TAIL_BYTES:].decode(errors="replace")

    def close(self) -> None:
        """Kill it and everything that it started, and wait until they are gone."""
        for pipe in (self._keep.stdin, self._keep.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()
        try:
            self._keep.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._keep.kill()
            self._keep.wait()
        self._output.close()

    def _say(self, words: bytes) -> None:
        assert self._keep.stdin is not None
        with suppress(OSError):  # the next line that does not come tells
            self._keep.stdin.write(words)
            self._keep.stdin.flush()

    def _line(self, seconds: float) -> tuple[str, dict[str, Any]]:
        """The next line of `keep`; ("", {}) when there is none in time, ("gone", {}) at its end."""
        assert self._keep.stdout is not None
        handle = self._keep.stdout.fileno()
        until = time.monotonic() + seconds
        while b"\n" not in self._rest:
            left = max(0.0, until - time.monotonic())
            if not select.select([handle], [], [], left)[0]:
                return "", {}
            got = os.read(handle, 4096)
            if not got:
                return "gone", {}
            self._rest += got
        line, _, self._rest = self._rest.partition(b"\n")
        name, _, text = line.decode().partition(" ")
        fields: dict[str, Any] = json.loads(text)
        return name, fields


def resident_bytes(pid: int) -> int:
    """Memory of a process that is there, in bytes; 0 when it is gone (statm, proc(5))."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _state(pid: int) -> str:
    """The letter of a process's state (proc(5)), "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""
