"""Hardware samples in guests: every finding to the letter, in its order."""

from __future__ import annotations

import copy

import pytest

from hotkit.core.gravity import fine, warning
from hotkit.core.pebsdoctor import baseline, guest_samples, host_samples, pebs_format
from tests.unit.doctorfacts import AMD, AMD_PMU, GUEST_PMU, ICE_LAKE, SERVER, changed

PMUS = {"cpu": True, "software": False}
BASIC = ICE_LAKE & ~(1 << 14)
SKYLAKE = 0x33C5  # format 3
WITHOUT = "without, perf in the guest has event: page-faults only"
SWITCH = "/sys/module/kvm/parameters/enable_pmu"
VPMU = fine("guest-vpmu", f"KVM gives its guests a PMU ({SWITCH} is Y)")
CPU = fine(
    "guest-pebs-cpu",
    "the CPU has PEBS of the kind that guests can have (MSR 0x345 is 0x74c5: format 4, baseline)",
)
KVM = fine(
    "guest-pebs-kvm",
    "KVM offers its guests PEBS with data addresses (KVM_GET_MSRS of 0x345 gives 0x74c5)",
)
NEWER_CPU = f"Ice Lake server or later; {WITHOUT}"
SEE_THE_OTHERS = f"see guest-vpmu and guest-pebs-cpu; {WITHOUT}"
NEWER_KERNEL = "a kernel that passes PEBS on (Linux 6.0)"


def of_host(vm, pmus=None):
    return list(host_samples(vm, PMUS if pmus is None else pmus))


def no_pmu(why, fix):
    return warning("guest-vpmu", f"guests get no PMU{why}", fix)


def not_for_guests(evidence):
    return warning("guest-pebs-cpu", f"the CPU's PEBS is not for guests ({evidence})", NEWER_CPU)


def no_offer(ds, value, fix):
    return warning(
        "guest-pebs-kvm",
        f"KVM offers its guests no PEBS (CPUID 1, EDX bit 21: {ds}; KVM_GET_MSRS of 0x345 gives"
        f" {value})",
        fix,
    )


@pytest.mark.parametrize(
    ("value", "version"),
    [(0, 0), (0xF00, 15), (0xFF, 0), (0x100, 1), (0xF000, 0), (0x1_0000_0800, 8), (0x74C5, 4)],
)
def test_the_format_is_four_bits(value, version):
    assert pebs_format(value) == version


@pytest.mark.parametrize(
    ("capabilities", "said", "has"),
    [
        (0x4400, None, True), (0x0400, None, False), (0x0300, None, True), (0x0500, None, False),
        (0x8400, None, False), (0x2400, None, False), (0xC500, None, True),
        # The register is asked first.
        (0x0400, "PEBS fmt3+", False),
        (None, None, False), (None, "PEBS fmt4+", False), (None, "PEBS fmt4+-baseline", True),
        (None, "PEBS fmt0-", True), (None, "PEBS fmt1+", True), (None, "PEBS fmt2+", True),
        (None, "PEBS fmt3+", True), (None, "PEBS fmt5+", False),
    ],
)  # fmt: skip
def test_whether_records_can_have_data_addresses(capabilities, said, has):
    assert baseline({"perf_capabilities": capabilities, "pebs_said": said}) is has


def test_all_three_in_their_order():
    assert of_host(SERVER) == [VPMU, CPU, KVM]


@pytest.mark.parametrize(
    ("pmus", "found"),
    [
        ({}, no_pmu(": this host has none", "metal, or pmu=on where this machine is started")),
        ({"cpu_core": True}, no_pmu(": this host has one for each kind of core, which KVM passes"
                                    " on to nobody", "a server's CPU")),
    ],
)  # fmt: skip
def test_a_host_without_a_pmu_for_guests(pmus, found):
    assert of_host(SERVER, pmus) == [found, CPU, KVM]


def test_the_switch_of_kvm():
    off = changed(SERVER, "modules", "kvm", "parameters", "enable_pmu", to="N")
    load = "modprobe -r kvm && modprobe kvm enable_pmu=1 (first modprobe -r kvm_intel or kvm_amd)"
    assert of_host(off) == [no_pmu(f" ({SWITCH} is N)", load), CPU, KVM]
    fixed = fine("guest-vpmu", "KVM gives its guests a PMU (KVM has no switch for it)")
    assert of_host(changed(SERVER, "modules", "kvm", "parameters", to={})) == [fixed, CPU, KVM]
    assert of_host(changed(SERVER, "modules", to={}))[0] == fixed


def test_a_kvm_that_offers_no_pmu():
    none = no_pmu(
        ": KVM offers none (KVM_GET_SUPPORTED_CPUID, leaf 0xa)",
        "dmesg says why; kvm.enable_pmu=1 on the kernel's command line",
    )
    assert of_host(changed(SERVER, "offered", "pmu_version", to=0)) == [none, CPU, KVM]
    assert of_host(changed(SERVER, "offered", "pmu_version", to=1)) == [VPMU, CPU, KVM]
    # The leaf is Intel's: of others nothing is claimed.
    other = changed(SERVER, "pmu", "vendor", to="CentaurHauls")
    other["offered"]["pmu_version"] = 0
    assert of_host(other) == [VPMU, CPU, KVM]


def test_what_kvm_offers_where_it_cannot_be_asked():
    unknown = warning("guest-pebs-kvm", "what KVM offers cannot be asked: /dev/kvm", "see kvm")
    assert of_host(changed(SERVER, "offered", to=None)) == [VPMU, CPU, unknown]


@pytest.mark.parametrize(
    ("pmu", "found"),
    [
        ({"flags": [], "pebs_said": None}, warning(
            "guest-pebs-cpu", "the CPU shows no PEBS (flags of /proc/cpuinfo)", NEWER_CPU)),
        ({"flags": []}, CPU),  # the kernel's log is as good
        ({"perf_capabilities": None, "pebs_said": None}, warning(
            "guest-pebs-cpu", "the CPU has PEBS, of which kind cannot be read (/dev/cpu/0/msr)",
            "modprobe msr")),
        ({"perf_capabilities": None}, fine(
            "guest-pebs-cpu", "the CPU has PEBS of the kind that guests can have (its kernel said"
            " PEBS fmt4+-baseline)")),
        ({"perf_capabilities": None, "pebs_said": "PEBS fmt3+"},
         not_for_guests("its kernel said PEBS fmt3+")),
        ({"pebs_said": None}, CPU),
        ({"perf_capabilities": SKYLAKE}, not_for_guests(
            "MSR 0x345 is 0x33c5: format 3, no baseline")),
        ({"perf_capabilities": 0x4300}, not_for_guests("MSR 0x345 is 0x4300: format 3, baseline")),
        ({"perf_capabilities": 0x8400}, not_for_guests(
            "MSR 0x345 is 0x8400: format 4, no baseline")),
        ({"perf_capabilities": 0x2400}, not_for_guests(
            "MSR 0x345 is 0x2400: format 4, no baseline")),
        ({"perf_capabilities": 0x4500}, fine(
            "guest-pebs-cpu", "the CPU has PEBS of the kind that guests can have (MSR 0x345 is"
            " 0x4500: format 5, baseline)")),
    ],
)  # fmt: skip
def test_the_cpu(pmu, found):
    assert of_host(SERVER | {"pmu": SERVER["pmu"] | pmu}) == [VPMU, found, KVM]


@pytest.mark.parametrize(
    ("offer", "found"),
    [
        ({"ds": False}, no_offer(0, "0x74c5", NEWER_KERNEL)),
        ({"perf_capabilities": 0x4000}, no_offer(1, "0x4000", NEWER_KERNEL)),
        ({"perf_capabilities": None}, no_offer(1, "0x0", NEWER_KERNEL)),
        ({"perf_capabilities": 0x0300}, fine(
            "guest-pebs-kvm", "KVM offers its guests PEBS with data addresses (KVM_GET_MSRS of"
            " 0x345 gives 0x300)")),
        *(({"perf_capabilities": value}, warning(
            "guest-pebs-kvm", f"KVM offers its guests PEBS without PEBS_BASELINE (KVM_GET_MSRS of"
            f" 0x345 gives {value:#x}): records have no data address, which kernels of since April"
            " 2024 hold back", f"an earlier kernel (6.0 to 6.8.7) on the host; {WITHOUT}"))
          for value in (0x0400, 0x0500, 0x8400, 0x2400)),
    ],
)  # fmt: skip
def test_what_kvm_offers(offer, found):
    assert of_host(SERVER | {"offered": SERVER["offered"] | offer}) == [VPMU, CPU, found]


def test_a_kernel_alone_helps_only_where_the_cpu_and_intels_kvm_are_there():
    vm = copy.deepcopy(SERVER)
    vm["offered"]["ds"] = False
    vm["modules"].pop("kvm_intel")
    assert of_host(vm)[2] == no_offer(0, "0x74c5", SEE_THE_OTHERS)
    old = changed(SERVER, "pmu", "perf_capabilities", to=SKYLAKE)
    old["offered"]["ds"] = False
    assert of_host(old)[2] == no_offer(0, "0x74c5", SEE_THE_OTHERS)


IBS = warning(
    "guest-ibs",
    "KVM offers its guests no IBS (CPUID 0x80000001, ECX bit 10 of KVM_GET_SUPPORTED_CPUID)",
    f"a kernel that does; {WITHOUT}",
)


@pytest.mark.parametrize(
    ("path", "to", "found"),
    [
        (("offered", "ibs"), False, IBS),
        (("offered",), None, IBS),
        (("offered", "ibs"), True, fine(
            "guest-ibs", "KVM offers its guests IBS (CPUID 0x80000001, ECX bit 10)")),
        (("pmu", "flags"), ["svm"], warning(
            "guest-ibs", "the CPU shows no IBS (flags of /proc/cpuinfo)", WITHOUT)),
    ],
)  # fmt: skip
def test_of_amd_it_is_ibs(path, to, found):
    assert of_host(changed(AMD, *path, to=to)) == [VPMU, found]


NO_IBS = "the guest has no IBS (PMUs: {}): KVM does not pass it on"
NO_VPMU = "missing: a virtual PMU (the guest has: {})"
ADD_VPMU = f"-cpu host without pmu=off for the VM, {SWITCH} Y on its host"
BASIC_ONLY = "missing: data addresses: the guest has PEBS with basic records only ({})"
OTHER_KERNEL = f"another kernel on its host (guest-pebs-kvm); {WITHOUT}"


@pytest.mark.parametrize(
    ("pmu", "pmus", "sentence", "fix"),
    [
        ({}, PMUS, "the guest has PEBS with data addresses (MSR 0x345 is 0x74c5: format 4,"
         " baseline)", None),
        ({"perf_capabilities": None}, PMUS, "the guest has PEBS with data addresses (its kernel"
         " said PEBS fmt4+-baseline)", None),
        ({"perf_capabilities": None, "pebs_said": None}, PMUS, BASIC_ONLY.format("flag pebs"),
         OTHER_KERNEL),
        ({"perf_capabilities": BASIC}, PMUS,
         BASIC_ONLY.format("MSR 0x345 is 0x34c5: format 4, no baseline"), OTHER_KERNEL),
        ({"flags": []}, PMUS, "the guest has PEBS with data addresses (MSR 0x345 is 0x74c5: format"
         " 4, baseline)", None),
        ({"pebs_said": None}, PMUS, "the guest has PEBS with data addresses (MSR 0x345 is 0x74c5:"
         " format 4, baseline)", None),
        ({"flags": [], "pebs_said": None}, PMUS, "missing: PEBS, though the guest has a virtual PMU"
         " (no pebs in its /proc/cpuinfo)",
         "guest-pebs-cpu and guest-pebs-kvm of the host say which of the two lacks it"),
        ({}, {"software": False, "tracepoint": False}, NO_VPMU.format("software, tracepoint"),
         ADD_VPMU),
        ({}, {}, NO_VPMU.format("none at all"), ADD_VPMU),
        (AMD_PMU, {"cpu": True, "ibs_op": True}, "the guest has IBS (ibs_op)", None),
        (AMD_PMU, {"cpu": True, "ibs_op": False}, NO_IBS.format("cpu, ibs_op"), WITHOUT),
        (AMD_PMU, {}, NO_IBS.format("none at all"), WITHOUT),
    ],
)  # fmt: skip
def test_what_a_guest_got(pmu, pmus, sentence, fix):
    wanted = warning("guest-pebs", sentence, fix) if fix else fine("guest-pebs", sentence)
    assert guest_samples(GUEST_PMU | pmu, pmus) == wanted
