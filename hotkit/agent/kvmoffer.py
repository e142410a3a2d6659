"""What this machine's KVM would give a guest: asked of /dev/kvm, no VM is made.

The system ioctls of Documentation/virt/kvm/api.rst that need none: KVM_GET_SUPPORTED_CPUID, and
KVM_GET_MSRS for feature MSRs. So no kernel version has to be compared.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import Any

from hotkit.agent.pmu import PERF_CAPABILITIES

_GET_SUPPORTED_CPUID = 0xC008AE05  # _IOWR(0xAE, 0x05, struct kvm_cpuid2)
_GET_MSRS = 0xC008AE88  # _IOWR(0xAE, 0x88, struct kvm_msrs)
_ENTRIES = 256  # KVM_MAX_CPUID_ENTRIES of Linux 5.15 and later
_ENTRY_BYTES = 40


def offered(kvm: Path) -> dict[str, Any] | None:
    """What `kvm` (/dev/kvm) offers; null when it cannot be asked.

    `pmu_version`: CPUID 0xA, 0 for none (Intel's numbering). `ds`: buffers for PEBS. `ibs`: what
    AMD has in its place. `perf_capabilities`: that register as a guest would read it at most.
    """
    try:
        handle = os.open(str(kvm), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        leaves = _cpuid(handle)
        capabilities = _msr(handle, PERF_CAPABILITIES)
    except OSError:
        return None
    finally:
        os.close(handle)
    return {**cpuid_words(leaves), "perf_capabilities": capabilities}


def cpuid_words(leaves: dict[int, tuple[int, int, int, int]]) -> dict[str, Any]:
    """What leaves of CPUID (EAX, EBX, ECX, EDX) say of a PMU; leaf without subleaf."""
    none = (0, 0, 0, 0)
    return {
        "pmu_version": leaves.get(0xA, none)[0] & 0xFF,
        "ds": bool(leaves.get(1, none)[3] >> 21 & 1),
        "ibs": bool(leaves.get(0x80000001, none)[2] >> 10 & 1),
    }


def _cpuid(handle: int) -> dict[int, tuple[int, int, int, int]]:
    """The first subleaf of each leaf; OSError."""
    said = bytearray(struct.pack("=II", _ENTRIES, 0)) + bytearray(_ENTRY_BYTES * _ENTRIES)
    fcntl.ioctl(handle, _GET_SUPPORTED_CPUID, said, True)
    found: dict[int, tuple[int, int, int, int]] = {}
    for number in range(struct.unpack_from("=I", said)[0]):
        leaf, _, _, *words = struct.unpack_from("=7I", said, 8 + _ENTRY_BYTES * number)
        found.setdefault(leaf, (words[0], words[1], words[2], words[3]))
    return found


def _msr(handle: int, index: int) -> int | None:
    """A feature MSR; null for one that this KVM has not."""
    said = bytearray(struct.pack("=IIIIQ", 1, 0, index, 0, 0))
    try:
        read = fcntl.ioctl(handle, _GET_MSRS, said, True)
    except OSError:
        return None
    return int(struct.unpack_from("=Q", said, 16)[0]) if read == 1 else None
