"""KVM's dirty log: the host asks which pages of a VM's memory the guest has written.

The log is turned on for the slots of the VM while it is tracked (trackers/src/kvmdirty.c), through
system calls made in the VM's process: KVM takes them from nobody else. How KVM learns of a write is
the machine's affair: the CPU logs it (PML), or a first write after a look faults. Must not be used
over a VM that is migrated meanwhile: both would take each other's pages.

A VM may have dirty rings instead of the log (`by: ring`, kvm_ring.py).
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import re
import time
from pathlib import Path
from typing import Any

from hotkit.agent.access import explain, reachable
from hotkit.agent.gather import line, text
from hotkit.agent.heat import HeatRange, scaled
from hotkit.agent.protocol import AgentError
from hotkit.agent.samples import Recorder, Samples
from hotkit.agent.threads import wanted_cpus
from hotkit.agent.tracing import Tracing
from hotkit.agent.trackers import kvm_ring
from hotkit.agent.trackers.base import Probe, Setting, Settings, Target
from hotkit.agent.trackers.scanned import Scanned
from hotkit.agent.undo import Undo

KVM = Path("/dev/kvm")
PAGE_BYTES = 4096
RING_MS = 1000
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
    settings = {
        "interval_ms": Setting(
            200,
            "ms between two rounds; by: ring 1000 at least, as QEMU resets a page's entry each s",
            least=1,
        ),
        "by": Setting(
            "log",
            "the log, asked; or what KVM pushes into the dirty rings of a VM that has such",
            choices=("log", "ring"),
        ),
        "buffer_kib": Setting(4096, "by: ring: KiB of trace buffer per CPU", least=64),
    }

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._rings: _Rings | None = None

    def probe(self, settings: Settings) -> Probe:
        if platform.machine() != "x86_64":
            return Probe(
                False,
                f"calls in a VM's process are not known to hotkit on {platform.machine()}",
                "tracker: softdirty or uffd-wp, over the VM",
            )
        why = no_kvm() or no_ptrace()
        if not why and settings["by"] == "ring":
            why = kvm_ring.no_pushes()
        return Probe(False, *why) if why else Probe(True)

    def start(self, target: Target, settings: Settings) -> None:
        if target["kind"] != "vm":
            raise AgentError(
                "kvm-dirty tracks a VM, and the target is none",
                "guest: in SWEEP.yml, and scope: host for this arm",
            )
        words = [f"{gpa:#x}:{size:#x}:{hva:#x}" for gpa, size, hva in target["slots"]]
        slots = [f"--slot={word}" for word in words]
        if settings["by"] == "log":
            self.start_scan("kvm-dirty", target, settings, *slots)
            return
        kvm_ring.make_collecting(target)
        self._rings = rings = _Rings(self.undo, target, settings)
        # Before logging begins: a page is pushed once, and not again for long.
        rings.tracing.start(wanted_cpus(settings, target))
        recorder, self.recorder = self.recorder, None  # the scanner finds no page
        try:
            self.start_scan("kvm-log-on", target, settings, *slots)
        except AgentError:
            rings.tracing.stop()
            raise
        finally:
            self.recorder = recorder
        rings.began_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)

    def stop(self) -> None:
        rings = self._rings
        if rings is None or rings.ended:
            super().stop()
            return
        rings.ended = True
        ended_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        try:
            super().stop()
        finally:
            rings.tracing.stop()
        rings.take(ended_ns, self._said())
        if self.recorder:
            rings.tell(self.recorder)

    def self_cost(self) -> int:
        return super().self_cost() + (self._rings.tracing.cpu_ns if self._rings else 0)

    def cpus(self) -> list[int]:
        return sorted({*super().cpus(), *(self._rings.tracing.cpus if self._rings else ())})

    def hot(self) -> list[HeatRange]:
        return self._rings.hot() if self._rings else super().hot()

    def samples(self) -> Samples:
        found = self._rings.count if self._rings else super().samples()
        if "outside" in self._said():
            found.extra["pages_outside_of_slots"] = self._said()["outside"]
        return found

    def facts(self) -> dict[str, Any]:
        """`protect`: who clears the log, "manual" (KVM_CLEAR_DIRTY_LOG), "get" or "unknown"."""
        if self._rings:
            return {"mechanism": mechanism(), "by": "ring"}
        return {"mechanism": mechanism(), "protect": self._said().get("protect", "unknown")}

    def _said(self) -> dict[str, Any]:
        return self._scan.said if self._scan else {}


class _Rings:
    """One run by: ring: the trace, and what it comes to."""

    def __init__(self, undo: Undo, target: Target, settings: Settings):
        self.tracing = Tracing(undo, [kvm_ring.EVENT], settings["buffer_kib"])
        self.count = Samples()
        self.began_ns = 0
        self.ended = False
        self._interval_ns = max(settings["interval_ms"], RING_MS) * 1000000
        self._ranges = target["ranges"]
        self._pages = sum((end - start) // PAGE_BYTES for start, end in self._ranges)
        self._threads = kvm_ring.threads_of(target["pid"])
        self._written: list[set[int]] = []

    def take(self, ended_ns: int, said: dict[str, Any]) -> None:
        """From text to counts; `said` by the scanner: the slots, and pages that are in none."""
        trace = kvm_ring.parse_pushes(self.tracing.text())
        rounds = (ended_ns - self.began_ns) // self._interval_ns
        found = kvm_ring.in_rounds(
            trace.pushes, self._threads, said["slots"], self._ranges,
            self.began_ns, self._interval_ns, rounds,
        )  # fmt: skip
        self._written = found.rounds
        self.count.rounds = rounds
        self.count.examined = (self._pages - said["outside"]) * rounds
        self.count.positive = sum(map(len, found.rounds))
        self.count.lost = trace.lost
        self.count.extra.update(
            pushes=found.told, pushes_elsewhere=found.elsewhere, records_damaged=trace.damaged
        )

    def hot(self) -> list[HeatRange]:
        rounds, at, found = self.count.rounds, 0, []
        counts = kvm_ring.heat_of(self._written, self._pages)
        for start, end in self._ranges:
            pages = (end - start) // PAGE_BYTES
            heat = scaled(counts[at : at + pages], rounds)
            found.append(HeatRange(start, PAGE_BYTES, heat, min(255, rounds)))
            at += pages
        return found

    def tell(self, recorder: Recorder) -> None:
        """To a recorder, all at the end: which slots the ids are is known then."""
        for number, written in enumerate(self._written):
            flags = bytearray(self._pages)
            for index in written:
                flags[index] = 1
            at = 0
            for start, end in self._ranges:
                pages = (end - start) // PAGE_BYTES
                recorder.pages(start, PAGE_BYTES, bytes(flags[at : at + pages]))
                at += pages
            recorder.round_ended(self.began_ns + (number + 1) * self._interval_ns)


def mechanism(root: Path = Path("/")) -> str:
    """How this machine's KVM learns of a guest's write; it says so in a module's parameter.

    `root` is another place than / for tests.
    """
    flags = (
        (text(str(root / "proc/cpuinfo")) or "").partition("\nflags")[2].partition("\n")[0].split()
    )
    module = "vmx" if "vmx" in flags else "svm"
    # A kernel with both built in has the other's parameter as well, whatever the CPU.
    on = line(str(root / PML[module])) in ("Y", "1")
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
