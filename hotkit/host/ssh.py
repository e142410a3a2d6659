"""Our own way over ssh: commands quoted in one place, ssh's failures told from the command's."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from hotkit.errors import ExitCode, HotkitError
from hotkit.host.run import clean_env, require, run, spawn
from hotkit.host.silence import unreachable
from hotkit.host.sshway import SshWay

_UNREACHABLE = 255  # ssh's own exit status; a command that ends with 255 is read as the same
_BANNER_TIMEOUT_S = 3


@dataclass(frozen=True, slots=True)
class Ssh:
    """A host that commands are run on.

    >>> Ssh(way).run(["cat", "/proc/cmdline"]).stdout
    """

    way: SshWay

    def argv(self, command: Sequence[str], *, tty: bool = False) -> list[str]:
        """The words that run `command` there, each of its words quoted for the remote shell."""
        ssh = require("ssh", "openssh-client")
        options = ["-t"] if tty else ["-o", "BatchMode=yes"]
        words = [str(ssh), *options, *self.way.words]
        return [*words, "--", shlex.join(command)] if command else words

    def run(
        self,
        command: Sequence[str],
        *,
        input: str | bytes | None = None,
        timeout: float | None = 120,
        check: bool = True,
        binary: bool = False,
    ) -> subprocess.CompletedProcess[Any]:
        """Run to the end; HotkitError with exit code 3 if the host cannot be reached.

        `check` raises for the command's own failure too; `timeout` (seconds) is an error always.
        """
        done = run(self.argv(command), input=input, timeout=timeout, check=False, binary=binary)
        if done.returncode == _UNREACHABLE:
            raise self._unreachable(done.stderr)
        if check and done.returncode != 0:
            raise HotkitError(
                f"{self.way.host}: {shlex.join(command)[:200]} exited with {done.returncode}"
                + _tail(done.stderr),
                exit_code=ExitCode.VERDICT_FAILED,
            )
        return done

    def stream(self, command: Sequence[str]) -> Iterator[str]:
        """Yield the lines of the command's stdout as they come; raise as `run` does at the end."""
        with spawn(
            self.argv(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None and child.stderr is not None
            for line in child.stdout:
                yield line.rstrip("\n")
            stderr = child.stderr.read()
            status = child.wait()
        if status == _UNREACHABLE:
            raise self._unreachable(stderr)
        if status != 0:
            raise HotkitError(
                f"{self.way.host}: {shlex.join(command)[:200]} exited with {status}"
                + _tail(stderr),
                exit_code=ExitCode.VERDICT_FAILED,
            )

    def become(self, command: Sequence[str]) -> NoReturn:
        """Turn this process into ssh: a session for a person, with their terminal."""
        words = self.argv(command, tty=not command or sys.stdin.isatty())
        sys.stdout.flush()
        os.execve(words[0], words, clean_env({"TERM": os.environ.get("TERM", "dumb")}))

    def hang_up(self) -> None:
        """End the shared connection, if there is one: after a reset it leads nowhere."""
        ssh = require("ssh", "openssh-client")
        run([ssh, "-O", "exit", *self.way.words], check=False, timeout=10)

    def _unreachable(self, stderr: str | bytes) -> HotkitError:
        said = stderr if isinstance(stderr, str) else stderr.decode(errors="replace")
        return unreachable(self.way, said)


def _tail(stderr: str | bytes, lines: int = 6) -> str:
    text = stderr if isinstance(stderr, str) else stderr.decode(errors="replace")
    last = [line for line in text.strip().splitlines() if line.strip()][-lines:]
    return ": " + "\n".join(last) if last else ""


def has_banner(host: str, port: int) -> bool:
    """Whether an ssh server greets there; a forwarded port accepts long before the guest does."""
    try:
        with socket.create_connection((host, port), _BANNER_TIMEOUT_S) as link:
            link.settimeout(_BANNER_TIMEOUT_S)
            return link.recv(4) == b"SSH-"
    except OSError:
        return False


def wait_for_banner(host: str, port: int, seconds: float, *, poll_s: float = 0.3) -> bool:
    """Poll until an ssh server greets; False when `seconds` went by without one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if has_banner(host, port):
            return True
        time.sleep(poll_s)
    return False
