"""Ready machines in the cache: booted once, saved, started again from there ever after.

`$XDG_CACHE_HOME/hotkit/machines/<name>-<key>/` holds a machine in the moment it had become ready:
`disk.qcow2` (overlay on the image, with the devices' state saved inside), `ram-N.bin` (sparse, one
per node), `identity/` (the keys that it booted with) and the console log of that boot. The key is
a hash of machine, image, accelerator and QEMU version. Nothing in there is written again.

An NVDIMM leaves `pmem-N.labels` there: its label area as the guest's own `ndctl init-labels` wrote
it, so that a machine of the lab has what a server's NVDIMMs have: labels, and all of it free.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hotkit.errors import ExitCode, HotkitError
from hotkit.host import labssh, qmp
from hotkit.host.dirs import cache_dir
from hotkit.host.labimage import LabImage
from hotkit.host.machine import Machine
from hotkit.host.qemu import (
    CONSOLE_LOG,
    DISK,
    LABEL_BYTES,
    READY,
    Launch,
    RamFiles,
    pmem_file,
    version,
)
from hotkit.host.qemu_process import console_tail, find_qemu, free_port, start_qemu, stop_qemu
from hotkit.host.run import run
from hotkit.host.ssh import Ssh, wait_for_banner

Say = Callable[[str], None]

_BOOT_S = 300  # the big machine takes 40 s on an idle laptop
_COLD_BOOTS = 2  # side by side: more of them take longer than one after the other
_KEPT = 2  # ready machines per name; one of 256 GiB takes 6 GB of disk
_FORMAT = "2"  # raise when this file changes what is saved
# A region in use keeps its labels from being written.
_INIT_LABELS = "ndctl disable-region all && ndctl init-labels all && ndctl enable-region all"


@dataclass(frozen=True, slots=True)
class ReadyMachine:
    """A finished entry of the cache."""

    path: Path

    @property
    def ram(self) -> RamFiles:
        return RamFiles(directory=self.path, private=True)

    @property
    def identity(self) -> Path:
        return self.path / "identity"


def machines_dir() -> Path:
    path = cache_dir() / "machines"
    path.mkdir(exist_ok=True, mode=0o700)
    return path


def entry_of(machine: Machine, image: LabImage, accel: str) -> ReadyMachine:
    """Where the ready state of this machine is, or will be."""
    parts = (_FORMAT, machine.id, str(image.disk), accel, version())
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return ReadyMachine(machines_dir() / f"{machine.name}-{key}")


def ensure_ready(machine: Machine, image: LabImage, accel: str, say: Say) -> ReadyMachine:
    """Return the machine's ready state; the first time it is booted cold for that."""
    entry = entry_of(machine, image, accel)
    if entry.path.is_dir():
        os.utime(entry.path)
        return entry
    lock_file = machines_dir() / f"{entry.path.name}.lock"
    with lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not entry.path.is_dir():
            with _cold_boot_slot(say):
                _boot_and_save(machine, image, accel, entry, say)
            _evict(machine.name)
    return entry


@contextmanager
def _cold_boot_slot(say: Say) -> Iterator[None]:
    """Wait for one of two places, among all of the user's hotkits."""
    said = False
    while True:
        for number in range(_COLD_BOOTS):
            with (machines_dir() / f"cold-boot-{number}.lock").open("w") as slot:
                try:
                    fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield
                return
        if not said:
            say(f"waiting: {_COLD_BOOTS} machines are booting cold already")
            said = True
        time.sleep(0.5)


def _boot_and_save(
    machine: Machine, image: LabImage, accel: str, entry: ReadyMachine, say: Say
) -> None:
    work = entry.path.with_name(f".building-{entry.path.name}")
    if work.exists():  # we hold the lock: whoever built here is dead, its QEMU perhaps not
        stop_qemu(work, machine.name)
        shutil.rmtree(work)
    work.mkdir(mode=0o700)
    began = time.monotonic()
    try:
        identity = labssh.new_identity(work / "identity", machine.name)
        new_overlay(image, work / DISK)
        new_pmem(machine, work)
        launch = Launch(
            accel=accel,
            ram=RamFiles(directory=work, private=False),
            ssh_port=free_port(),
            identity=identity,
            image=image.disk,
        )
        say("first boot, through GRUB; later starts take seconds")
        start_qemu(work, machine, launch)
        _wait_until_ready(work, machine, launch)
        say(f"ready after {time.monotonic() - began:.0f} s; saving that state")
        qmp.save(work, READY)
        stop_qemu(work, machine.name)
        for number, node in enumerate(machine.nodes):
            if node.pmem_bytes:
                pmem = work / pmem_file(number)
                (work / _labels_file(number)).write_bytes(_tail(pmem, LABEL_BYTES))
                pmem.unlink()  # but for the labels nothing was written
        work.rename(entry.path)
    except BaseException:
        stop_qemu(work, machine.name)
        shutil.rmtree(work, ignore_errors=True)
        raise


def _wait_until_ready(work: Path, machine: Machine, launch: Launch) -> None:
    if not wait_for_banner("127.0.0.1", launch.ssh_port, _BOOT_S):
        died = find_qemu(work, machine.name) is None
        raise HotkitError(
            f"{machine.name}: "
            + ("QEMU ended during the boot" if died else f"no ssh within {_BOOT_S} s")
            + f"; the console's last lines:\n{console_tail(work)}",
            hint=f"hotkit lab up {machine.name} begins anew",
            exit_code=ExitCode.UNREACHABLE,
        )
    config = work / "ssh_config"
    config.write_text(labssh.host_block(machine.name, launch.ssh_port, launch.identity, None))
    ssh = Ssh(labssh.way(machine.name, config))
    # `degraded` (exit status 1) would be fine too: what counts is that nothing is starting.
    ssh.run(["systemctl", "is-system-running", "--wait"], check=False, timeout=_BOOT_S)
    if machine.pmem_bytes:
        ssh.run(["sh", "-c", _INIT_LABELS], timeout=_BOOT_S)
    ssh.run(["sync"])
    config.unlink()


def new_overlay(image: LabImage, disk: Path) -> None:
    """An empty copy-on-write disk over the image."""
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image.disk, "-F", "raw", disk])


def new_pmem(machine: Machine, directory: Path, labels: Path | None = None) -> None:
    """The NVDIMMs of a machine: sparse files full of nothing, with the label areas of `labels`."""
    for number, node in enumerate(machine.nodes):
        if node.pmem_bytes:
            path = directory / pmem_file(number)
            path.unlink(missing_ok=True)
            with path.open("wb") as file:
                file.truncate(node.pmem_bytes + LABEL_BYTES)
                if labels is not None:
                    file.seek(node.pmem_bytes)
                    file.write((labels / _labels_file(number)).read_bytes())


def _labels_file(node: int) -> str:
    return f"pmem-{node}.labels"


def _tail(path: Path, size_bytes: int) -> bytes:
    with path.open("rb") as file:
        file.seek(-size_bytes, os.SEEK_END)
        return file.read()


def restore(entry: ReadyMachine, machine: Machine, directory: Path) -> None:
    """Lay out `directory` so that QEMU can go on from the ready state there."""
    shutil.copyfile(entry.path / DISK, directory / DISK)
    new_pmem(machine, directory, labels=entry.path)
    if not (directory / "identity").is_dir():
        shutil.copytree(entry.identity, directory / "identity")
    if not (directory / CONSOLE_LOG).exists():
        shutil.copyfile(entry.path / CONSOLE_LOG, directory / CONSOLE_LOG)


def _evict(name: str) -> None:
    """Keep the few newest ready states of a name. A running machine keeps its (deleted) files."""
    found = [
        path
        for path in machines_dir().glob(f"{name}-*")
        if path.is_dir() and len(path.name) == len(name) + 13
    ]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[_KEPT:]:
        trash = path.with_name(f".building-{path.name}")
        path.rename(trash)
        shutil.rmtree(trash)
