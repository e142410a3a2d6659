"""What this machine is, for the `hello` event: every figure carries it as a label."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

from hotkit.agent.gather import line, machine_kind, text

_CPU = "sys/devices/system/cpu/"


def describe() -> dict[str, Any]:
    """Platform label with its evidence, and the conditions of a measurement that can be read."""
    found: dict[str, Any] = {
        "hostname": platform.node(),
        "kernel_release": platform.release(),
        "arch": platform.machine(),
        "python": ".".join(map(str, sys.version_info[:3])),
        "boot_id": line("/proc/sys/kernel/random/boot_id"),
        "cmdline": line("/proc/cmdline"),
        "uid": os.geteuid(),
        "cpus": sorted(os.sched_getaffinity(0)),
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "clocksource": line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "knobs": knobs(),
    }
    found.update(machine_kind())
    return found


def knobs(root: Path = Path("/")) -> dict[str, str]:
    """Settings that change which code path a tracker takes, or how fast the CPUs run.

    Only those this kernel has; `root` is another place than / for tests.
    """
    files = {
        "thp": "sys/kernel/mm/transparent_hugepage/enabled",
        "numa_balancing": "proc/sys/kernel/numa_balancing",
        "ksm": "sys/kernel/mm/ksm/run",
        "swappiness": "proc/sys/vm/swappiness",
        "aslr": "proc/sys/kernel/randomize_va_space",
        "lru_gen": "sys/kernel/mm/lru_gen/enabled",
        "cpus_online": _CPU + "online",
        "smt": _CPU + "smt/active",
        # How KVM learns of a guest's accesses and writes; with both built in both are there.
        "kvm_intel.ept": "sys/module/kvm_intel/parameters/ept",
        "kvm_intel.eptad": "sys/module/kvm_intel/parameters/eptad",
        "kvm_intel.pml": "sys/module/kvm_intel/parameters/pml",
        "kvm_amd.npt": "sys/module/kvm_amd/parameters/npt",
        "kvm_amd.pml": "sys/module/kvm_amd/parameters/pml",
        # intel_pstate says whether turbo is off, acpi-cpufreq and amd-pstate whether boost is on.
        "no_turbo": _CPU + "intel_pstate/no_turbo",
        "boost": _CPU + "cpufreq/boost",
    }
    found = {name: line(str(root / path)) for name, path in files.items() if _has(root / path)}
    for name, file in (
        ("governor", "scaling_governor"),
        ("frequency_min_khz", "scaling_min_freq"),
        ("frequency_max_khz", "scaling_max_freq"),
    ):
        values = [line(str(path)) for path in root.glob(f"{_CPU}cpu[0-9]*/cpufreq/{file}")]
        if values:
            found[name] = _counted(values)
    return found


def _has(path: Path) -> bool:
    return text(str(path)) is not None


def _counted(values: list[str]) -> str:
    """One value that all CPUs share as it is; several with how many CPUs have each."""
    kinds = sorted(set(values))
    if len(kinds) == 1:
        return kinds[0]
    return ", ".join(f"{kind} on {values.count(kind)} CPUs" for kind in kinds)
