"""A started QEMU: whether it is there, whether it is ours, how it starts and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from hotkit.errors import ExitCode, HotkitError
from hotkit.host import qmp
from hotkit.host.machine import Machine
from hotkit.host.processes import start_ticks
from hotkit.host.qemu import CONSOLE_LOG, PID_FILE, Launch, argv, escape, process_name
from hotkit.host.run import require, run

_QUIT_S = 15
_START_S = 60


@dataclass(frozen=True, slots=True)
class Process:
    """A process under its number and the time it started, so that a reused number is not it."""

    pid: int
    start_ticks: int

    @property
    def alive(self) -> bool:
        return start_ticks(self.pid) == self.start_ticks


def find_qemu(directory: Path, machine: str) -> Process | None:
    """The running QEMU that was started for `machine` in `directory`, or None.

    The pid file alone proves nothing: after a crash or a reboot its number may be anybody's. The
    command line has to carry the machine's name and a file of this very directory.
    """
    try:
        pid = int((directory / PID_FILE).read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (OSError, ValueError):
        return None
    ticks = start_ticks(pid)
    here = f"{escape(directory)}/"
    ours = process_name(machine) in words and any(here in word for word in words)
    return Process(pid, ticks) if ours and ticks is not None else None


def start_qemu(directory: Path, machine: Machine, launch: Launch) -> Process:
    """Start QEMU in `directory`; returns when its sockets listen."""
    require("qemu-system-x86_64", "qemu-system-x86")
    (directory / CONSOLE_LOG).touch(mode=0o600)
    run(argv(machine, launch), cwd=directory, timeout=_START_S)
    found = find_qemu(directory, machine.name)
    if found is None:
        raise HotkitError(
            f"{machine.name}: QEMU started and ended at once",
            hint=f"look at {directory / CONSOLE_LOG}",
            exit_code=ExitCode.VERDICT_FAILED,
        )
    return found


def stop_qemu(directory: Path, machine: str) -> bool:
    """End the machine's QEMU, politely, then not; False if there was none."""
    found = find_qemu(directory, machine)
    if found is None:
        return False
    try:
        qmp.quit(directory)
    except HotkitError:
        _signal(found, signal.SIGTERM)
    if not _gone(found, _QUIT_S):
        _signal(found, signal.SIGKILL)
        _gone(found, _QUIT_S)
    return True


def kill_qemu(directory: Path, machine: str) -> None:
    """End the machine's QEMU as a power cut does; nothing to do when there is none."""
    found = find_qemu(directory, machine)
    if found is not None:
        _signal(found, signal.SIGKILL)
        _gone(found, _QUIT_S)


def _signal(process: Process, number: int) -> None:
    if process.alive:
        os.kill(process.pid, number)


def _gone(process: Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while process.alive:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def resident_bytes(process: Process) -> int:
    """What the process holds in RAM for itself, files it merely maps left out (0 if gone)."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:"))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now; somebody may take it before QEMU does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def console_tail(directory: Path, lines: int = 12) -> str:
    """The last lines that the machine wrote to its serial console."""
    try:
        text = (directory / CONSOLE_LOG).read_bytes()[-20000:].decode(errors="replace")
    except OSError:
        return ""
    kept = [line for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return "\n".join(kept[-lines:])
