"""Hardware samples in a guest, PEBS or IBS: which of vPMU, CPU and KVM stands in the way.

Facts (hotkit/agent/pmu.py, kvmoffer.py) in, findings out. What KVM would offer is asked of KVM,
what a guest got is seen in the guest: no version is compared. From Linux 6.0 on KVM passes PEBS on
where perf says that the CPU can write its records through EPT (x86_pmu.pebs_ept: Ice Lake servers
and later). Since 6.9, 6.8.8 and other stable kernels of April 2024 it holds back PEBS_BASELINE
(commit 9e985cbf2942); a record of format 4 or later is then a basic one, without a data address
(intel_ds_init(): "Only basic record supported").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hotkit.core.gravity import Finding, fine, warning
from hotkit.core.kvmdoctor import INTEL, reload, switched_on

OLDEST_FORMAT = 4
HYBRID = "cpu_core"
_WITHOUT = "without, perf in the guest has event: page-faults only"
_ENABLE_PMU = "/sys/module/kvm/parameters/enable_pmu"


def host_samples(vm: Mapping[str, Any], pmus: Mapping[str, bool]) -> Iterator[Finding]:
    """What guests of this host could have. `pmus`: those of the host, by name."""
    yield _vpmu(vm, pmus)
    if vm["pmu"]["vendor"] == "AuthenticAMD":
        yield _ibs(vm)
    else:
        yield _cpu(vm["pmu"])
        yield _kvm(vm)


def guest_samples(pmu: Mapping[str, Any], pmus: Mapping[str, bool]) -> Finding:
    """What a guest got, as it is seen in it."""
    code = "guest-pebs"
    names = ", ".join(pmus) or "none at all"
    if pmu["vendor"] == "AuthenticAMD":
        if pmus.get("ibs_op"):
            return fine(code, "the guest has IBS (ibs_op)")
        return warning(
            code, f"the guest has no IBS (PMUs: {names}): KVM does not pass it on", _WITHOUT
        )
    if "cpu" not in pmus:
        return warning(
            code,
            f"missing: a virtual PMU (the guest has: {names})",
            f"-cpu host without pmu=off for the VM, {_ENABLE_PMU} Y on its host",
        )
    if "pebs" not in pmu["flags"] and not pmu["pebs_said"]:
        return warning(
            code,
            "missing: PEBS, though the guest has a virtual PMU (no pebs in its /proc/cpuinfo)",
            "guest-pebs-cpu and guest-pebs-kvm of the host say which of the two lacks it",
        )
    evidence = _seen(pmu)
    if baseline(pmu):
        return fine(code, f"the guest has PEBS with data addresses ({evidence})")
    return warning(
        code,
        f"missing: data addresses: the guest has PEBS with basic records only ({evidence})",
        f"another kernel on its host (guest-pebs-kvm); {_WITHOUT}",
    )


def baseline(pmu: Mapping[str, Any]) -> bool:
    """Whether records can have data addresses: by the register, else by the kernel's log."""
    value = pmu["perf_capabilities"]
    if value is not None:
        return pebs_format(value) < OLDEST_FORMAT or bool(value >> 14 & 1)
    said = pmu["pebs_said"] or ""
    return said.endswith("-baseline") or any(f"fmt{old}" in said for old in range(OLDEST_FORMAT))


def pebs_format(capabilities: int) -> int:
    """Bits 8 to 11 of IA32_PERF_CAPABILITIES."""
    return capabilities >> 8 & 0xF


def _seen(pmu: Mapping[str, Any]) -> str:
    value = pmu["perf_capabilities"]
    if value is not None:
        return f"MSR 0x345 is {value:#x}: format {pebs_format(value)}" + (
            ", baseline" if value >> 14 & 1 else ", no baseline"
        )
    return f"its kernel said {pmu['pebs_said']}" if pmu["pebs_said"] else "flag pebs"


def _vpmu(vm: Mapping[str, Any], pmus: Mapping[str, bool]) -> Finding:
    code = "guest-vpmu"
    said = vm["modules"].get("kvm", {}).get("parameters", {}).get("enable_pmu")
    if "cpu" not in pmus:
        hybrid = HYBRID in pmus
        return warning(
            code,
            "guests get no PMU: this host has "
            + ("one for each kind of core, which KVM passes on to nobody" if hybrid else "none"),
            "a server's CPU" if hybrid else "metal, or pmu=on where this machine is started",
        )
    if said is not None and not switched_on(said):
        return warning(
            code,
            f"guests get no PMU ({_ENABLE_PMU} is {said})",
            f"{reload(vm, 'kvm', 'enable_pmu=1')} (first modprobe -r kvm_intel or kvm_amd)",
        )
    offer = vm["offered"]
    if offer and vm["pmu"]["vendor"] == "GenuineIntel" and not offer["pmu_version"]:
        return warning(
            code,
            "guests get no PMU: KVM offers none (KVM_GET_SUPPORTED_CPUID, leaf 0xa)",
            "dmesg says why; kvm.enable_pmu=1 on the kernel's command line",
        )
    evidence = f"{_ENABLE_PMU} is {said}" if said else "KVM has no switch for it"
    return fine(code, f"KVM gives its guests a PMU ({evidence})")


def _cpu(pmu: Mapping[str, Any]) -> Finding:
    code = "guest-pebs-cpu"
    fix = f"Ice Lake server or later; {_WITHOUT}"
    if "pebs" not in pmu["flags"] and not pmu["pebs_said"]:
        return warning(code, "the CPU shows no PEBS (flags of /proc/cpuinfo)", fix)
    value = pmu["perf_capabilities"]
    if value is None and not pmu["pebs_said"]:
        return warning(
            code, "the CPU has PEBS, of which kind cannot be read (/dev/cpu/0/msr)", "modprobe msr"
        )
    modern = (
        pebs_format(value) >= OLDEST_FORMAT and value >> 14 & 1
        if value is not None
        else pmu["pebs_said"].endswith("-baseline")
    )
    if modern:
        return fine(code, f"the CPU has PEBS of the kind that guests can have ({_seen(pmu)})")
    return warning(code, f"the CPU's PEBS is not for guests ({_seen(pmu)})", fix)


def _kvm(vm: Mapping[str, Any]) -> Finding:
    code = "guest-pebs-kvm"
    offer = vm["offered"]
    if offer is None:
        return warning(code, "what KVM offers cannot be asked: /dev/kvm", "see kvm")
    value = offer["perf_capabilities"] or 0
    evidence = f"KVM_GET_MSRS of 0x345 gives {value:#x}"
    if not offer["ds"] or not pebs_format(value):
        able = _cpu(vm["pmu"]).fix is None and INTEL in vm["modules"]
        return warning(
            code,
            f"KVM offers its guests no PEBS (CPUID 1, EDX bit 21: {int(offer['ds'])}; {evidence})",
            "a kernel that passes PEBS on (Linux 6.0)"
            if able
            else f"see guest-vpmu and guest-pebs-cpu; {_WITHOUT}",
        )
    if pebs_format(value) >= OLDEST_FORMAT and not value >> 14 & 1:
        return warning(
            code,
            f"KVM offers its guests PEBS without PEBS_BASELINE ({evidence}): records have no data"
            " address, which kernels of since April 2024 hold back",
            f"an earlier kernel (6.0 to 6.8.7) on the host; {_WITHOUT}",
        )
    return fine(code, f"KVM offers its guests PEBS with data addresses ({evidence})")


def _ibs(vm: Mapping[str, Any]) -> Finding:
    code = "guest-ibs"
    if "ibs" not in vm["pmu"]["flags"]:
        return warning(code, "the CPU shows no IBS (flags of /proc/cpuinfo)", _WITHOUT)
    if vm["offered"] and vm["offered"]["ibs"]:
        return fine(code, "KVM offers its guests IBS (CPUID 0x80000001, ECX bit 10)")
    return warning(
        code,
        "KVM offers its guests no IBS (CPUID 0x80000001, ECX bit 10 of KVM_GET_SUPPORTED_CPUID)",
        f"a kernel that does; {_WITHOUT}",
    )
