"""The control socket of a QEMU that runs a guest: one question at a time, JSON lines.

QEMU machine protocol, docs/interop/qmp-spec (QEMU 7.2). Standard library only, since this runs on
the measured host.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from hotkit.agent.protocol import AgentError

# One of an emulated machine that is busy took more than 20 s.
_ANSWER_S = 45.0


class QmpSilent(AgentError):
    """Nobody answers: QEMU hangs, is stopped, has lost its socket, or its host is too busy."""


class QmpClosed(QmpSilent):
    """QEMU has closed its end: it is ending, or has ended."""


class Qmp:
    """A connection; QmpSilent when nobody answers within 45 s, AgentError when QEMU refuses."""

    def __init__(self, path: Path):
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(_ANSWER_S)
        self._rest = b""
        folder = -1
        try:
            # A socket's path has 107 characters at most: go through its directory.
            folder = os.open(str(path.parent), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self._socket.connect(f"/proc/self/fd/{folder}/{path.name}")
            self._line()  # its greeting
            self.ask("qmp_capabilities")
        except OSError as error:
            self.close()
            raise _silent(path, error) from error
        except AgentError:
            self.close()
            raise
        finally:
            if folder >= 0:
                os.close(folder)

    def __enter__(self) -> Qmp:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def ask(self, command: str, **arguments: Any) -> Any:
        """What the command returns. Events that come in between are left aside."""
        words = json.dumps({"execute": command, "arguments": arguments}) + "\n"
        try:
            self._socket.sendall(words.encode())
            while True:
                said = self._line()
                if "return" in said:
                    return said["return"]
                if "error" in said:
                    reason = said["error"].get("desc", said["error"])
                    raise AgentError(f"{self._path}: QEMU refused {command}: {reason}")
        except OSError as error:
            raise _silent(self._path, error) from error

    def human(self, line: str) -> str:
        """A command of QEMU's human monitor; its text."""
        return str(self.ask("human-monitor-command", **{"command-line": line})).strip()

    def _line(self) -> dict[str, Any]:
        while b"\n" not in self._rest:
            got = self._socket.recv(1 << 16)
            if not got:
                raise ConnectionResetError("it was closed")
            self._rest += got
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise OSError(f"it says something else than QMP: {error}") from error
        return found


def _silent(path: Path, error: OSError) -> QmpSilent:
    kind = QmpClosed if isinstance(error, ConnectionError) else QmpSilent
    return kind(f"{path}: QEMU's control socket does not answer: {error}")
