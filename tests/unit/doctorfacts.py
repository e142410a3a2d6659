"""Facts of machines that nobody has here: a two-socket server as one would like it, its guest."""

from __future__ import annotations

import copy
from typing import Any

from hotkit.core.guestspec import Guest, guests_from
from hotkit.core.labels import Label, Platform
from hotkit.core.units import GIB
from tests.unit.core.test_doctor import QUIET

METAL = Label(platform=Platform.METAL, evidence="no hypervisor flag; DMI says Dell Inc.")
# Ice Lake: format 4 in bits 8 to 11, PEBS_BASELINE in bit 14.
ICE_LAKE = 0x74C5

# Linux 6.1.0 of 2022 with hotkit's patches, so that KVM passes PEBS on with data addresses.
SERVER: dict[str, Any] = {
    "schema_version": 1,
    "pmu": {
        "vendor": "GenuineIntel",
        "flags": ["arch_perfmon", "ds", "dtes64", "ept", "ept_ad", "pdcm", "pebs", "vmx", "vpid"],
        "vmx_flags": ["ept", "ept_ad", "invvpid", "pml", "vpid"],
        "perf_capabilities": ICE_LAKE,
        "pebs_said": "PEBS fmt4+-baseline",
        "max_precise": "3",
        "pmu_name": "icelake",
    },
    "modules": {
        "kvm": {"loadable": True, "parameters": {"enable_pmu": "Y", "tdp_mmu": "Y"}},
        "kvm_intel": {
            "loadable": True,
            "parameters": {"ept": "Y", "eptad": "Y", "pml": "Y", "nested": "Y"},
        },
    },
    "no_kvm": None,
    "offered": {"pmu_version": 2, "ds": True, "ibs": False, "perf_capabilities": ICE_LAKE},
    "config": "/boot/config-6.1.0-hotkit",
    "options": {"KVM_ELIDE_TLB_FLUSH_IF_YOUNG": "n", "DEBUG_TLBFLUSH": "y"},
    "kvm_counters": ["tlb_flush", "remote_tlb_flush"],
    "tlb_counters": ["nr_tlb_remote_flush", "nr_tlb_local_flush_all"],
    "programs": {
        "qemu-system-x86_64": "/usr/bin/qemu-system-x86_64", "systemd-run": "/usr/bin/systemd-run",
        "ssh": "/usr/bin/ssh", "ssh-keygen": "/usr/bin/ssh-keygen",
    },
    "qemu_version": "7.2.22",
    "space": [{"path": "/var/lib/hotkit/guests", "free": 200 * GIB, "writable": True}],
    "cpus_online": list(range(72)),
    "memory_available": 200 * GIB,
    "huge": {name: {"total": 0, "free": 0} for name in ("0", "1", "all")},
    "thp": "always [madvise] never",
    "ksm_run": "0",
    "ksm_sharing": 0,
    "no_ptrace": None,
    "no_frames": None,
}  # fmt: skip
NODES = {str(node): {"total": 128 * GIB, "free": 100 * GIB} for node in (0, 1)}
HOST: dict[str, Any] = QUIET | {"nodes": NODES}

# The same machine with an AMD CPU.
AMD_PMU = {
    "vendor": "AuthenticAMD", "flags": ["flushbyasid", "ibs", "npt", "perfctr_core", "svm"],
    "vmx_flags": [], "perf_capabilities": None, "pebs_said": None, "max_precise": "2",
    "pmu_name": None,
}  # fmt: skip
AMD: dict[str, Any] = SERVER | {
    "pmu": AMD_PMU,
    "modules": {
        "kvm": {"loadable": True, "parameters": {"enable_pmu": "Y"}},
        "kvm_amd": {"loadable": True, "parameters": {"npt": "Y", "nested": "1"}},
    },
    "offered": {"pmu_version": 0, "ds": False, "ibs": False, "perf_capabilities": 0},
}

# A guest that is up: QEMU with hotkit's kernel inside.
GUEST_PMU = {
    "vendor": "GenuineIntel", "flags": ["arch_perfmon", "ds", "hypervisor", "pdcm", "pebs"],
    "vmx_flags": [], "perf_capabilities": ICE_LAKE, "pebs_said": "PEBS fmt4+-baseline",
    "max_precise": "3", "pmu_name": "icelake",
}  # fmt: skip
UP: dict[str, Any] = {
    "name": "g1", "pid": 4711, "state": "running", "silent": None,
    "no_disk": None, "no_kernel": None,
    "process": {
        "exe": "qemu-system-x86_64", "seccomp": "2", "tracer": "0", "ring": False, "merging": 0
    },
    "machine": {"platform": "virtual", "nested": False, "platform_evidence": "the CPU flag"},
    "inside": {
        "doctor": QUIET | {"nodes": {"0": {"total": 16 * GIB, "free": 15 * GIB}}},
        "pmu": GUEST_PMU,
        "tlb_counters": ["nr_tlb_remote_flush"],
    },
}  # fmt: skip
DOWN: dict[str, Any] = UP | {
    "pid": None, "state": "down", "process": None, "machine": None, "inside": None
}  # fmt: skip


def guest(**keys: Any) -> Guest:
    """g1: hotkit's own, 16 GiB, or with `process` somebody else's."""
    ours = {} if "process" in keys else {"memory": "16G", "disk": "/srv/g1.img"}
    if "nodes" in keys:
        ours.pop("memory")
    return guests_from([{"name": "g1", **ours, **keys}])[0]


def changed(facts: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    """A copy in which one thing is another."""
    found = copy.deepcopy(facts)
    inner = found
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return found
