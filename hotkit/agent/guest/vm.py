"""The process that is a VM: its RAM, its vCPU threads, its slots, and whether it is still the same.

QEMU is asked through its control socket; of another monitor the process is looked at.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from hotkit.agent.gather import line, text
from hotkit.agent.guest.life import Guest
from hotkit.agent.guest.memory import RamMap, guest_ram, map_by_asking, map_by_guessing
from hotkit.agent.guest.qmp import Qmp, QmpSilent
from hotkit.agent.protocol import AgentError
from hotkit.agent.threads import start_ticks
from hotkit.agent.trackers.base import Target

# A line of `info mtree -f` (QEMU 7.2): "START-END (prio 0, ram): pc.ram @OFFSET KVM".
_SECTION = re.compile(r"^\s+([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ram\): ")
_HVA = re.compile(r" is (0x[0-9a-f]+)\s*$")
# Threads that run a guest's CPUs, by the names that QEMU, cloud-hypervisor and crosvm give them.
_VCPU = re.compile(r"^(CPU \d+/KVM|vcpu\d+|crosvm_vcpu\d+|fc_vcpu \d+)$")
_LEAST_MAPPING = 64 << 20


class Vm:
    """One VM that runs now. AgentError when it cannot be looked at.

    `ram`: /proc/iomem's System RAM in the guest. `marks`: guest-physical address -> bytes that the
    guest has there now; by them the map of the RAM is checked, whoever told it.
    """

    def __init__(self, guest: Guest, ram: list[list[int]], marks: dict[int, bytes]):
        pid = guest.pid()
        if pid is None:
            raise AgentError(f"guest {guest.name} {guest.how_it_ended()}")
        self.guest = guest
        self.pid = pid
        self._began = start_ticks(pid)
        parts = guest_ram(ram)
        self.slots: list[list[int]] = []
        if guest.qmp is not None:
            with Qmp(guest.qmp) as qmp:
                self.vcpus = _vcpus_of(qmp)
                self.ram = map_by_asking(parts, lambda gpa: _hva(qmp, gpa))
                self.slots = _slots(qmp.human("info mtree -f"), self.ram)
        else:
            self.vcpus = _vcpus_by_name(pid)

            def holds(start: int, end: int, hva: int) -> bool:
                inside = {gpa: said for gpa, said in marks.items() if start <= gpa < end}
                return all(_read(pid, hva + gpa - start, len(s)) == s for gpa, s in inside.items())

            self.ram = map_by_guessing(parts, _mappings(pid), holds)
            self.slots = [list(segment) for segment in self.ram.segments]

        for gpa, said in marks.items():
            hva = self.ram.hva(gpa)
            if hva is None or _read(pid, hva, len(said)) != said:
                raise AgentError(
                    f"guest {guest.name}: what it has at address {gpa:#x} is not what its process"
                    " has there: its RAM cannot be looked at from outside"
                )

    def target(self) -> Target:
        """What a tracker in the host is pointed at (trackers/base.py)."""
        cpus: set[int] = set()
        for thread in self.vcpus:
            with suppress(OSError):  # it has ended: same() says so
                cpus |= os.sched_getaffinity(thread)
        return {
            "kind": "vm",
            "pid": self.pid,
            "ranges": self.ram.ranges(),
            "cpus": sorted(cpus),
            "uffd": -1,
            "cgroup": _cgroup(self.pid),
            "slots": self.slots,
            "qmp": None if self.guest.qmp is None else str(self.guest.qmp),
        }

    def changed(self) -> list[str]:
        """What is not as it was when this was made, a sentence each."""
        name = self.guest.name
        if self.guest.pid() != self.pid or start_ticks(self.pid) != self._began:
            return [f"guest {name} {self.guest.how_it_ended()}"]
        found = []
        if self.guest.qmp is None:
            vcpus = _vcpus_by_name(self.pid)
        else:
            try:
                with Qmp(self.guest.qmp) as qmp:
                    status = qmp.ask("query-status")["status"]
                    vcpus = _vcpus_of(qmp)
            except QmpSilent as error:
                return [self.guest.silence(error)]
            except AgentError as error:
                return [f"guest {name}: {error.message}"]
            if status in ("postmigrate", "finish-migrate", "inmigrate"):
                found.append(f"guest {name} was migrated away (QEMU says {status})")
            elif status != "running":
                found.append(f"guest {name} stands still: QEMU says {status}")
        if vcpus != self.vcpus:
            found.append(f"guest {name}: the threads of its CPUs changed during the run")
        return found


def _vcpus_of(qmp: Qmp) -> list[int]:
    """Thread ids of the vCPUs, as QEMU tells them."""
    return sorted(int(cpu["thread-id"]) for cpu in qmp.ask("query-cpus-fast"))


def _vcpus_by_name(pid: int) -> list[int]:
    """Thread ids of the vCPUs of another monitor; all threads where no name tells."""
    named, every = [], []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            every.append(int(task.name))
            if _VCPU.match(line(str(task / "comm"))):
                named.append(int(task.name))
    return sorted(named or every)


def _hva(qmp: Qmp, gpa: int) -> int:
    said = qmp.human(f"gpa2hva {gpa:#x}")
    found = _HVA.search(said)
    if found is None:
        raise AgentError(f"QEMU knows no RAM at guest address {gpa:#x}: {said[:120]}")
    return int(found[1], 16)


def _slots(tree: str, ram: RamMap) -> list[list[int]]:
    """[gpa, size_bytes, hva] of every section of RAM that the guest may write to.

    QEMU gives each section of its flat view a slot (accel/kvm/kvm-all.c, kvm_set_phys_mem()).
    """
    found = []
    system = False
    for row in tree.splitlines():
        if row.startswith("FlatView"):
            system = False
        if 'AS "memory"' in row:
            system = True
        section = _SECTION.match(row) if system else None
        if section is None:
            continue
        start, end = int(section[1], 16), int(section[2], 16) + 1
        hva, last = ram.hva(start), ram.hva(end - 1)
        if hva is not None and last == hva + end - 1 - start:
            found.append([start, end - start, hva])
    return found


def _mappings(pid: int) -> list[tuple[int, int]]:
    """The big writable mappings of a process."""
    found = []
    for row in (text(f"/proc/{pid}/maps") or "").splitlines():
        fields = row.split(None, 5)
        start, end = (int(part, 16) for part in fields[0].split("-"))
        if fields[1].startswith("rw") and end - start >= _LEAST_MAPPING:
            found.append((start, end))
    return found


def _cgroup(pid: int) -> str | None:
    """The directory of the process's cgroup, None where there is no cgroup v2."""
    for row in (text(f"/proc/{pid}/cgroup") or "").splitlines():
        if row.startswith("0::"):
            return "/sys/fs/cgroup" + row[3:].rstrip("/")
    return None


def _read(pid: int, address: int, size: int) -> bytes:
    """What a process has at an address of it; b"" when that cannot be read."""
    try:
        handle = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(handle, size, address)
    except OSError:
        return b""
    finally:
        os.close(handle)
