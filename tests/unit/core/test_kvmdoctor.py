"""Which KVM a host has: every finding to the letter, and nothing more."""

from __future__ import annotations

import copy

import pytest

from hotkit.core.gravity import fine, problem, warning
from hotkit.core.kvmdoctor import kvm_findings, reload, switched_on
from tests.unit.doctorfacts import AMD, SERVER, changed

INTEL_AT = "/sys/module/kvm_intel/parameters"
AMD_AT = "/sys/module/kvm_amd/parameters"
VMX = fine("virtualisation", "the CPU has vmx (flags of /proc/cpuinfo)")
SVM = fine("virtualisation", "the CPU has svm (flags of /proc/cpuinfo)")
KVM_INTEL = fine("kvm", "/dev/kvm can be used (kvm_intel)")
KVM_AMD = fine("kvm", "/dev/kvm can be used (kvm_amd)")
EPT = fine("nested-paging", f"guests have nested paging ({INTEL_AT}/ept is Y)")
NPT = fine("nested-paging", f"guests have nested paging ({AMD_AT}/npt is Y)")
EPT_AD = fine("ept-ad", f"the CPU sets A and D bits in the EPT ({INTEL_AT}/eptad is Y)")
NPT_AD = fine("ept-ad", "NPT has ordinary page tables: the CPU sets A and D bits in them")
PML = fine("pml", f"kvm-dirty will measure PML ({INTEL_AT}/pml is Y)")
NO_SUCH_CPU = "for PML: a CPU that has it (pml among the vmx flags of /proc/cpuinfo)"
NOT_INTEL = "for PML: Intel, or a CPU and a kernel whose kvm_amd has the parameter pml"


def shadows(evidence, fix):
    return problem(
        "nested-paging",
        f"KVM shadows its guests' page tables ({evidence}): scans over a VM, and their cost, would"
        " be those of another mechanism",
        fix,
    )


def traps(evidence, fix):
    return warning(
        "ept-ad",
        f"no A bits in the EPT ({evidence}): a scan over a VM takes the rights from entries, and"
        " the next access to each page exits",
        fix,
    )


def write_protects(evidence, fix):
    return warning("pml", f"kvm-dirty will measure write protection ({evidence})", fix)


def without(vm, *, flags=(), vmx_flags=()):
    found = copy.deepcopy(vm)
    for key, gone in (("flags", flags), ("vmx_flags", vmx_flags)):
        found["pmu"][key] = [name for name in found["pmu"][key] if name not in gone]
    return found


def intel(vm=SERVER, **parameters):
    found = copy.deepcopy(vm)
    found["modules"]["kvm_intel"]["parameters"].update(parameters)
    return found


def test_of_intel_and_amd_as_one_would_like_them():
    assert kvm_findings(SERVER, True) == [VMX, KVM_INTEL, EPT, EPT_AD, PML]
    assert kvm_findings(intel(ept="1", eptad="1", pml="1"), False) == [
        VMX,
        KVM_INTEL,
        fine("nested-paging", f"guests have nested paging ({INTEL_AT}/ept is 1)"),
        fine("ept-ad", f"the CPU sets A and D bits in the EPT ({INTEL_AT}/eptad is 1)"),
        fine("pml", f"kvm-dirty will measure PML ({INTEL_AT}/pml is 1)"),
    ]
    none = write_protects("kvm_amd has no parameter pml", NOT_INTEL)
    assert kvm_findings(AMD, True) == [SVM, KVM_AMD, NPT, NPT_AD, none]


@pytest.mark.parametrize(
    ("value", "on"),
    [("Y", True), ("1", True), ("N", False), ("0", False), ("", False), ("y", False),
     (None, False)],
)  # fmt: skip
def test_a_parameter_is_switched_on(value, on):
    assert switched_on(value) is on


def test_a_cpu_that_can_is_told_how_to_switch_it_on():
    vm = intel(ept="N", eptad="N", pml="N")
    load = "modprobe -r kvm_intel && modprobe kvm_intel"
    assert kvm_findings(vm, True)[2:] == [
        shadows(f"{INTEL_AT}/ept is N", f"{load} ept=1"),
        traps(f"{INTEL_AT}/eptad is N", f"{load} eptad=1"),
        write_protects(f"{INTEL_AT}/pml is N", f"for PML: {load} eptad=1 pml=1"),
    ]
    # One of the two lists of /proc/cpuinfo is enough.
    for gone in ({"flags": ("ept_ad",)}, {"vmx_flags": ("ept_ad",)}):
        assert kvm_findings(without(vm, **gone), True)[3].fix == f"{load} eptad=1"


def test_a_cpu_that_cannot_is_told_which_could():
    vm = without(
        intel(ept="N", eptad="N", pml="N"), flags=("ept", "ept_ad"), vmx_flags=("ept_ad", "pml")
    )
    ad = (
        "a CPU with A and D bits in the EPT (ept_ad in /proc/cpuinfo); else report it as what it"
        " is, a trap"
    )
    assert kvm_findings(vm, True)[2:] == [
        shadows(f"{INTEL_AT}/ept is N", "a CPU with EPT"),
        traps(f"{INTEL_AT}/eptad is N", ad),
        write_protects(f"{INTEL_AT}/pml is N", NO_SUCH_CPU),
    ]
    off = changed(AMD, "modules", "kvm_amd", "parameters", to={"npt": "0", "pml": "N"})
    at = f"{AMD_AT}/npt is 0"
    load = "modprobe -r kvm_amd && modprobe kvm_amd npt=1"
    protects = write_protects(f"{AMD_AT}/pml is N", NOT_INTEL)
    assert kvm_findings(off, True)[2:] == [shadows(at, load), NPT_AD, protects]
    assert kvm_findings(without(off, flags=("npt",)), True)[2] == shadows(at, "a CPU with NPT")


def test_a_module_without_a_parameter():
    vm = changed(SERVER, "modules", "kvm_intel", "parameters", to={})
    load = "modprobe -r kvm_intel && modprobe kvm_intel"
    assert kvm_findings(vm, True)[2:] == [
        shadows("kvm_intel has no parameter ept", f"{load} ept=1"),
        traps("kvm_intel has no parameter eptad", f"{load} eptad=1"),
        write_protects("kvm_intel has no parameter pml", NO_SUCH_CPU),
    ]


def test_what_is_built_in_is_set_at_boot():
    vm = changed(SERVER, "modules", "kvm_intel", "loadable", to=False)
    assert reload(vm, "kvm_intel", "eptad=1 pml=1") == (
        "kvm_intel.eptad=1 kvm_intel.pml=1 on the kernel's command line: kvm_intel is built in"
    )
    loads = "modprobe -r kvm && modprobe kvm enable_pmu=1"
    assert reload(vm, "kvm", "enable_pmu=1") == loads


def test_a_kvm_that_is_neither_intels_nor_amds():
    plain = without(SERVER, flags=("vmx",))
    plain["modules"] = {name: {"loadable": True, "parameters": {}} for name in ("kvm", "kvm_pvm")}
    software = warning(
        "virtualisation",
        "/proc/cpuinfo has neither vmx nor svm, KVM is kvm_pvm: it makes page tables for its"
        " guests in software, without EPT, NPT or PML",
        "metal, or a VM whose CPU has vmx or svm, for what the study compares",
    )
    assert kvm_findings(plain, False) == [
        software,
        fine("kvm", "/dev/kvm can be used (kvm_pvm)"),
        write_protects("kvm_pvm has no parameter pml", NOT_INTEL),
    ]
    plain["modules"]["kvm_xen"] = plain["modules"].pop("kvm")
    assert kvm_findings(plain, False)[1] == fine("kvm", "/dev/kvm can be used (kvm_pvm, kvm_xen)")
    plain["modules"] = {}
    assert kvm_findings(plain, True)[1:] == [
        fine("kvm", "/dev/kvm can be used (kvm)"),
        write_protects("kvm has no parameter pml", NOT_INTEL),
    ]


def test_both_modules_are_named_and_intels_is_asked():
    vm = copy.deepcopy(SERVER)
    vm["modules"] = {**AMD["modules"], **SERVER["modules"]}
    vm["pmu"]["flags"] = [*vm["pmu"]["flags"], "svm"]
    both = fine("kvm", "/dev/kvm can be used (kvm_intel, kvm_amd)")
    assert kvm_findings(vm, True) == [VMX, both, EPT, EPT_AD, PML]


@pytest.mark.parametrize(
    ("metal", "fix"),
    [
        (True, "switch VT-x (AMD: SVM) on in the firmware"),
        (False, "where this machine is started: modprobe kvm_intel nested=1 (or kvm_amd), and"
         " -cpu host"),
    ],
)  # fmt: skip
def test_a_host_without_virtualisation(metal, fix):
    bare = without(SERVER, flags=("vmx",))
    bare["modules"], bare["no_kvm"] = {}, ["there is no /dev/kvm", "modprobe kvm_intel"]
    none = problem(
        "virtualisation", "the CPU has neither vmx nor svm (flags of /proc/cpuinfo)", fix
    )
    unusable = problem("kvm", "no guest can run: there is no /dev/kvm", "modprobe kvm_intel")
    assert kvm_findings(bare, metal) == [none, unusable]
    # A module of another kind that gives no /dev/kvm is no KVM.
    bare["modules"] = {"kvm_pvm": {"loadable": True, "parameters": {}}}
    assert kvm_findings(bare, metal) == [none, unusable]
