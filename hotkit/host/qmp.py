"""Talking to a running QEMU: connect, one or more commands, hang up."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qemu.qmp import QMPClient, QMPError

from hotkit.errors import ExitCode, HotkitError
from hotkit.host.qemu import QMP_SOCKET

Command = tuple[str, dict[str, Any]]
_HINT = "hotkit lab status says whether it runs; hotkit lab reset starts it anew"


def qmp(
    directory: Path, commands: Sequence[Command], *, timeout_s: float = 120
) -> list[dict[str, Any]]:
    """Run `commands` on the QEMU whose socket is in `directory`; return the answers.

    Raises HotkitError when nobody listens, or QEMU refuses a command.
    """
    # A socket's path may have 107 characters, a state directory more: go through the directory's
    # file descriptor.
    handle = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        return asyncio.run(
            asyncio.wait_for(_talk(f"/proc/self/fd/{handle}/{QMP_SOCKET}", commands), timeout_s)
        )
    except (QMPError, OSError) as error:
        raise HotkitError(
            f"{directory.name}: QEMU's control socket: {error}",
            hint=_HINT,
            exit_code=ExitCode.VERDICT_FAILED,
        ) from error
    except TimeoutError as error:
        raise HotkitError(
            f"{directory.name}: QEMU did not answer within {timeout_s:g} s",
            hint=_HINT,
            exit_code=ExitCode.VERDICT_FAILED,
        ) from error
    finally:
        os.close(handle)


async def _talk(path: str, commands: Sequence[Command]) -> list[dict[str, Any]]:
    client = QMPClient("hotkit")
    # It logs what we report ourselves.
    client.logger.disabled = True
    await client.connect(path)
    answers: list[dict[str, Any]] = []
    try:
        for name, arguments in commands:
            answer: Any = await client.execute(name, arguments)
            answers.append(answer if isinstance(answer, dict) else {"return": answer})
    finally:
        with contextlib.suppress(QMPError, OSError, EOFError):  # `quit` hangs up first
            await client.disconnect()
    return answers


def human(directory: Path, line: str, *, timeout_s: float = 300) -> str:
    """A command of QEMU's human monitor; raises HotkitError if it answers with an error."""
    answer = qmp(
        directory, [("human-monitor-command", {"command-line": line})], timeout_s=timeout_s
    )
    text = str(answer[0].get("return", "")).strip()
    if text.lower().startswith("error"):
        raise HotkitError(f"{directory.name}: {line}: {text}", exit_code=ExitCode.VERDICT_FAILED)
    return text


# RAM is in files (host/qemu.py): a saved state holds the devices only. QEMU 7.2 knows the
# capability by QMP alone, not as -global, so -loadvm is of no use.
_LEAVE_RAM_OUT: Command = (
    "migrate-set-capabilities",
    {"capabilities": [{"capability": "x-ignore-shared", "state": True}]},
)


def save(directory: Path, name: str) -> None:
    """Stop the CPUs and save the devices' state into the disk under `name`."""
    qmp(directory, [("stop", {}), _LEAVE_RAM_OUT])
    human(directory, f"savevm {name}")


def load(directory: Path, name: str) -> None:
    """Go on from a state that `save` left; for a QEMU that was started paused."""
    qmp(directory, [_LEAVE_RAM_OUT])
    human(directory, f"loadvm {name}")
    qmp(directory, [("cont", {})])


def system_reset(directory: Path) -> None:
    """The reset button."""
    qmp(directory, [("system_reset", {})])


def quit(directory: Path) -> None:
    """End QEMU at once, as pulling the plug does."""
    qmp(directory, [("quit", {})], timeout_s=15)
