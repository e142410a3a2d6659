"""What this machine is like for measuring, as raw facts: hotkit/core/doctor.py judges them.

Reads only, and opens two knobs of debugfs and tracefs to see whether that is allowed. What cannot
be read is null or empty, never a guess. Sizes are bytes, times ns.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
from pathlib import Path
from typing import Any

from hotkit.agent import access
from hotkit.agent.counters import HOTKIT, cpu_ns
from hotkit.agent.gather import line, secure_boot, text
from hotkit.agent.platform import knobs
from hotkit.agent.trackers.damon import KDAMONDS
from hotkit.agent.undo import state_directory

_CPU = Path("/sys/devices/system/cpu")
_PMUS = Path("/sys/bus/event_source/devices")
# Files of debugfs that nearly every kernel has, and whose opening does nothing (mm/memory.c,
# kernel/sched/debug.c).
_HARMLESS = ("fault_around_bytes", "sched/features")
_CLOCK = "/sys/devices/system/clocksource/clocksource0/"


def facts() -> dict[str, Any]:
    """All of it; hotkit/core/doctor.py says what each is for."""
    return {
        "schema_version": 1,
        "uid": os.geteuid(),
        "python": [int(part) for part in platform.python_version_tuple()[:2]],
        "kernel_release": platform.release(),
        "debugfs": debugfs(),
        "tracefs": access.no_tracefs(),
        "securityfs": Path("/sys/kernel/security").is_mount(),
        "lockdown": text(access.LOCKDOWN),
        "secure_boot": secure_boot(),
        "cgroup": cgroups(),
        "container": access.container(),
        "container_marks": access.container_marks(),
        "seccomp": status_field("Seccomp"),
        "perf_event_paranoid": line("/proc/sys/kernel/perf_event_paranoid") or None,
        "kptr_restrict": line("/proc/sys/kernel/kptr_restrict") or None,
        "nmi_watchdog": line("/proc/sys/kernel/nmi_watchdog") or None,
        "pmus": pmus(),
        "hotkit_kernel": hotkit_kernel(),
        "knobs": knobs(),
        "swap_bytes": swap_bytes(),
        "cpu": cpus(),
        "cpu_ns": cpu_ns(),
        "clocksource": line(_CLOCK + "current_clocksource") or None,
        "clocksources": line(_CLOCK + "available_clocksource").split(),
        "undo": undo_file(),
        "kdamonds": kdamonds(),
        "nodes": nodes(),
    }


def debugfs() -> tuple[str, str] | None:
    """Why debugfs is of no use, and the fix; null when it is. A lockdown closes what is in it."""
    why = access.no_debugfs()
    for name in _HARMLESS:
        path = access.DEBUGFS / name
        if why is None and access.reachable(path):
            why = access.refused(path, os.O_RDWR)
    return why


def cgroups() -> dict[str, Any]:
    """`version` of what is mounted at /sys/fs/cgroup (2, 1, or 0 for nothing); why no memory."""
    kinds = {
        row.split()[2]
        for row in (text("/proc/self/mounts") or "").splitlines()
        if row.split()[1].startswith("/sys/fs/cgroup")
    }
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return {
        "version": 2 if unified else 1 if "cgroup" in kinds else 0,
        "no_memory": access.no_memory_cgroup(),
    }


def pmus() -> dict[str, bool]:
    """The PMUs of this machine, and whether each samples the addresses of data."""
    found = {}
    for pmu in sorted(_PMUS.iterdir()) if _PMUS.is_dir() else ():
        ibs = pmu.name == "ibs_op"
        found[pmu.name] = ibs or (pmu / "events/mem-loads").exists()
    return found


def hotkit_kernel() -> dict[str, str] | None:
    """The switches of hotkit's patched kernel (docs/kernel.md), null without or out of reach."""
    names = ("abi", "damon_mode", "page_idle_mode", "folio_referenced_mode")
    found = {name: line(HOTKIT + name) for name in names if text(HOTKIT + name) is not None}
    return found or None


def swap_bytes() -> int:
    rows = (text("/proc/swaps") or "").splitlines()[1:]
    return sum(int(row.split()[2]) << 10 for row in rows)


def cpus() -> dict[str, Any]:
    """Which CPUs there are, and what changes how fast they run while we look."""
    governors: dict[str, int] = {}
    for path in _CPU.glob("cpu[0-9]*/cpufreq/scaling_governor"):
        name = line(str(path))
        governors[name] = governors.get(name, 0) + 1
    return {
        "usable": len(os.sched_getaffinity(0)),
        "online": line(str(_CPU / "online")),
        "isolated": line(str(_CPU / "isolated")),
        "governors": governors,
        # intel_pstate says whether turbo is off, acpi-cpufreq and amd-pstate whether boost is on.
        "no_turbo": line(str(_CPU / "intel_pstate/no_turbo")) or None,
        "boost": line(str(_CPU / "cpufreq/boost")) or None,
        "smt": line(str(_CPU / "smt/active")) or None,
    }


def undo_file() -> dict[str, Any] | None:
    """What an agent noted to put back: null when there is nothing; `held` while one is at work."""
    folder = state_directory()
    files = {folder / name: text(str(folder / name)) for name in ("undo.jsonl", "quiesce.jsonl")}
    left = {path: said.splitlines() for path, said in files.items() if said is not None}
    if not left:
        return None
    return {"path": str(next(iter(left))),
            "entries": sum(max(0, len(lines) - 1) for lines in left.values()),
            "held": _is_held(folder / "measuring.lock")}  # fmt: skip


def kdamonds() -> dict[str, Any] | None:
    """DAMON's kernel threads that sysfs knows; null where it has none or is out of reach."""
    said = line(KDAMONDS + "nr_kdamonds")
    if not said.isdigit():
        return None
    states = [line(f"{KDAMONDS}{index}/state") for index in range(int(said))]
    return {"count": int(said), "running": states.count("on")}


def nodes() -> dict[str, dict[str, int]]:
    """Memory per node in bytes; a machine without NUMA is node 0."""
    found = {}
    for path in Path("/sys/devices/system/node").glob("node[0-9]*"):
        rows = [row.split() for row in (text(str(path / "meminfo")) or "").splitlines()]
        sizes = {row[2]: int(row[3]) << 10 for row in rows if len(row) > 4}
        found[path.name[4:]] = {
            "total": sizes.get("MemTotal:", 0),
            # What could be had: free, and file pages that can be dropped.
            "free": sizes.get("MemFree:", 0) + sizes.get("Inactive(file):", 0),
        }
    return dict(sorted(found.items(), key=lambda item: int(item[0])))


def status_field(name: str) -> str | None:
    for row in (text("/proc/self/status") or "").splitlines():
        key, _, value = row.partition(":")
        if key == name:
            return value.strip()
    return None


def _is_held(lock: Path) -> bool:
    try:
        handle = os.open(str(lock), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EACCES)
    finally:
        os.close(handle)
