"""What this machine is, for the `hello` event: every figure carries it as a label."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from hotkit.agent.gather import line, machine_kind, text


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


def knobs() -> dict[str, str]:
    """Settings that change which code path a tracker takes; only those this kernel has."""
    files = {
        "thp": "/sys/kernel/mm/transparent_hugepage/enabled",
        "numa_balancing": "/proc/sys/kernel/numa_balancing",
        "ksm": "/sys/kernel/mm/ksm/run",
        "swappiness": "/proc/sys/vm/swappiness",
        "aslr": "/proc/sys/kernel/randomize_va_space",
        "lru_gen": "/sys/kernel/mm/lru_gen/enabled",
    }
    return {name: line(path) for name, path in files.items() if text(path) is not None}
