"""What the machine counted during a run: what may explain its time, and what keeps arms honest.

All grow only. `vmstat.*` are those of /proc/vmstat named below, `hotkit.*` those of a patched
kernel (docs/kernel.md), `kvm.*` those of all VMs (debugfs), `psi.*` stall time in us
(Documentation/accounting/psi.rst).
"""

from __future__ import annotations

import os
from pathlib import Path

from hotkit.agent.gather import text

HOTKIT = "/sys/kernel/debug/hotkit/"
_VMSTAT = (
    "nr_tlb_", "numa_", "pgscan_", "pgsteal_", "thp_", "pgdemote_", "pgpromote_", "pgmigrate_",
    "pswp", "pgfault", "pgmajfault",
)  # fmt: skip
_KVM = Path("/sys/kernel/debug/kvm")
# What KVM tells beside counts: how much there is now, how much it was at most, histograms.
_KVM_NO_COUNTS = ("pages_", "max_", "nx_lpage_splits", "mmu_unsync", "guest_mode", "blocking")


def counters() -> dict[str, int]:
    """All counters that this machine has, by name.

    `steal_ns`: time that a hypervisor took from all CPUs (/proc/stat, in ticks); `ctxt`: context
    switches of the machine; `swap`: pages swapped in or out.
    """
    found: dict[str, int] = {}
    tick_ns = 1000000000 // os.sysconf("SC_CLK_TCK")
    for row in (text("/proc/stat") or "").splitlines():
        fields = row.split()
        if fields[:1] == ["cpu"] and len(fields) > 8:
            found["steal_ns"] = int(fields[8]) * tick_ns
        elif fields[:1] == ["ctxt"]:
            found["ctxt"] = int(fields[1])
    for name, value in pairs(text("/proc/vmstat")):
        if name.startswith(_VMSTAT):
            found["vmstat." + name] = value
        if name in ("pswpin", "pswpout"):
            found["swap"] = found.get("swap", 0) + value
    for name, value in pairs(text(HOTKIT + "counters")):
        found["hotkit." + name] = value
    for name in _kvm_files():
        said = (text(str(_KVM / name)) or "").strip()
        if said.isdigit():
            found["kvm." + name] = int(said)
    for kind in ("cpu", "memory", "io"):
        for row in (text("/proc/pressure/" + kind) or "").splitlines():
            fields = row.split()
            if fields and fields[-1].startswith("total="):
                found[f"psi.{kind}_{fields[0]}_us"] = int(fields[-1][6:])
    return found


def _kvm_files() -> list[str]:
    """Names of the files that count for all VMs: flushes, exits by kind, faults."""
    try:
        names = os.listdir(str(_KVM))  # noqa: PTH208 (each is looked at twice a run: strings do)
    except OSError:
        return []
    return [
        name
        for name in names
        if not name.startswith(_KVM_NO_COUNTS)
        and not name.endswith("_hist")
        and "-" not in name  # the directory of one VM: PID-FD
    ]


def cpu_ns(root: Path = Path("/")) -> dict[str, int]:
    """Time of all CPUs since boot, and what a hypervisor took of it (/proc/stat, proc(5)).

    Resolution: a tick for each CPU. Empty where there is no such line.
    """
    tick_ns = 1000000000 // os.sysconf("SC_CLK_TCK")
    for row in (text(str(root / "proc/stat")) or "").splitlines():
        fields = row.split()
        if fields[:1] == ["cpu"] and len(fields) > 8:
            # Guest time (fields 9 and 10) is in user time already.
            return {"all": sum(map(int, fields[1:9])) * tick_ns, "steal": int(fields[8]) * tick_ns}
    return {}


def pairs(said: str | None) -> list[tuple[str, int]]:
    """The "name number" lines of a text; others are left out."""
    found = []
    for row in (said or "").splitlines():
        name, _, value = row.partition(" ")
        if value.strip().lstrip("-").isdigit():
            found.append((name, int(value)))
    return found
