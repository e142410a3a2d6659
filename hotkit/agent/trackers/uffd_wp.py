"""Trapping by userfaultfd: pages are write-protected each round, the first write to each traps.

Documentation/admin-guide/mm/userfaultfd.rst. The descriptor belongs to the workload, which opens
it and does nothing with it; the scanner takes it over (pidfd_getfd(2)). `faults: handled` costs a
round trip to the scanner per page and round; `faults: async` lets the kernel go on by itself and
reads what was written by PAGEMAP_SCAN (6.7).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct
import subprocess
from typing import Any

from hotkit.agent.protocol import AgentError
from hotkit.agent.trackers.base import Probe, Setting, Settings, Target
from hotkit.agent.trackers.scanned import Scanned

_USERFAULTFD = {"x86_64": 323, "aarch64": 282}
_API = 0xC018AA3F  # _IOWR(0xAA, 0x3F, struct uffdio_api)
_FEATURE_WP = 1 << 0
_FEATURE_WP_ASYNC = 1 << 15


class UffdWp(Scanned):
    """Rounds at a fixed interval; between them the scanner answers faults."""

    name = "uffd-wp"
    how = "write-protects pages; the first write to each traps to a handler, or marks it"
    units = {"examined": "PTE protected", "positive": "write fault"}
    settings = {
        "interval_ms": Setting(200, "ms between two rounds of protecting", least=1),
        "faults": Setting(
            "handled",
            "who lets a write go on: the tracker, or the kernel at once (PAGEMAP_SCAN)",
            choices=("handled", "async"),
        ),
    }

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        # Of a VM: its process, and the number that its userfaultfd has there.
        self._vm: tuple[int, int] | None = None

    def probe(self, settings: Settings) -> Probe:
        features = features_here()
        if isinstance(features, Probe):
            return features
        wanted = _FEATURE_WP_ASYNC if settings["faults"] == "async" else _FEATURE_WP
        if features & wanted:
            return Probe(True)
        if settings["faults"] == "async":
            return Probe(
                False,
                "this kernel's userfaultfd has no asynchronous write protection",
                "faults: handled; or 6.7 and later with CONFIG_PTE_MARKER_UFFD_WP=y",
            )
        return Probe(
            False,
            "this kernel's userfaultfd has no write protection",
            "a kernel of 5.7 or later, x86-64 or arm64",
        )

    def start(self, target: Target, settings: Settings) -> None:
        handle = target.get("uffd", -1)
        if target["kind"] == "vm":
            handle = self._open_in(target["pid"])
        if handle < 0:
            raise AgentError(
                "the workload has opened no userfaultfd", "workload: hotset, and run as root"
            )
        mode = "uffd-async" if settings["faults"] == "async" else "uffd"
        self.start_scan(mode, target, settings, "--fd", str(handle))

    def stop(self) -> None:
        try:
            super().stop()
        finally:
            vm, self._vm = self._vm, None
            if vm is not None:
                self._scan_once("uffd-shut", "--pid", str(vm[0]), "--fd", str(vm[1]))

    def _open_in(self, pid: int) -> int:
        """A VM's process has opened none for us: it does so now (trackers/src/remote.c)."""
        said = self._scan_once("uffd-open", "--pid", str(pid))
        if not said.isdigit():
            raise AgentError(f"the VM's process {pid} opens no userfaultfd: {said}")
        self._vm = (pid, int(said))
        return int(said)

    def _scan_once(self, *words: str) -> str:
        """What the scanner prints, or what it complains of."""
        done = subprocess.run([self.scan_program, *words], capture_output=True, timeout=60)
        return (done.stdout or done.stderr).decode(errors="replace").strip()


def features_here() -> int | Probe:
    """What userfaultfd can do here (UFFD_FEATURE_*), or why it cannot be had."""
    number = _USERFAULTFD.get(platform.machine())
    if number is None:
        return Probe(
            False,
            f"userfaultfd on {platform.machine()} is not known to hotkit",
            "tracker: softdirty",
        )
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.syscall(number, os.O_CLOEXEC)
    if handle < 0:
        code = ctypes.get_errno()
        if code == errno.ENOSYS:
            fix = "a kernel with CONFIG_USERFAULTFD=y; not in a container, which may hide the call"
        elif os.geteuid() != 0:
            fix = "run as root (vm.unprivileged_userfaultfd=1 is enough)"
        else:
            fix = "measure on the host: a container's seccomp filter refuses the call"
        return Probe(False, f"userfaultfd: {os.strerror(code)}", fix)
    try:
        said = bytearray(struct.pack("<QQQ", 0xAA, 0, 0))
        fcntl.ioctl(handle, _API, said)
        features: int = struct.unpack("<QQQ", said)[1]
        return features
    except OSError as error:
        return Probe(False, f"userfaultfd: {error.strerror}", "a kernel of 5.7 or later")
    finally:
        os.close(handle)
