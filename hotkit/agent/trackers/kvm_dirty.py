"""KVM's dirty log: the host asks which pages of a VM's memory the guest has written.

The log is turned on for the slots of the VM while it is tracked (trackers/src/kvmdirty.c), through
system calls made in the VM's process: KVM takes them from nobody else. How KVM learns of a write is
the machine's affair: the CPU logs it (PML), or a first write after a look faults. Must not be used
over a VM that is migrated meanwhile: both would take each other's pages.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import re
from pathlib import Path
from typing import Any

from hotkit.agent.access import explain, reachable
from hotkit.agent.gather import line, text
from hotkit.agent.protocol import AgentError
from hotkit.agent.samples import Samples
from hotkit.agent.trackers.base import Probe, Setting, Settings, Target
from hotkit.agent.trackers.scanned import Scanned

KVM = Path("/dev/kvm")
# By the CPU's flag.
PML = {
    "vmx": "sys/module/kvm_intel/parameters/pml",
    "svm": "sys/module/kvm_amd/parameters/pml",
}
PTRACE_SCOPE = "/proc/sys/kernel/yama/ptrace_scope"
_CHECK_EXTENSION = 0xAE03  # KVM_CHECK_EXTENSION: _IO(0xAE, 0x03)
_MANUAL_PROTECT2 = 168  # KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: KVM_CLEAR_DIRTY_LOG is there (5.2)
_CAP_SYS_PTRACE = 1 << 19


class KvmDirty(Scanned):
    """Rounds at a fixed interval, by the scanner, of a VM that may be any process with KVM."""

    name = "kvm-dirty"
    how = "KVM's dirty log: the host asks which pages the guest has written since it asked last"
    units = {"examined": "guest page asked about", "positive": "guest page written"}
    settings = {"interval_ms": Setting(200, "ms between two rounds", least=1)}

    def probe(self, settings: Settings) -> Probe:
        if platform.machine() != "x86_64":
            return Probe(
                False,
                f"calls in a VM's process are not known to hotkit on {platform.machine()}",
                "tracker: softdirty or uffd-wp, over the VM",
            )
        why = no_kvm() or no_ptrace()
        return Probe(False, *why) if why else Probe(True)

    def start(self, target: Target, settings: Settings) -> None:
        if target["kind"] != "vm":
            raise AgentError(
                "kvm-dirty tracks a VM, and the target is none",
                "guest: in SWEEP.yml, and scope: host for this arm",
            )
        words = [f"{gpa:#x}:{size:#x}:{hva:#x}" for gpa, size, hva in target["slots"]]
        self.start_scan("kvm-dirty", target, settings, *(f"--slot={word}" for word in words))

    def samples(self) -> Samples:
        found = super().samples()
        if "outside" in self._said():
            found.extra["pages_outside_of_slots"] = self._said()["outside"]
        return found

    def facts(self) -> dict[str, Any]:
        """`protect`: who clears the log, "manual" (KVM_CLEAR_DIRTY_LOG), "get" or "unknown"."""
        return {"mechanism": mechanism(), "protect": self._said().get("protect", "unknown")}

    def _said(self) -> dict[str, Any]:
        return self._scan.said if self._scan else {}


def mechanism(root: Path = Path("/")) -> str:
    """How this machine's KVM learns of a guest's write; it says so in a module's parameter.

    `root` is another place than / for tests.
    """
    flags = (
        (text(str(root / "proc/cpuinfo")) or "").partition("\nflags")[2].partition("\n")[0].split()
    )
    module = "vmx" if "vmx" in flags else "svm"
    # A kernel with both built in has the other's parameter as well, whatever the CPU.
    on = (text(str(root / PML[module])) or "").strip() in ("Y", "1")
    return "PML" if on and module in flags else "write protection"


def no_kvm() -> tuple[str, str] | None:
    """Why there is no KVM with a dirty log here; None when there is."""
    if not reachable(KVM):
        return (
            f"there is no {KVM}",
            "modprobe kvm_intel (or kvm_amd), with virtualisation on in the firmware;"
            " in a VM, one whose CPU has it (nested)",
        )
    try:
        handle = os.open(str(KVM), os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.ENXIO):
            return (
                f"{KVM}: {error.strerror}",
                "modprobe kvm_intel (or kvm_amd), with virtualisation on in the firmware",
            )
        return explain(KVM, error)
    try:
        if fcntl.ioctl(handle, _CHECK_EXTENSION, _MANUAL_PROTECT2) > 0:
            return None
    except OSError as error:
        return explain(KVM, error)
    finally:
        os.close(handle)
    return "this KVM has no KVM_CLEAR_DIRTY_LOG", "a kernel of 5.2 or later"


def no_ptrace() -> tuple[str, str] | None:
    """Why we may not trace another process (ptrace(2), Yama.rst); None when we may."""
    scope = line(PTRACE_SCOPE)
    if scope == "3":
        return (
            f"{PTRACE_SCOPE} is 3: nobody may trace a process until the next boot",
            "boot without kernel.yama.ptrace_scope=3 in /etc/sysctl.d",
        )
    match = re.search(r"^CapEff:\s*([0-9a-f]+)$", text("/proc/self/status") or "", re.MULTILINE)
    if match and int(match[1], 16) & _CAP_SYS_PTRACE:
        return None
    if os.geteuid() != 0:
        return "a VM's process is traced by root (CAP_SYS_PTRACE)", "run as root"
    return (
        "root here lacks CAP_SYS_PTRACE",
        "measure on the host, or start the container with --privileged",
    )
