"""The power button of a lab machine: pull the plug, plug it in again, press reset.

Pulling the plug is SIGKILL for the QEMU that the lab started: what the guest had not yet written
to its disk is gone, as it is on metal. Plugged in again, the machine boots cold from that disk,
through firmware and GRUB, on the same port with the same keys.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hotkit.errors import ExitCode, HotkitError
from hotkit.host import qmp
from hotkit.host.labssh import lab_dir
from hotkit.host.machine import Machine, check_name
from hotkit.host.qemu import CONSOLE_LOG, Launch
from hotkit.host.qemu_process import find_qemu, kill_qemu, start_qemu
from hotkit.host.ready import ReadyMachine, machines_dir

RECORD = "machine.json"


def is_on(name: str) -> bool:
    """Whether the machine's QEMU runs."""
    return find_qemu(_directory(name), name) is not None


def power_off(name: str) -> None:
    """Cut the power; nothing to do when it is off."""
    with _held(name) as directory:
        kill_qemu(directory, name)


def power_on(name: str) -> None:
    """Boot cold from the disk as it is; nothing to do when it is on. Does not wait for ssh."""
    with _held(name) as directory:
        if find_qemu(directory, name) is None:
            _boot(directory, name)


def reset(name: str) -> None:
    """The reset button; a machine that is off is switched on."""
    with _held(name) as directory:
        if find_qemu(directory, name) is None:
            _boot(directory, name)
        else:
            qmp.system_reset(directory)


def console_log(name: str) -> Path | None:
    """The log of the machine's serial console, None when the lab does not have the machine."""
    path = _directory(name) / CONSOLE_LOG
    return path if path.is_file() else None


def _boot(directory: Path, name: str) -> None:
    record = _record(directory, name)
    entry = ReadyMachine(machines_dir() / record["key"])
    if not entry.path.is_dir():
        raise HotkitError(
            f"{name}: its RAM files are no longer in the cache",
            hint=f"hotkit lab down {name}, then up again",
        )
    machine = Machine.from_dict(name, record["machine"])
    launch = Launch(
        accel=record["accelerator"],
        ram=entry.ram,
        ssh_port=record["ssh_port"],
        identity=directory / "identity",
        image=Path(record["image"]) / "base.raw",
    )
    process = start_qemu(directory, machine, launch)
    new = directory / f".{RECORD}"
    new.write_text(json.dumps(record | {"pid": process.pid}, indent=1) + "\n")
    new.replace(directory / RECORD)


@contextmanager
def _held(name: str) -> Iterator[Path]:
    """The machine's directory under the lock that `hotkit lab` takes too."""
    directory = _directory(name)
    _record(directory, name)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield directory
    finally:
        os.close(handle)


def _record(directory: Path, name: str) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((directory / RECORD).read_text())
    except (OSError, ValueError) as error:
        raise HotkitError(
            f"{name} is not up", hint=f"hotkit lab up {name}", exit_code=ExitCode.UNREACHABLE
        ) from error
    return record


def _directory(name: str) -> Path:
    return lab_dir() / check_name(name)
