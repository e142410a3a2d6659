"""What a host is like for guests and for looking at them from outside: raw facts.

hotkit/core/vmdoctor.py judges them, hotkit/core/pebsdoctor.py those of hardware samples. Reads
only; /dev/kvm is asked what it offers, no VM is made, no guest is started. Sizes are bytes.
"""

from __future__ import annotations

import gzip
import os
import platform
import re
import zlib
from pathlib import Path
from typing import Any

from hotkit.agent import access, pmu
from hotkit.agent.cpulist import online_cpus
from hotkit.agent.gather import free_bytes, line, output, text, which
from hotkit.agent.guest.life import ROOT
from hotkit.agent.guest.words import PROGRAM
from hotkit.agent.kvmoffer import offered
from hotkit.agent.trackers.kvm_dirty import KVM, no_kvm, no_ptrace

HUGE_BYTES = 2 << 20
# What a guest writes to a disk that stays as it is (block.c, with snapshot=on).
QEMU_TEMPORARY = Path("/var/tmp")
_MODULES = Path("/sys/module")
# What changes how a scan or a dirty log over a VM works; those that the module has.
_PARAMETERS = ("ept", "eptad", "pml", "npt", "nested", "enable_pmu", "tdp_mmu")
_OPTIONS = ("KVM_ELIDE_TLB_FLUSH_IF_YOUNG", "DEBUG_TLBFLUSH")
_KVM_COUNTERS = ("tlb_flush", "remote_tlb_flush")
_PROGRAMS = (PROGRAM, "systemd-run", "ssh", "ssh-keygen")
_POOL = f"hugepages/hugepages-{HUGE_BYTES >> 10}kB"


def facts() -> dict[str, Any]:
    """All of it; hotkit/core/vmdoctor.py says what each is for."""
    programs = {name: which(name) for name in _PROGRAMS}
    config, options = kernel_options(platform.release())
    return {
        "schema_version": 1,
        "pmu": pmu.facts(),
        "modules": modules(),
        "no_kvm": no_kvm(),
        "offered": offered(KVM),
        "config": config,
        "options": options,
        "kvm_counters": [name for name in _KVM_COUNTERS if _kvm_counter(name)],
        "tlb_counters": tlb_counters(),
        "programs": programs,
        "qemu_version": qemu_version() if programs[PROGRAM] else None,
        "space": [space(path) for path in (ROOT, QEMU_TEMPORARY)],
        "cpus_online": sorted(online_cpus()),
        "memory_available": memory_available(),
        "huge": huge_pages(),
        "thp": line("/sys/kernel/mm/transparent_hugepage/enabled") or None,
        "ksm_run": line("/sys/kernel/mm/ksm/run") or None,
        "ksm_sharing": _number("/sys/kernel/mm/ksm/pages_sharing"),
        "no_ptrace": no_ptrace(),
        "no_frames": access.no_frames(),
    }


def modules(root: Path = _MODULES) -> dict[str, dict[str, Any]]:
    """KVM's modules that are there: `loadable` (not built in), and their `parameters` by name."""
    found: dict[str, dict[str, Any]] = {}
    for folder in sorted(root.glob("kvm*")):
        values = {name: text(str(folder / "parameters" / name)) for name in _PARAMETERS}
        found[folder.name] = {
            # Only what was loaded has a state (kernel/module/sysfs.c).
            "loadable": access.reachable(folder / "initstate"),
            "parameters": {key: said.strip() for key, said in values.items() if said is not None},
        }
    return found


def places(release: str) -> tuple[str, ...]:
    """Where a kernel's configuration may be: hotkit's own is in /boot/hotkit."""
    return (
        "/proc/config.gz", f"/boot/config-{release}", f"/boot/hotkit/config-{release}",
        f"/lib/modules/{release}/config",
    )  # fmt: skip


def kernel_options(
    release: str, where: tuple[str, ...] | None = None
) -> tuple[str | None, dict[str, str]]:
    """Which file has the configuration, and what it says of `_OPTIONS`: y, m or n.

    Null and empty where there is none.
    """
    for place in where or places(release):
        said = _config(place)
        if said is not None:
            return place, options_of(said)
    return None, {}


def options_of(config: str) -> dict[str, str]:
    """The values of `_OPTIONS`; one that Kconfig has not written down is n."""
    found = dict(re.findall(r"^CONFIG_(\w+)=(.*)$", config, re.MULTILINE))
    return {name: found.get(name, "n") for name in _OPTIONS}


def _config(path: str) -> str | None:
    try:
        said = Path(path).read_bytes()
        return (gzip.decompress(said) if path.endswith(".gz") else said).decode(errors="replace")
    except (OSError, EOFError, zlib.error):
        return None


def _kvm_counter(name: str) -> bool:
    return line(str(access.DEBUGFS / "kvm" / name)).isdigit()


def tlb_counters() -> list[str]:
    """Those of /proc/vmstat that count flushes: there with CONFIG_DEBUG_TLBFLUSH."""
    rows = (text("/proc/vmstat") or "").splitlines()
    return [row.split()[0] for row in rows if row.startswith("nr_tlb_")]


def qemu_version() -> str | None:
    """`7.2.22` of "QEMU emulator version 7.2.22 (Debian ...)"."""
    found = re.search(r"version (\d[\w.]*)", output(PROGRAM, "--version") or "")
    return found[1] if found else None


def space(folder: Path) -> dict[str, Any]:
    """What is free in a folder, or where it would be made: the first one above that exists."""
    there = folder
    while not access.reachable(there) and there != there.parent:
        there = there.parent
    return {
        "path": str(folder),
        "free": free_bytes(str(there)),
        "writable": os.access(str(there), os.W_OK),
    }


def memory_available() -> int:
    """MemAvailable: what can be had without swapping, as the kernel estimates it."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text("/proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def huge_pages() -> dict[str, dict[str, int]]:
    """Pools of 2 MiB pages, "all" and by node: `total` and `free` pages. Empty without hugetlb."""
    nodes = Path("/sys/devices/system/node").glob("node[0-9]*")
    pools = {"all": Path("/sys/kernel/mm") / _POOL}
    pools.update({path.name[4:]: path / _POOL for path in nodes})
    found = {}
    for name, pool in sorted(pools.items()):
        total, free = _number(str(pool / "nr_hugepages")), _number(str(pool / "free_hugepages"))
        if total is not None and free is not None:
            found[name] = {"total": total, "free": free}
    return found


def _number(path: str) -> int | None:
    said = line(path)
    return int(said) if said.isdigit() else None
