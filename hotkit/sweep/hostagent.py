"""The agent of one part on its host: brought there, started, followed, told to stop.

The controller's half of hotkit/agent/spool.py. An agent that was started goes on by itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from hotkit.agentplace import Place, install
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.agentlink import ConnectionLost, ask_agent, follow_agent
from hotkit.host.run import run
from hotkit.host.ssh import Ssh
from hotkit.host.zipapp import built_before

SPOOL = "/var/lib/hotkit/agent/sweeps"
# A host that is gone may be rebooting: how long the way to it is tried again.
PATIENCE_S = 900.0
_RETRY_S = 3.0
_SSH_FAILED = 255
# What must be as it was when the sweep began: other runs would be of another machine.
_SAME = ("kernel_release", "cmdline", "cpus")


class HostAgent:
    """Of the part in `folder`, whose manifest says which files it was begun with."""

    def __init__(self, place: Place, manifest: Mapping[str, Any], folder: Path) -> None:
        self.place = place
        self.sweep = str(manifest["sweep"])
        self._machine: Mapping[str, Any] = manifest["machine"]
        self._folder = folder
        self._files = built_before(manifest["files"], manifest["sha256"])
        self._paths = place.paths(self._files)

    def install(self) -> None:
        """Bring agent and workload there, unless they are."""
        install(self.place, self._files, self._folder)

    def same_machine(self) -> dict[str, Any]:
        """The machine as it is now; an error when it runs something else than at the beginning."""
        done = self._run(["hello"], timeout=120)
        machine: dict[str, Any] = ask_agent(done, host=self.place.name)[0]["machine"]
        for key in _SAME:
            before = self._machine.get(key)
            if before != machine.get(key):
                raise HotkitError(
                    f"{self.place.name}: {key} is {machine.get(key)!r}, and was {before!r} when the"
                    " sweep began",
                    hint="boot the same kernel and layout again, or begin a new sweep",
                    exit_code=ExitCode.VERDICT_FAILED,
                )
        return machine

    def start(self, plan: Mapping[str, Any]) -> None:
        """Begin a session with this schedule. ConnectionLost when nobody knows whether it began."""
        _, workload, scan = self._paths
        words = ["start", "--binary", workload, "--scan", scan]
        done = self._run(words, timeout=120, input=json.dumps(plan) + "\n")
        try:
            event = json.loads(done.stdout.splitlines()[-1])
        except (ValueError, IndexError):
            event = {}
        if event.get("started"):
            return
        said = event.get("message") or (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        if done.returncode == _SSH_FAILED:
            raise ConnectionLost(
                f"{self.place.name}: the connection was lost: {said}",
                exit_code=ExitCode.UNREACHABLE,
            )
        raise HotkitError(
            f"{self.place.name}: the agent did not start: {said}",
            hint=event.get("fix"),
            exit_code=ExitCode.VERDICT_FAILED,
        )

    def follow(
        self, session: int, first: int, silence_s: float
    ) -> AbstractContextManager[Iterator[dict[str, Any]]]:
        """The events of a session from number `first` on; see `follow_agent`."""
        words = ["follow", *self._about(session), "--from", str(first)]
        return follow_agent(
            self._words(words), first=first, host=self.place.name,
            remote=self.place.host is not None, silence_s=silence_s,
        )  # fmt: skip

    def stop(self, session: int, when: str) -> None:
        """Ask it to stop: after the "run", after the "block", "now". HotkitError: not told."""
        done = self._run(["stop", *self._about(session), "--when", when], timeout=60)
        if done.returncode != 0:
            raise HotkitError(
                f"{self.place.name}: the agent cannot be told: {done.stderr.strip()[-200:]}",
                exit_code=ExitCode.UNREACHABLE,
            )

    def forget(self, session: int) -> None:
        """Let the host throw away what was fetched."""
        self._run(["forget", *self._about(session)], timeout=60)

    def wait_for_host(
        self, lost: HotkitError, say: Callable[[str], None], stopped: Callable[[float], bool]
    ) -> None:
        """Until it answers again, whatever it is now; raises `lost` in the end.

        `stopped(seconds)` waits that long and says whether to give up.
        """
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            say(f"waiting for the host ({lost.message.split(': ', 1)[-1][:60]})")
            if self.place.host is None:
                return
            ssh = Ssh(self.place.host.way)
            try:
                ssh.hang_up()  # a shared connection to a machine that was reset leads nowhere
                ssh.run(["true"], timeout=30)
                return
            except HotkitError:
                if stopped(_RETRY_S):
                    break
        raise HotkitError(
            lost.message,
            hint=f"the agent goes on by itself; later: hotkit sweep resume {self._folder}",
            exit_code=ExitCode.UNREACHABLE,
        )

    def _about(self, session: int) -> list[str]:
        return ["--sweep", self.sweep, "--session", str(session)]

    def _words(self, words: list[str]) -> list[str]:
        return self.place.words([self.place.python, self._paths[0], *words])

    def _run(self, words: list[str], *, timeout: float, input: str = "") -> Any:
        # Ctrl-C at the terminal is for us: it must not break off what is being told.
        return run(self._words(words), check=False, timeout=timeout, input=input, own_session=True)
