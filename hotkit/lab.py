"""The story of `hotkit lab`: machines that are started, looked at, put back and taken down.

A machine's files are in `$XDG_STATE_HOME/hotkit/lab/<machine>/`. `machine.json` there says what was
started; whether it still runs is asked of the process, never of a file.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hotkit.errors import ExitCode, HotkitError
from hotkit.host import labssh, qmp
from hotkit.host.accel import accelerator
from hotkit.host.inventory import load_inventory
from hotkit.host.labimage import LabImage, ensure_image
from hotkit.host.labpower import RECORD as _RECORD
from hotkit.host.machine import Machine, check_name
from hotkit.host.qemu import CONSOLE_LOG, CONSOLE_SOCKET, PID_FILE, QMP_SOCKET, READY, Launch
from hotkit.host.qemu_process import (
    console_tail,
    find_qemu,
    free_port,
    resident_bytes,
    start_qemu,
    stop_qemu,
)
from hotkit.host.ready import ReadyMachine, ensure_ready, entry_of, restore
from hotkit.host.ssh import Ssh, has_banner, wait_for_banner

Say = Callable[[str, str], None]  # (machine, what happens now)

RECORD_SCHEMA_VERSION = 1
_WARM_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineStatus:
    """What is true of one machine now.

    `state`: running; died (its QEMU is gone, its files are there); down.
    """

    name: str
    state: str
    machine: Machine
    accel: str | None = None
    pid: int | None = None
    ssh_port: int | None = None
    ssh_answers: bool = False
    since: str | None = None
    memory_bytes: int = 0
    image: str | None = None
    directory: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state,
            "platform": "virtual" if self.accel == "kvm" else "emulated",
            "accelerator": self.accel,
            "pid": self.pid,
            "ssh_port": self.ssh_port,
            "ssh_answers": self.ssh_answers,
            "since": self.since,
            "memory_bytes": self.memory_bytes,
            "image": self.image,
            "machine": self.machine.to_dict(),
            "console_log": str(self.directory / CONSOLE_LOG) if self.directory else None,
        }


def known_machines(inventory: str | Path = "lab") -> dict[str, Machine]:
    """The machines that the inventory describes (hosts with `hotkit_machine`)."""
    found = {
        host.name: Machine.from_dict(host.name, host.machine)
        for host in load_inventory(inventory).hosts
        if host.machine is not None
    }
    if not found:
        raise HotkitError(
            f"inventory {inventory}: no host has hotkit_machine",
            hint="hotkit lab status -i lab shows those that are shipped; docs/lab.md describes one",
        )
    return found


def known_machine(name: str, inventory: str | Path = "lab") -> Machine:
    machines = known_machines(inventory)
    if name not in machines:
        raise HotkitError(
            f"the lab has no machine {name!r}", hint=f"machines: {', '.join(machines)}"
        )
    return machines[name]


def up_many(names: list[str], say: Say, inventory: str | Path = "lab") -> list[MachineStatus]:
    """Start several machines at once; the first failure is raised when all have come to an end."""
    machines = [known_machine(name, inventory) for name in dict.fromkeys(names)]
    with ThreadPoolExecutor(max_workers=max(len(machines), 1)) as pool:
        jobs = [pool.submit(up, machine, say) for machine in machines]
    return [job.result() for job in jobs]


def up(machine: Machine, say: Say) -> MachineStatus:
    """Start a machine, or leave it be when it runs; returns when ssh answers.

    The first time ever the image is built and the machine booted cold.
    """
    name = machine.name
    image = ensure_image(lambda text: say(name, text))
    accel = accelerator(image.kernel)
    with _claimed(name) as directory:
        record = _record(directory)
        if record and find_qemu(directory, name):
            if record["key"] != entry_of(machine, image, accel).path.name:
                raise HotkitError(
                    f"{name} runs, but was started from another definition, image or QEMU",
                    hint=f"hotkit lab down {name}, then up again",
                )
            say(name, "runs already")
            _write_ssh_config()
            return status_of(machine)
        if record:
            say(name, "its QEMU had died; starting anew")
            _clear(directory)
        entry = ensure_ready(machine, image, accel, lambda text: say(name, text))
        try:
            _start(directory, machine, image, entry, accel, free_port(), say)
        except BaseException:
            # Without a record nobody would know of it: leave no QEMU behind.
            if _record(directory) is None:
                stop_qemu(directory, name)
                shutil.rmtree(directory)
            raise
    return status_of(machine)


def reset(name: str, say: Say) -> MachineStatus:
    """Put a machine back to the moment it became ready: disk, memory, PMEM, all."""
    with _claimed(name, must_exist=True) as directory:
        record = _record(directory)
        if record is None:
            raise _not_up(name)
        machine = Machine.from_dict(name, record["machine"])
        image = LabImage(Path(record["image"]))
        entry = entry_of(machine, image, record["accelerator"])
        if not entry.path.is_dir():
            raise HotkitError(
                f"{name}: its ready state is no longer in the cache",
                hint=f"hotkit lab down {name}, then up again",
            )
        Ssh(labssh.way(name)).hang_up()
        stop_qemu(directory, name)
        with (directory / CONSOLE_LOG).open("a") as log:
            log.write(f"\n--- hotkit lab reset, {_now()} ---\n")
        _start(directory, machine, image, entry, record["accelerator"], record["ssh_port"], say)
    return status_of(machine)


def down(name: str, say: Say) -> None:
    """End a machine and remove its files; its console log is kept in lab/logs/."""
    if not _directory(name).is_dir():
        say(name, "is not up")
        return
    with _claimed(name) as directory:
        if labssh.ssh_config().exists() and _record(directory):
            Ssh(labssh.way(name)).hang_up()
        was_running = stop_qemu(directory, name)
        logs = labssh.lab_dir() / "logs"
        logs.mkdir(exist_ok=True, mode=0o700)
        if (directory / CONSOLE_LOG).exists():
            (directory / CONSOLE_LOG).replace(logs / f"{name}.log")
        shutil.rmtree(directory)
        _write_ssh_config()
        say(name, "is down" if was_running else "had died; its files are removed")


def status(names: list[str] | None = None, inventory: str | Path = "lab") -> list[MachineStatus]:
    """Every machine of the inventory and every one that runs, or those named."""
    known = known_machines(inventory)
    for directory in _directories():
        record = _record(directory)
        if record:
            running = Machine.from_dict(directory.name, record["machine"])
            # What runs counts; the inventory may have changed since.
            known[directory.name] = running
    for name in names or []:
        if name not in known:
            raise HotkitError(
                f"the lab has no machine {name!r}", hint=f"machines: {', '.join(known)}"
            )
    return [status_of(known[name]) for name in names or known]


def status_of(machine: Machine) -> MachineStatus:
    """What is true of `machine` now."""
    directory = labssh.lab_dir() / machine.name
    record = _record(directory)
    if record is None:
        return MachineStatus(name=machine.name, state="down", machine=machine)
    process = find_qemu(directory, machine.name)
    return MachineStatus(
        name=machine.name,
        state="running" if process else "died",
        machine=machine,
        accel=record["accelerator"],
        pid=process.pid if process else None,
        ssh_port=record["ssh_port"],
        ssh_answers=bool(process) and has_banner("127.0.0.1", record["ssh_port"]),
        since=record["since"],
        memory_bytes=resident_bytes(process) if process else 0,
        image=Path(record["image"]).name,
        directory=directory,
    )


def running() -> list[str]:
    """Names of the machines whose QEMU runs."""
    return [item.name for item in _directories() if _record(item) and find_qemu(item, item.name)]


def up_or_died() -> list[str]:
    """Names of the machines that `down` would have something to do for."""
    return [item.name for item in _directories()]


def machine_dir(name: str) -> Path:
    """The files of a machine that is up (or died)."""
    directory = _directory(name)
    if _record(directory) is None:
        raise _not_up(name)
    return directory


def console_socket(name: str) -> Path:
    """The socket of a running machine's serial console (reach it through its directory)."""
    directory = machine_dir(name)
    if find_qemu(directory, name) is None:
        raise _not_up(name)
    return directory / CONSOLE_SOCKET


def console_log(name: str) -> Path:
    """The console log of a machine, or the one kept from its last time."""
    for path in (
        _directory(name) / CONSOLE_LOG,
        labssh.lab_dir() / "logs" / f"{name}.log",
    ):
        if path.exists():
            return path
    raise HotkitError(f"{name} has no console log", hint=f"hotkit lab up {name}")


def _start(
    directory: Path,
    machine: Machine,
    image: LabImage,
    entry: ReadyMachine,
    accel: str,
    port: int,
    say: Say,
) -> None:
    restore(entry, machine, directory)
    for attempt in range(5):
        launch = Launch(
            accel=accel,
            ram=entry.ram,
            ssh_port=port,
            identity=directory / "identity",
            image=image.disk,
            paused=True,
        )
        try:
            process = start_qemu(directory, machine, launch)
            break
        except HotkitError as error:
            if "hostfwd" not in error.message and "forwarding rule" not in error.message:
                raise
            if attempt == 4:
                raise
            port = free_port()  # somebody was faster
    qmp.load(directory, READY)
    record = {
        "schema_version": RECORD_SCHEMA_VERSION,
        "name": machine.name,
        "machine": machine.to_dict(),
        "image": str(image.path),
        "key": entry.path.name,
        "accelerator": accel,
        "ssh_port": port,
        "pid": process.pid,
        "since": _now(),
    }
    new = directory / f".{_RECORD}"
    new.write_text(json.dumps(record, indent=1) + "\n")
    new.replace(directory / _RECORD)
    _write_ssh_config()
    if not wait_for_banner("127.0.0.1", port, _WARM_S, poll_s=0.1):
        raise HotkitError(
            f"{machine.name}: no ssh within {_WARM_S} s; the console's last lines:\n"
            + console_tail(directory),
            hint=f"hotkit lab reset {machine.name} starts it anew",
            exit_code=ExitCode.UNREACHABLE,
        )
    # The guest's clock stands where it was saved.
    Ssh(labssh.way(machine.name)).run(["date", "-s", f"@{time.time():.3f}"], timeout=60)
    say(machine.name, f"is ready: ssh on 127.0.0.1:{port}")


@contextmanager
def _claimed(name: str, *, must_exist: bool = False) -> Iterator[Path]:
    """The machine's directory, locked against other hotkits; made if need be.

    The lock is on the directory itself, so that nothing is left when it is removed.
    """
    directory = _directory(name)
    if must_exist and not directory.is_dir():
        raise _not_up(name)
    while True:
        directory.mkdir(exist_ok=True, mode=0o700)
        try:
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # `down` was faster
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            same = directory.stat().st_ino == os.fstat(handle).st_ino
        except FileNotFoundError:
            same = False
        if same:
            break
        os.close(handle)  # it was removed while we waited
    try:
        yield directory
    finally:
        # Nothing was started here: leave no empty directory.
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
        os.close(handle)


def _clear(directory: Path) -> None:
    """Remove what a dead QEMU left, all but the console log."""
    for path in (*directory.glob("pmem-*.bin"), *(directory / name for name in _LEFT)):
        path.unlink(missing_ok=True)
    shutil.rmtree(directory / "identity", ignore_errors=True)


_LEFT = (_RECORD, PID_FILE, QMP_SOCKET, CONSOLE_SOCKET)


def _record(directory: Path) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads((directory / _RECORD).read_text())
    except (OSError, ValueError):
        return None
    return record if record.get("schema_version") == RECORD_SCHEMA_VERSION else None


def _directory(name: str) -> Path:
    return labssh.lab_dir() / check_name(name)


def _directories() -> list[Path]:
    return sorted(path.parent for path in labssh.lab_dir().glob(f"*/{_RECORD}"))


def _write_ssh_config() -> None:
    """From the records of all machines: also of one that another hotkit has just started.

    Reading and writing are one step under a lock, or the slower of two starters would write
    what was true before the faster one.
    """
    handle = os.open(labssh.lab_dir(), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        records = ((path, _record(path)) for path in _directories())
        labssh.write_ssh_config(
            (path.name, record["ssh_port"], path / "identity") for path, record in records if record
        )
    finally:
        os.close(handle)


def _not_up(name: str) -> HotkitError:
    return HotkitError(
        f"{name} is not up", hint=f"hotkit lab up {name}", exit_code=ExitCode.UNREACHABLE
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
