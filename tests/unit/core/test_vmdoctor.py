"""What hosts of several kinds lack for guests and for looking at them from outside."""

from __future__ import annotations

from typing import Any

import pytest

from hotkit.core.gravity import Finding, Gravity
from hotkit.core.guestspec import Guest
from hotkit.core.labels import Label, Platform
from hotkit.core.vmdoctor import judge_vms
from tests.unit.doctorfacts import AMD, HOST, METAL, SERVER, changed, guest

VIRTUAL = Label(platform=Platform.VIRTUAL, evidence="the CPU flag hypervisor is set")
THEIRS = guest(process={"pid_file": "/run/x.pid"}, ssh={"port": 2222})
PROBLEM, WARNING, FINE = Gravity
INTEL = ("modules", "kvm_intel", "parameters")


def findings(
    vm: dict[str, Any] = SERVER, host: dict[str, Any] = HOST, label: Label = METAL,
    guests: tuple[Guest, ...] = (),
) -> dict[str, Finding]:  # fmt: skip
    found = judge_vms(vm, host, label, guests)
    assert [item.gravity for item in found] == sorted(item.gravity for item in found)
    for item in found:
        assert "\n" not in item.sentence and "None" not in item.sentence, item
        assert (item.fix is None) == (item.gravity is FINE), item
    # Of several findings of one code the gravest.
    return {item.code: item for item in reversed(found)}


def odd(*arguments: Any, **named: Any) -> dict[str, Gravity]:
    found = findings(*arguments, **named)
    return {code: item.gravity for code, item in found.items() if item.gravity is not FINE}


def test_a_server_as_one_would_like_it_lacks_nothing():
    assert odd() == {}
    found = findings()
    assert "(/sys/module/kvm_intel/parameters/pml is Y)" in found["pml"].sentence
    assert "primary+secondary" in found["vm-flush"].sentence
    assert "version 7.2.22" in found["qemu"].sentence


def test_amd_has_no_pml_and_no_samples_in_guests():
    assert odd(AMD) == {"pml": WARNING, "guest-ibs": WARNING}
    found = findings(AMD)
    assert "write protection (kvm_amd has no parameter pml)" in found["pml"].sentence
    assert "NPT" in found["ept-ad"].sentence and "npt is Y" in found["nested-paging"].sentence


def test_a_newer_kvm_amd_has_pml():
    found = findings(changed(AMD, "modules", "kvm_amd", "parameters", "pml", to="Y"))["pml"]
    assert found.gravity is FINE
    assert found.sentence.endswith("PML (/sys/module/kvm_amd/parameters/pml is Y)")


@pytest.mark.parametrize(
    ("path", "to", "code", "gravity", "words", "fix"),
    [
        ((*INTEL, "ept"), "N", "nested-paging", PROBLEM, "kvm_intel/parameters/ept is N",
         "modprobe -r kvm_intel && modprobe kvm_intel ept=1"),
        ((*INTEL, "eptad"), "N", "ept-ad", WARNING, "the next access to each page exits",
         "modprobe -r kvm_intel && modprobe kvm_intel eptad=1"),
        ((*INTEL, "pml"), "N", "pml", WARNING, "write protection (/sys/module/kvm_intel/",
         "for PML: modprobe -r kvm_intel && modprobe kvm_intel eptad=1 pml=1"),
        (("options", "KVM_ELIDE_TLB_FLUSH_IF_YOUNG"), "y", "kvm-flush", WARNING,
         "=y in /boot/config-6.1.0-hotkit", "hotkit kernel list"),
        (("options",), {}, "kvm-flush", WARNING, "configuration is not here",
         "/boot/config-6.12.57-hotkit-1"),
        (("kvm_counters",), ["tlb_flush"], "kvm-counters", WARNING, "no remote_tlb_flush in",
         "modprobe kvm_intel"),
        (("tlb_counters",), [], "tlb-counters", WARNING, "host remote and host local",
         "CONFIG_DEBUG_TLBFLUSH=y"),
        (("programs", "qemu-system-x86_64"), None, "qemu", PROBLEM, "not in PATH",
         "apt-get install qemu-system-x86"),
        (("programs", "systemd-run"), None, "guest-tools", PROBLEM, "systemd-run is not in PATH",
         "apt-get install systemd"),
        (("programs", "ssh-keygen"), None, "guest-tools", PROBLEM, "makes their keys",
         "apt-get install openssh-client"),
        (("space",), [{"path": "/var/tmp", "free": 2**20, "writable": True}], "guest-space",
         WARNING, "1 MiB are free for /var/tmp", "df -h /var/tmp"),
        (("space",), [{"path": "/var/tmp", "free": 2**40, "writable": False}], "guest-space",
         PROBLEM, "/var/tmp cannot be written to", "remount,rw"),
        (("ksm_run",), "1", "guest-ksm", WARNING, "ksm/run is 1", "echo 2 > /sys/kernel/mm/ksm/"),
        (("ksm_sharing",), 9, "guest-ksm", WARNING, "9 pages are still merged", "echo 2 >"),
        (("no_ptrace",), ["ptrace_scope is 3", "boot"], "ptrace", WARNING, "ptrace_scope is 3",
         "boot"),
        (("no_frames",), ["no frames", "run as root"], "pagemap", WARNING, "no frames", "root"),
    ],
)  # fmt: skip
def test_one_thing_is_one_finding(path, to, code, gravity, words, fix):
    assert odd(changed(SERVER, *path, to=to)) == {code: gravity}
    found = findings(changed(SERVER, *path, to=to))[code]
    assert words in found.sentence and fix in found.fix


def test_no_virtualisation():
    bare = changed(SERVER, "pmu", "flags", to=["arch_perfmon", "ds", "pdcm", "pebs"])
    bare["modules"], bare["no_kvm"] = {}, ["there is no /dev/kvm", "modprobe kvm_intel"]
    bare["offered"], bare["kvm_counters"] = None, []
    found = findings(bare)
    assert odd(bare) == {
        "virtualisation": PROBLEM, "kvm": PROBLEM, "kvm-counters": WARNING,
        "guest-pebs-kvm": WARNING,
    }  # fmt: skip
    assert found["virtualisation"].fix == "switch VT-x (AMD: SVM) on in the firmware"
    assert "no guest can run: there is no /dev/kvm" in found["kvm"].sentence
    # Nothing is said of what a dirty log would be where there is none.
    assert not {"pml", "ept-ad", "nested-paging"} & set(found)
    assert "nested=1" in findings(bare, label=VIRTUAL)["virtualisation"].fix


def test_a_host_that_is_itself_a_vm():
    assert odd(label=VIRTUAL) == {"nesting": WARNING}
    lab = Label(platform=Platform.EMULATED, evidence="CPU model is QEMU TCG")
    assert "itself emulated (CPU model is QEMU TCG)" in findings(label=lab)["nesting"].sentence


def test_what_is_built_in_is_set_on_the_command_line():
    built_in = changed(SERVER, *INTEL, "eptad", to="N")
    built_in["modules"]["kvm_intel"]["loadable"] = False
    fix = findings(built_in)["ept-ad"].fix
    assert fix == "kvm_intel.eptad=1 on the kernel's command line: kvm_intel is built in"


def test_a_cpu_that_cannot_is_not_told_to_load_a_module():
    old = changed(SERVER, "pmu", "vmx_flags", to=["ept"])
    old["pmu"]["flags"].remove("ept_ad")
    old["modules"]["kvm_intel"]["parameters"].update(eptad="N", pml="N")
    found = findings(old)
    assert "a CPU with A and D bits in the EPT" in found["ept-ad"].fix
    assert "a CPU that has it" in found["pml"].fix and "modprobe" not in found["pml"].fix


def test_whose_guests_decides_what_the_host_needs():
    bare = changed(SERVER, "programs", to=dict.fromkeys(SERVER["programs"]))
    assert odd(bare, guests=(THEIRS,)) == {"guest-tools": PROBLEM}  # ssh only
    assert findings(bare, guests=(THEIRS,))["guest-tools"].sentence.startswith("ssh is not")
    assert odd(bare, guests=(guest(), THEIRS)) == {"guest-tools": PROBLEM, "qemu": PROBLEM}


@pytest.mark.parametrize(
    ("key", "to", "code", "words"),
    [
        ("hotkit_kernel", None, "vm-flush", "6.12.57-hotkit-1 is a stock kernel"),
        ("knobs", {"numa_balancing": "2"}, "guest-numa-balancing", "numa_balancing is 2"),
    ],
)
def test_what_the_host_itself_is_like(key, to, code, words):
    host = HOST | {key: to}
    assert odd(host=host) == {code: WARNING}
    assert words in findings(host=host)[code].sentence


def test_without_debugfs_nothing_is_said_of_the_kernel():
    why = ["debugfs is not mounted", "mount -t debugfs debugfs /sys/kernel/debug"]
    found = findings(host=HOST | {"debugfs": why, "hotkit_kernel": None})["vm-flush"]
    assert "cannot be seen" in found.sentence and found.fix == why[1]
