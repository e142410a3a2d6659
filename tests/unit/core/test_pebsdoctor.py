"""Which of vPMU, CPU and KVM stands in the way of hardware samples in a guest."""

from __future__ import annotations

from typing import Any

import pytest

from hotkit.core.gravity import Finding, Gravity
from hotkit.core.pebsdoctor import baseline, guest_samples, host_samples, pebs_format
from tests.unit.doctorfacts import AMD, AMD_PMU, GUEST_PMU, ICE_LAKE, SERVER, changed

PMUS = {"cpu": True, "software": False}
BASIC = ICE_LAKE & ~(1 << 14)
SKYLAKE = 0x33C5  # format 3


def of_host(vm: dict[str, Any], pmus: dict[str, bool] | None = None) -> dict[str, Finding]:
    return {item.code: item for item in host_samples(vm, PMUS if pmus is None else pmus)}


def missing(vm: dict[str, Any], pmus: dict[str, bool] | None = None) -> set[str]:
    found = of_host(vm, pmus).values()
    return {item.code for item in found if item.gravity is Gravity.WARNING}


def test_the_register():
    assert (pebs_format(ICE_LAKE), pebs_format(SKYLAKE)) == (4, 3)
    said = {"pebs_said": None, "perf_capabilities": None}
    assert baseline(said | {"perf_capabilities": ICE_LAKE})
    assert not baseline(said | {"perf_capabilities": BASIC})
    assert baseline(said | {"perf_capabilities": SKYLAKE})  # all its records have the address
    assert baseline(said | {"pebs_said": "PEBS fmt4+-baseline"})
    assert not baseline(said | {"pebs_said": "PEBS fmt4+"})
    assert baseline(said | {"pebs_said": "PEBS fmt3+"})
    assert not baseline(said)  # nothing is claimed of what nobody saw


def test_all_three_are_there():
    assert missing(SERVER) == set()
    found = of_host(SERVER)
    assert "enable_pmu is Y" in found["guest-vpmu"].sentence
    assert "MSR 0x345 is 0x74c5: format 4, baseline" in found["guest-pebs-cpu"].sentence
    assert "KVM_GET_MSRS of 0x345 gives 0x74c5" in found["guest-pebs-kvm"].sentence


@pytest.mark.parametrize(
    ("path", "to", "code", "words", "fix"),
    [
        (("modules", "kvm", "parameters", "enable_pmu"), "N", "guest-vpmu", "enable_pmu is N",
         "modprobe -r kvm && modprobe kvm enable_pmu=1"),
        (("offered", "pmu_version"), 0, "guest-vpmu", "leaf 0xa", "dmesg"),
        (("pmu", "perf_capabilities"), SKYLAKE, "guest-pebs-cpu", "format 3", "Ice Lake server"),
        (("offered", "ds"), False, "guest-pebs-kvm", "EDX bit 21: 0", "Linux 6.0"),
        (("offered", "perf_capabilities"), 0, "guest-pebs-kvm", "gives 0x0", "Linux 6.0"),
        (("offered", "perf_capabilities"), BASIC, "guest-pebs-kvm", "without PEBS_BASELINE",
         "6.0 to 6.8.7"),
        (("offered",), None, "guest-pebs-kvm", "/dev/kvm", "see kvm"),
    ],
)  # fmt: skip
def test_one_of_the_three_is_missing(path, to, code, words, fix):
    vm = changed(SERVER, *path, to=to)
    assert missing(vm) == {code}
    found = of_host(vm)[code]
    assert words in found.sentence and fix in str(found.fix)


def test_an_old_cpu_explains_what_kvm_does_not_offer():
    vm = changed(SERVER, "pmu", "perf_capabilities", to=SKYLAKE)
    vm["offered"] |= {"ds": False, "perf_capabilities": 0}
    assert missing(vm) == {"guest-pebs-cpu", "guest-pebs-kvm"}
    assert "guest-pebs-cpu" in str(of_host(vm)["guest-pebs-kvm"].fix)


def test_a_host_without_a_pmu_or_with_two_kinds_of_cores():
    assert "this host has none" in of_host(SERVER, {"software": False})["guest-vpmu"].sentence
    found = of_host(SERVER, {"cpu_core": True, "cpu_atom": True})["guest-vpmu"]
    assert "each kind of core" in found.sentence and found.fix == "a server's CPU"


def test_what_cannot_be_read_is_not_guessed():
    vm = changed(SERVER, "pmu", "perf_capabilities", to=None)
    assert missing(vm) == set()  # the kernel's log says it
    vm["pmu"]["pebs_said"] = None
    found = of_host(vm)["guest-pebs-cpu"]
    assert "cannot be read" in found.sentence and found.fix == "modprobe msr"
    vm["pmu"]["flags"].remove("pebs")
    assert "shows no PEBS" in of_host(vm)["guest-pebs-cpu"].sentence


def test_ibs():
    assert missing(AMD) == {"guest-ibs"}
    assert missing(changed(AMD, "offered", "ibs", to=True)) == set()
    bare = changed(AMD, "pmu", "flags", to=["svm", "npt"])
    assert "shows no IBS" in of_host(bare)["guest-ibs"].sentence


@pytest.mark.parametrize(
    ("pmu", "pmus", "words"),
    [
        (GUEST_PMU, {"software": False}, "missing: a virtual PMU (the guest has: software)"),
        (GUEST_PMU | {"flags": ["arch_perfmon"], "pebs_said": None}, PMUS, "missing: PEBS"),
        (GUEST_PMU | {"perf_capabilities": BASIC}, PMUS, "missing: data addresses"),
        (GUEST_PMU | {"perf_capabilities": None, "pebs_said": "PEBS fmt4+"}, PMUS,
         "basic records only (its kernel said PEBS fmt4+)"),
        (AMD_PMU, PMUS, "the guest has no IBS"),
    ],
)  # fmt: skip
def test_what_a_guest_got(pmu, pmus, words):
    found = guest_samples(pmu, pmus)
    assert found.gravity is Gravity.WARNING and words in found.sentence and found.fix


def test_a_guest_that_got_samples():
    assert guest_samples(GUEST_PMU, PMUS).gravity is Gravity.FINE
    assert guest_samples(AMD_PMU, PMUS | {"ibs_op": True}).gravity is Gravity.FINE
