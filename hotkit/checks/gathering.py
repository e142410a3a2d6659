"""One round trip per host: run the agent's gather script through testinfra, return its facts.

The script travels inside the command line (compressed, base64), because testinfra has no way to
feed a command's standard input. Nothing is installed and nothing is written on the host.
"""

from __future__ import annotations

import base64
import json
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from hotkit.topology import gather_script

# Linux takes 128 KiB for one argument (MAX_ARG_STRLEN, include/uapi/linux/binfmts.h), and the
# whole ssh command line is one argument of the local shell.
_LONGEST_COMMAND = 120_000


class Unreachable(Exception):
    """The host did not answer; the message is ssh's own last line."""


class GatherFailed(Exception):
    """The host answered, but the gather script did not bring facts."""


def gather_command() -> str:
    """The shell command that runs the gather script and prints its JSON."""
    packed = base64.b64encode(zlib.compress(gather_script().encode(), 9)).decode()
    # Root sees real addresses and the binary SRAT; a user who may become root silently does so.
    command = (
        'S=; [ "$(id -u)" = 0 ] || { sudo -n true 2>/dev/null && S="sudo -n"; }; '
        "PATH=$PATH:/usr/sbin:/sbin; export PATH; "
        f"$S env LC_ALL=C python3 -c "
        f"\"import base64,zlib;exec(zlib.decompress(base64.b64decode('{packed}')))\""
    )
    if len(command) > _LONGEST_COMMAND:
        raise GatherFailed(f"the gather script is {len(command)} characters long as a command")
    return command


def gather(host: Any) -> dict[str, Any]:
    """The facts of a testinfra host (docs/architecture.md, "Facts").

    Raises Unreachable when ssh itself failed (exit status 255) and GatherFailed when the script
    did.
    """
    try:
        done = host.run(gather_command())
    except RuntimeError as error:
        # testinfra raises the whole CommandResult when ssh exits with 255 (backend/ssh.py).
        result = error.args[0] if error.args else None
        stderr = getattr(result, "stderr", str(error))
        lines = [line for line in stderr.splitlines() if line.strip()]
        raise Unreachable(lines[-1] if lines else "ssh exited with 255") from None
    if done.rc == 127:
        raise GatherFailed("there is no python3 on the host: install the package python3")
    if done.rc != 0:
        lines = done.stderr.strip().splitlines()
        raise GatherFailed(lines[-1] if lines else f"the gather script exited with {done.rc}")
    try:
        facts: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise GatherFailed(f"the gather script printed no JSON: {error}") from None
    return facts


class Gatherer:
    """Gathers each host once, all of them at the same time; `facts` waits for one."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="gather")
        self._running: dict[str, Future[dict[str, Any]]] = {}

    def start(self, host: Any) -> None:
        """Begin to gather `host` in the background; a second call for the same host is free."""
        key = host.backend.get_pytest_id()
        if key not in self._running:
            self._running[key] = self._pool.submit(gather, host)

    def facts(self, host: Any) -> dict[str, Any]:
        """The facts of `host`. Raises what `gather` raises, each time it is asked."""
        self.start(host)
        return self._running[host.backend.get_pytest_id()].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
