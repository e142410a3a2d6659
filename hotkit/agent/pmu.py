"""What a machine shows of hardware samples (PEBS, IBS): the same question to a host and to a guest.

Of a guest it is the answer to "did it get PEBS": its CPU's flags, what its kernel made of them, and
where the msr driver is loaded the register itself. Reads only; what cannot be read is null.
"""

from __future__ import annotations

import os
import re
from typing import Any

from hotkit.agent.gather import line, output, text

# Of IA32_PERF_CAPABILITIES (SDM 4, table 2-2): PEBS format in bits 8 to 11, bit 14 PEBS_BASELINE.
PERF_CAPABILITIES = 0x345
_MSR = "/dev/cpu/0/msr"
_CAPS = "/sys/bus/event_source/devices/cpu/caps/"
_FLAGS = (
    "vmx", "svm", "ept", "ept_ad", "npt", "flushbyasid", "hypervisor",
    "arch_perfmon", "pdcm", "ds", "dtes64", "pebs", "ibs", "perfctr_core",
)  # fmt: skip


def facts() -> dict[str, Any]:
    """`vendor` and `flags` of the CPU, `vmx_flags`; `pebs_said`: the kernel's word at its boot."""
    cpu = cpu_words(text("/proc/cpuinfo") or "")
    return {
        **cpu,
        "flags": sorted(set(cpu["flags"]) & set(_FLAGS)),
        "perf_capabilities": perf_capabilities(),
        "pebs_said": pebs_said(output("dmesg") or ""),
        "max_precise": line(_CAPS + "max_precise") or None,
        "pmu_name": line(_CAPS + "pmu_name") or None,
    }


def cpu_words(cpuinfo: str) -> dict[str, Any]:
    """Vendor, all flags and all VMX flags of the first CPU of /proc/cpuinfo."""
    first = cpuinfo.partition("\n\n")[0]
    rows: dict[str, str] = {}
    for row in first.splitlines():
        name, _, said = row.partition(":")
        rows[name.strip()] = said.strip()
    return {
        "vendor": rows.get("vendor_id") or None,
        "flags": rows.get("flags", "").split(),
        "vmx_flags": rows.get("vmx flags", "").split(),
    }


def pebs_said(log: str) -> str | None:
    """`PEBS fmt4+-baseline` of the kernel's log (intel_ds_init()); null when it is not there."""
    found = re.search(r"Performance Events:.*?(PEBS fmt[\w+-]+)", log)
    return found[1] if found else None


def perf_capabilities(path: str = _MSR) -> int | None:
    """The register of CPU 0; null without the msr driver, the right, or the register."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        said = os.pread(handle, 8, PERF_CAPABILITIES)
    except OSError:
        return None
    finally:
        os.close(handle)
    return int.from_bytes(said, "little") if len(said) == 8 else None
