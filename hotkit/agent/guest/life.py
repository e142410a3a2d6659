"""A guest's life on its host: up, down, how it is. The host's half of `hotkit guest`.

A guest that we start is QEMU in a transient systemd unit, `hotkit-guest-NAME`, so that it has a
memory cgroup of its own and outlives whoever started it. All else is below
/var/lib/hotkit/guests/NAME/. A guest that somebody else started (libvirt, cloud-hypervisor, any
process with KVM) is only looked at.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from hotkit.agent.gather import line, text
from hotkit.agent.guest.bootfiles import find_kernel
from hotkit.agent.guest.identity import SSH_CONFIG, make_identity, write_ssh_config
from hotkit.agent.guest.qmp import Qmp, QmpClosed, QmpSilent
from hotkit.agent.guest.words import CONSOLE, PROGRAM, QMP, qemu_words
from hotkit.agent.protocol import AgentError
from hotkit.agent.threads import start_ticks

ROOT = Path("/var/lib/hotkit/guests")
# Emulated in an emulated machine it boots in 85 s and a login takes 3 s; on a busy host 300 s were
# too few for both. A login that was cut off begins at nothing, so each has long enough.
_UP_S = 900.0
_LOGIN_S = 75
# A process that was killed closes its files first and gives its memory back, before it is gone.
_END_S = 30.0
_RECORD = "guest.json"
_ANSWERED = "answered"  # the process whose guest has answered, as _life() tells it
_THP = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_EPTAD = Path("/sys/module/kvm_intel/parameters/eptad")
_HUGE = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")


class Guest:
    """One guest of this host, from its description (docs/guests.md)."""

    def __init__(self, description: dict[str, Any], root: Path = ROOT):
        self.description = description
        self.name = str(description["name"])
        self.folder = root / self.name
        self.unit = f"hotkit-guest-{self.name}"

    @property
    def ours(self) -> bool:
        """Whether hotkit starts and stops it."""
        return bool(self.description["kind"] == "qemu")

    @property
    def qmp(self) -> Path | None:
        """QEMU's control socket, None where there is none that we know of."""
        if self.ours:
            return self.folder / QMP
        named = self.description.get("qmp")
        return Path(named) if named else None

    def ssh_words(self, words: list[str]) -> list[str]:
        """What to start on the host so that `words` run in the guest."""
        return ["ssh", "-F", str(self.folder / SSH_CONFIG), self.name, *words]

    def pid(self) -> int | None:
        """The process that is the VM, None when there is none."""
        found = self._unit_pid(self.unit) if self.ours else self._named_pid()
        return found if found and Path(f"/proc/{found}/maps").exists() else None

    def age_s(self) -> float | None:
        """Seconds since its process was started, None when there is none."""
        pid = self.pid()
        began = start_ticks(pid) if pid else None
        if began is None:
            return None
        up_s = float((text("/proc/uptime") or "0").split()[0])
        return round(up_s - began / os.sysconf("SC_CLK_TCK"), 1)

    def prepare(self) -> None:
        """The folder and the way to it by ssh; nothing is started."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.ours:
            make_identity(self.folder, self.name)
            way = {"address": "127.0.0.1", "port": self.description["ssh_port"], "user": "root"}
            write_ssh_config(self.folder, self.name, way, known=True)
        else:
            write_ssh_config(self.folder, self.name, self.description["ssh"], known=False)

    def up(self) -> bool:
        """Start it unless it runs; returns whether it was started. Ends when ssh answers."""
        self.prepare()
        if self.pid() is not None:
            if self.ours and self._record().get("description") != self.description:
                raise AgentError(
                    f"guest {self.name} runs, but was started from another description",
                    f"hotkit guest down, then up again (guest {self.name})",
                )
            self.wait_for_ssh()
            return False
        if not self.ours:
            raise AgentError(
                f"guest {self.name}: its process is not there ({self._named()})",
                "start the VM as it was started before: hotkit did not",
            )
        self._start()
        self.wait_for_ssh()
        return True

    def down(self, at_once: bool = False) -> bool:
        """End it; returns whether there was something to end. One of others is left alone.

        Nothing of it is kept either way; `at_once` is for one that may not end when it is asked.
        """
        if not self.ours:
            return False
        was = self.pid() is not None or (self.folder / _RECORD).exists()
        if at_once:
            _systemctl("kill", "--signal=KILL", self.unit)
        _systemctl("stop", self.unit)
        _systemctl("reset-failed", self.unit)
        with suppress(FileNotFoundError):
            (self.folder / _RECORD).unlink()
        return was

    def state(self) -> str:
        """running, starting, hangs (this process has answered before), down, or died (it was
        started in this boot and is gone)."""
        if self.pid() is None:
            record = self._record()
            return "died" if record and record.get("boot_id") == _boot_id() else "down"
        if self.answers():
            return "running"
        return "hangs" if text(str(self.folder / _ANSWERED)) == self._life() else "starting"

    def answers(self) -> bool:
        """Whether ssh lets us in now; it is kept which process did."""
        if not (self.folder / SSH_CONFIG).exists():
            return False
        done = _quietly([*self.ssh_words(["true"])], _LOGIN_S)
        answered = done is not None and done.returncode == 0
        if answered:
            with suppress(OSError):  # a full disk: it is told as starting, should it hang
                (self.folder / _ANSWERED).write_text(self._life())
        return answered

    def _life(self) -> str:
        """Its process, told from any other one before or after."""
        pid = self.pid()
        return f"{_boot_id()} {pid} {start_ticks(pid) if pid else None}\n"

    def wait_for_ssh(self) -> None:
        """Until ssh lets us in; AgentError when it does not within 15 minutes, or it died."""
        until = time.monotonic() + _UP_S
        while time.monotonic() < until:
            if self.answers():
                return
            if self.pid() is None:
                raise AgentError(f"guest {self.name} {self.how_it_ended()}")
            time.sleep(1)
        raise AgentError(
            f"guest {self.name} does not answer by ssh within {_UP_S:.0f} s{self._last_words()}",
            f"its console is in {self.folder / CONSOLE}" if self.ours else None,
        )

    def silence(self, error: QmpSilent) -> str:
        """The sentence about a guest whose QEMU does not answer: that it died, where it did.

        One that has closed its socket may be ending still: waits until it is gone, up to 30 s.
        """
        until = time.monotonic() + (_END_S if isinstance(error, QmpClosed) else 0)
        while self.pid() is not None:
            if time.monotonic() >= until:
                return f"guest {self.name}: {error.message}"
            time.sleep(0.2)
        return f"guest {self.name} {self.how_it_ended()}"

    def how_it_ended(self) -> str:
        """Of a guest whose process is gone: words after its name."""
        if not self.ours:
            return "is gone: its process ended"
        done = _quietly(["journalctl", "-u", self.unit, "-n", "6", "-o", "cat", "-q"], 20)
        rows = done.stdout.decode(errors="replace").splitlines() if done else []
        said = [row for row in rows if "exited" in row or "Failed" in row or PROGRAM + ":" in row]
        why = f": {said[0].strip()}" if said else ""
        return f"died{why}{self._last_words()}"

    def _last_words(self) -> str:
        said = (text(str(self.folder / CONSOLE)) or "").replace("\r", "\n").split("\n")
        said = [row.strip() for row in said if row.strip()]
        return f"; its console's last line: {said[-1][:160]!r}" if said else ""

    def _start(self) -> None:
        kernel, initrd = find_kernel(str(self.description["kernel"]))
        self._check_backing()
        self._check_eptad()
        for name in (QMP, CONSOLE):
            with suppress(FileNotFoundError):
                (self.folder / name).unlink()
        words = qemu_words(self.description, kernel, initrd)
        _systemctl("reset-failed", self.unit)
        # The agent execs QEMU: what a unit cannot set (no huge pages for this process) it does.
        done = _quietly(
            [
                "systemd-run", "--quiet", "--collect", f"--unit={self.unit}",
                f"--property=WorkingDirectory={self.folder}", "--property=OOMScoreAdjust=500",
                "--property=TimeoutStopSec=10",
                sys.executable, os.path.abspath(sys.argv[0]), "become",  # noqa: PTH100
                "--thp", "no" if self.description["backing"] == "4k" else "yes", "--", *words,
            ],
            60,
        )  # fmt: skip
        if done is None or done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip() if done else "no systemd-run"
            raise AgentError(f"guest {self.name} cannot be started: {said}")
        record = {
            "schema_version": 1,
            "boot_id": _boot_id(),
            "description": self.description,
            "argv": words,
        }
        partial = self.folder / (_RECORD + ".part")
        partial.write_text(json.dumps(record, indent=1) + "\n")
        partial.rename(self.folder / _RECORD)
        self._pin()

    def _pin(self) -> None:
        """Each vCPU's thread on the CPU that its description names, QEMU's others on the rest."""
        pins = self.description.get("cpu_pins")
        if not pins:
            return
        until = time.monotonic() + 30
        while not (self.folder / QMP).exists() and self.pid() and time.monotonic() < until:
            time.sleep(0.1)
        with Qmp(self.folder / QMP) as qmp:
            vcpus = {cpu["thread-id"]: cpu["cpu-index"] for cpu in qmp.ask("query-cpus-fast")}
        rest = os.sched_getaffinity(0) - set(pins)
        for task in Path(f"/proc/{self.pid()}/task").iterdir():
            thread = int(task.name)
            wanted = {pins[vcpus[thread]]} if thread in vcpus else rest
            try:
                if wanted:
                    os.sched_setaffinity(thread, wanted)
            except OSError as error:
                if thread in vcpus:
                    raise AgentError(
                        f"guest {self.name}: its vCPU {vcpus[thread]} cannot be put on CPU"
                        f" {pins[vcpus[thread]]}: {error.strerror}",
                        "cpu_pins: CPUs that are online (hotkit topology show)",
                    ) from error

    def _check_backing(self) -> None:
        backing = self.description["backing"]
        if backing == "thp" and "[never]" in (text(str(_THP)) or "[never]"):
            raise AgentError(
                f"guest {self.name}: backing: thp, but this host has transparent huge pages off",
                f"echo madvise > {_THP}",
            )
        need = sum(node["memory_bytes"] for node in self.description["nodes"]) >> 21
        free = int(line(str(_HUGE)) or 0)
        if backing == "hugetlb" and free < need:
            raise AgentError(
                f"guest {self.name}: backing: hugetlb needs {need} free huge pages of 2 MiB,"
                f" this host has {free}",
                f"echo {need} > {_HUGE.parent}/nr_hugepages",
            )

    def _check_eptad(self) -> None:
        """The module's parameter, which only its loading sets."""
        wanted = self.description.get("eptad")
        found = line(str(_EPTAD))
        if wanted is None or found == ("Y" if wanted else "N"):
            return
        raise AgentError(
            f"guest {self.name}: eptad: {str(wanted).lower()}, but {_EPTAD} says"
            f" {found or 'nothing'}",
            f"with no VM running: modprobe -r kvm_intel && modprobe kvm_intel eptad={int(wanted)}",
        )

    def _record(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / _RECORD).read_text())
        except (OSError, ValueError):
            return {}
        return found

    def _unit_pid(self, unit: str) -> int | None:
        done = _quietly(["systemctl", "show", "--property=MainPID", "--value", unit], 20)
        said = done.stdout.decode().strip() if done else ""
        return int(said) if said.isdigit() and int(said) > 0 else None

    def _named_pid(self) -> int | None:
        given = self.description
        if given.get("pid"):
            return int(given["pid"])
        if given.get("unit"):
            return self._unit_pid(given["unit"]) or _first_pid_of(given["unit"])
        said = line(str(given.get("pid_file")))
        return int(said) if said.isdigit() else None

    def _named(self) -> str:
        given = self.description
        key = next(key for key in ("pid", "pid_file", "unit") if given.get(key))
        return f"{key}: {given[key]}"


def _boot_id() -> str:
    return line("/proc/sys/kernel/random/boot_id")


def _systemctl(*words: str) -> None:
    _quietly(["systemctl", *words], 60)


def _first_pid_of(unit: str) -> int | None:
    """A scope has no main process: its first one, as of libvirt's machine-*.scope."""
    done = _quietly(["systemctl", "show", "--property=ControlGroup", "--value", unit], 20)
    group = done.stdout.decode().strip() if done else ""
    for name in ("cgroup.procs", "libvirt/emulator/cgroup.procs", "libvirt/cgroup.procs"):
        rows = (text(f"/sys/fs/cgroup{group}/{name}") or "").split() if group else []
        if rows:
            return int(rows[0])
    return None


def _quietly(words: list[str], seconds: float) -> subprocess.CompletedProcess[bytes] | None:
    """Run a command; None when it is not there or takes too long."""
    try:
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired):
        return None
