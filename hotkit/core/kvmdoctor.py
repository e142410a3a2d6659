"""Which KVM a host has: virtualisation, nested paging, A and D bits in it, PML.

All of it decides what "over a VM" is here: what a scan looks at, and how a dirty log learns of a
write. Facts (hotkit/agent/vmdoctor.py) in, findings out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hotkit.core.gravity import Finding, fine, problem, warning

INTEL, AMD = "kvm_intel", "kvm_amd"


def kvm_findings(vm: Mapping[str, Any], metal: bool) -> list[Finding]:
    """Of hotkit/agent/vmdoctor.py's facts; `metal`: nobody virtualises this host itself."""
    found = [*_virtualisation(vm, metal), *_kvm(vm)]
    name = next((name for name in (INTEL, AMD) if name in vm["modules"]), None)
    if name:
        found += [*_paging(vm, name), *_accessed(vm, name)]
    return found if vm["no_kvm"] else [*found, *_pml(vm, name)]


def switched_on(value: str | None) -> bool:
    """A module's parameter of type bool or int."""
    return value in ("Y", "1")


def _virtualisation(vm: Mapping[str, Any], metal: bool) -> Iterator[Finding]:
    flag = next((name for name in ("vmx", "svm") if name in vm["pmu"]["flags"]), None)
    other = _others(vm)
    if flag:
        yield fine("virtualisation", f"the CPU has {flag} (flags of /proc/cpuinfo)")
    elif other and not vm["no_kvm"]:
        yield warning(
            "virtualisation",
            f"/proc/cpuinfo has neither vmx nor svm, KVM is {other}: it makes page tables for its"
            " guests in software, without EPT, NPT or PML",
            "metal, or a VM whose CPU has vmx or svm, for what the study compares",
        )
    else:
        yield problem(
            "virtualisation",
            "the CPU has neither vmx nor svm (flags of /proc/cpuinfo)",
            "switch VT-x (AMD: SVM) on in the firmware"
            if metal
            else "where this machine is started: modprobe kvm_intel nested=1 (or kvm_amd), and"
            " -cpu host",
        )


def _kvm(vm: Mapping[str, Any]) -> Iterator[Finding]:
    if vm["no_kvm"]:
        why, fix = vm["no_kvm"]
        yield problem("kvm", f"no guest can run: {why}", fix)
        return
    names = [name for name in (INTEL, AMD) if name in vm["modules"]]
    yield fine("kvm", f"/dev/kvm can be used ({', '.join(names) or _others(vm) or 'kvm'})")


def _paging(vm: Mapping[str, Any], name: str) -> Iterator[Finding]:
    parameter = "ept" if name == INTEL else "npt"
    said = vm["modules"][name]["parameters"].get(parameter)
    evidence = _evidence(name, parameter, said)
    if switched_on(said):
        yield fine("nested-paging", f"guests have nested paging ({evidence})")
        return
    able = parameter in vm["pmu"]["flags"]
    yield problem(
        "nested-paging",
        f"KVM shadows its guests' page tables ({evidence}): scans over a VM, and their cost, would"
        " be those of another mechanism",
        reload(vm, name, f"{parameter}=1") if able else f"a CPU with {parameter.upper()}",
    )


def _accessed(vm: Mapping[str, Any], name: str) -> Iterator[Finding]:
    if name == AMD:
        yield fine("ept-ad", "NPT has ordinary page tables: the CPU sets A and D bits in them")
        return
    said = vm["modules"][name]["parameters"].get("eptad")
    evidence = _evidence(name, "eptad", said)
    if switched_on(said):
        yield fine("ept-ad", f"the CPU sets A and D bits in the EPT ({evidence})")
        return
    able = "ept_ad" in {*vm["pmu"]["flags"], *vm["pmu"]["vmx_flags"]}
    yield warning(
        "ept-ad",
        f"no A bits in the EPT ({evidence}): a scan over a VM takes the rights from entries, and"
        " the next access to each page exits",
        reload(vm, name, "eptad=1")
        if able
        else "a CPU with A and D bits in the EPT (ept_ad in /proc/cpuinfo); else report it as what"
        " it is, a trap",
    )


def _pml(vm: Mapping[str, Any], name: str | None) -> Iterator[Finding]:
    said = vm["modules"][name]["parameters"].get("pml") if name else None
    evidence = _evidence(name or _others(vm) or "kvm", "pml", said)
    if switched_on(said):
        yield fine("pml", f"kvm-dirty will measure PML ({evidence})")
        return
    if name and said and "pml" in vm["pmu"]["vmx_flags"]:
        fix = f"for PML: {reload(vm, name, 'eptad=1 pml=1')}"
    elif name == INTEL:
        fix = "for PML: a CPU that has it (pml among the vmx flags of /proc/cpuinfo)"
    else:
        fix = "for PML: Intel, or a CPU and a kernel whose kvm_amd has the parameter pml"
    yield warning("pml", f"kvm-dirty will measure write protection ({evidence})", fix)


def reload(vm: Mapping[str, Any], name: str, parameters: str) -> str:
    """The command that gives a module other parameters: no VM may run meanwhile."""
    if vm["modules"][name]["loadable"]:
        return f"modprobe -r {name} && modprobe {name} {parameters}"
    words = " ".join(f"{name}.{word}" for word in parameters.split())
    return f"{words} on the kernel's command line: {name} is built in"


def _others(vm: Mapping[str, Any]) -> str:
    return ", ".join(item for item in vm["modules"] if item not in ("kvm", INTEL, AMD))


def _evidence(module: str, parameter: str, said: str | None) -> str:
    if said is None:
        return f"{module} has no parameter {parameter}"
    return f"/sys/module/{module}/parameters/{parameter} is {said}"
