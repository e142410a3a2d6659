"""The line from a host's agent to the agent in its guest: ssh, JSON lines, one question at a time.

The guest's half is serve.py. Its standard input is the line of life: when we are gone, it puts back
what it touched and ends.
"""

from __future__ import annotations

import json
import select
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from hotkit.agent.guest.life import Guest
from hotkit.agent.protocol import AgentError

DIRECTORY = "/var/lib/hotkit/agent"
_COPY_S = 300.0
_END_S = 30.0
_LOOKS = 3


class GuestGone(AgentError):
    """The guest, or the way to it, failed: the run is lost, the sweep is not."""


class Link:
    """A session of the agent in the guest. `files`: agent, workload, scanner on this host."""

    def __init__(self, guest: Guest, files: list[Path]):
        self._guest = guest
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._rest = b""
        self._gone: str | None = None
        agent, workload, scan = (bring(guest, path) for path in files)
        words = ["python3", agent, "serve", "--binary", workload, "--scan", scan]
        try:
            self._child = subprocess.Popen(
                guest.ssh_words(words),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr,
            )  # fmt: skip
        except OSError as error:
            raise AgentError(f"ssh: {error.strerror}", "install openssh-client") from error

    def ask(self, do: str, wait_s: float = 120.0, **fields: Any) -> Any:
        """What the guest's agent answers. AgentError when it refuses, GuestGone when it is gone."""
        return self.timed(do, wait_s, **fields)["answer"]

    def timed(self, do: str, wait_s: float = 120.0, **fields: Any) -> dict[str, Any]:
        """The whole answer: `answer`, and `began_ns` and `ended_ns` by the guest's clock
        (CLOCK_MONOTONIC_RAW)."""
        assert self._child.stdin is not None
        if self._gone:
            raise GuestGone(self._gone)  # at once: each question would wait again
        line = json.dumps(dict(fields, do=do), separators=(",", ":")) + "\n"
        with suppress(OSError):  # the answer that does not come tells why
            self._child.stdin.write(line.encode())
            self._child.stdin.flush()
        try:
            said = self._line(do, wait_s)
        except GuestGone as error:
            self._gone = error.message
            raise
        if "error" in said:
            raise AgentError(
                f"in guest {self._guest.name}: {said['error']['message']}", said["error"]["fix"]
            )
        return said

    def clocks(self) -> tuple[int, int, int]:
        """CLOCK_MONOTONIC_RAW of the host and of the guest at one moment, and how far the guest's
        may be off, in ns: half of the shortest way there and back."""
        found = []
        for _ in range(_LOOKS):
            sent = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
            said = self.timed("clock")
            way = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) - sent
            found.append((way // 2, sent + way // 2, said["began_ns"]))
        error, host, guest = min(found)
        return host, guest, error

    def close(self) -> None:
        """End the session; the guest's agent puts back what it touched first."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()
        try:
            self._child.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._stderr.close()

    def _line(self, do: str, wait_s: float) -> dict[str, Any]:
        assert self._child.stdout is not None
        handle = self._child.stdout.fileno()
        until = time.monotonic() + wait_s
        while b"\n" not in self._rest:
            left = max(0.0, until - time.monotonic())
            if not select.select([handle], [], [], left)[0]:
                raise GuestGone(
                    f"guest {self._guest.name} hangs: no answer to {do!r} within {wait_s:.0f} s"
                )
            got = self._child.stdout.read1(1 << 16)  # type: ignore[attr-defined]
            if not got:
                raise GuestGone(self._why_gone())
            self._rest += got
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError:
            raise GuestGone(
                f"guest {self._guest.name}: its agent says something else than an answer:"
                f" {line[:80]!r}"
            ) from None
        return found

    def _why_gone(self) -> str:
        """What ended the connection, as far as it can be told."""
        name = self._guest.name
        if self._guest.pid() is None:
            return f"guest {name} {self._guest.how_it_ended()}"
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(5)
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").strip().splitlines()
        why = f": {said[-1]}" if said else ""
        return f"guest {name}: the connection to its agent was lost{why}"


def bring(guest: Guest, path: Path) -> str:
    """One file into the guest, unless it is there; returns its path there.

    It is named by what is in it, so that its name is enough. GuestGone when it does not get there.
    """
    there = f"{DIRECTORY}/{path.name}"
    script = (
        f"test -s {there} && exit 0; umask 077; mkdir -p {DIRECTORY} && cat > {there}.part"
        f" && chmod 755 {there}.part && mv {there}.part {there}"
    )
    with path.open("rb") as stream:
        try:
            done = subprocess.run(
                guest.ssh_words([script]), stdin=stream, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, timeout=_COPY_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise GuestGone(f"guest {guest.name}: {path.name} did not get there") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise GuestGone(f"guest {guest.name}: {path.name} did not get there: {said}")
    return there
