"""What the agent gathers of a host's KVM and of hardware samples: real files, and this machine."""

from __future__ import annotations

import gzip
import json
import os
import struct
from pathlib import Path

import pytest

from hotkit.agent import guestdoctor, pmu, vmdoctor
from hotkit.agent.kvmoffer import cpuid_words, offered
from hotkit.core.labels import Label, Platform
from hotkit.core.vmdoctor import judge_vms
from tests.unit.doctorfacts import HOST

# The form of /proc/cpuinfo, shortened: two CPUs of a server.
CPUINFO = """\
processor\t: 0
vendor_id\t: GenuineIntel
flags\t\t: fpu dtes64 ds vmx pdcm ept vpid ept_ad arch_perfmon pebs
vmx flags\t: vnmi invvpid ept_ad ept vpid pml
power management:

processor\t: 1
flags\t\t: other
"""


def test_the_first_cpu():
    assert pmu.cpu_words(CPUINFO) == {
        "vendor": "GenuineIntel",
        "flags": ["fpu", "dtes64", "ds", "vmx", "pdcm", "ept", "vpid", "ept_ad", "arch_perfmon",
                  "pebs"],
        "vmx_flags": ["vnmi", "invvpid", "ept_ad", "ept", "vpid", "pml"],
    }  # fmt: skip
    assert pmu.cpu_words("") == {"vendor": None, "flags": [], "vmx_flags": []}


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("[    0.2] Performance Events: PEBS fmt4+-baseline,  AnyThread deprecated, Icelake events",
         "PEBS fmt4+-baseline"),
        ("[    0.2] Performance Events: PEBS fmt3+, Skylake events, 32-deep LBR", "PEBS fmt3+"),
        ("[    0.2] Performance Events: XSAVE Architectural LBR, PEBS fmt4+-baseline, AnyThread",
         "PEBS fmt4+-baseline"),
        ("[    0.2] Performance Events: Fam17h+ core perfctr, AMD PMU driver.", None),
        ("[    0.2] Performance Events: unsupported CPU family 6 model 207 no PMU driver", None),
        ("[    9.1] somebody: PEBS fmt4+-baseline", None),
        ("", None),
    ],
)  # fmt: skip
def test_what_the_kernel_said_of_pebs(log, said):
    assert pmu.pebs_said(log) == said


def test_the_register(tmp_path):
    file = tmp_path / "msr"
    file.write_bytes(bytes(pmu.PERF_CAPABILITIES) + struct.pack("<Q", 0x74C5) + b"x")
    assert pmu.perf_capabilities(str(file)) == 0x74C5
    file.write_bytes(b"x")  # what the driver does for a register that is not there is an error
    assert pmu.perf_capabilities(str(file)) is None
    assert pmu.perf_capabilities(str(tmp_path / "none")) is None


def test_leaves_of_cpuid():
    none = {"pmu_version": 0, "ds": False, "ibs": False}
    assert cpuid_words({}) == none
    assert cpuid_words({0xA: (0x08300802, 0, 0, 0x603)}) == none | {"pmu_version": 2}
    assert cpuid_words({1: (0, 0, 0, 1 << 21)}) == none | {"ds": True}
    assert cpuid_words({0x80000001: (0, 0, 1 << 10, 0)}) == none | {"ibs": True}


def test_what_this_kvm_offers():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("no /dev/kvm here that could be asked")
    found = offered(vmdoctor.KVM)
    assert found is not None
    assert set(found) == {"pmu_version", "ds", "ibs", "perf_capabilities"}
    if Path("/sys/module/kvm/parameters/enable_pmu").exists():
        off = Path("/sys/module/kvm/parameters/enable_pmu").read_text().strip() == "N"
        assert not off or (found["pmu_version"], found["perf_capabilities"]) == (0, 0)


def test_who_cannot_be_asked(tmp_path):
    assert offered(tmp_path / "kvm") is None
    (tmp_path / "kvm").write_text("no device")
    assert offered(tmp_path / "kvm") is None


def test_modules(tmp_path):
    for name, value in (("kvm/parameters/enable_pmu", "Y\n"), ("kvm_intel/parameters/pml", "N\n"),
                        ("kvm_intel/parameters/sgx", "Y\n"), ("kvm_intel/initstate", "live\n"),
                        ("ext4/initstate", "live\n")):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(value)
    assert vmdoctor.modules(tmp_path) == {
        "kvm": {"loadable": False, "parameters": {"enable_pmu": "Y"}},
        "kvm_intel": {"loadable": True, "parameters": {"pml": "N"}},
    }
    assert vmdoctor.modules(tmp_path / "none") == {}


def test_options_of_a_kernel(tmp_path):
    text = "# CONFIG_DEBUG_TLBFLUSH is not set\nCONFIG_KVM_ELIDE_TLB_FLUSH_IF_YOUNG=y\n"
    found = {"KVM_ELIDE_TLB_FLUSH_IF_YOUNG": "y", "DEBUG_TLBFLUSH": "n"}
    assert vmdoctor.options_of(text) == found
    (tmp_path / "config").write_text(text)
    (tmp_path / "config.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "bad.gz").write_bytes(gzip.compress(text.encode())[:20])
    for name in ("config", "config.gz"):
        assert vmdoctor.kernel_options("x", (str(tmp_path / name),)) == (
            str(tmp_path / name), found
        )  # fmt: skip
    assert vmdoctor.kernel_options("x", (str(tmp_path / "bad.gz"),)) == (None, {})


def test_the_configuration_of_hotkits_own_kernel_is_found():
    assert any(place.startswith("/boot/hotkit/config-") for place in vmdoctor.places("6.1-x"))


def test_space(tmp_path):
    found = vmdoctor.space(tmp_path / "not" / "yet")
    assert found["path"] == str(tmp_path / "not" / "yet")
    assert found["free"] == pytest.approx(vmdoctor.space(tmp_path)["free"], abs=64 << 20)
    assert found["writable"] and found["free"] > 0


def test_real_facts_are_json_and_can_be_judged():
    facts = json.loads(json.dumps(vmdoctor.facts()))
    found = {item.code for item in judge_vms(facts, HOST, Label(platform=Platform.VIRTUAL), ())}
    assert {"virtualisation", "kvm", "nesting", "vm-flush", "kvm-flush", "kvm-counters", "qemu",
            "tlb-counters", "guest-tools", "guest-space", "guest-ksm", "ptrace", "pagemap",
            "guest-vpmu"} <= found  # fmt: skip
    assert facts["memory_available"] > 0 and 0 in facts["cpus_online"]
    assert json.loads(json.dumps(guestdoctor.inside()))["pmu"] == facts["pmu"]


def test_the_process_of_a_vm():
    found = guestdoctor.process_facts(os.getpid())
    assert found["exe"].startswith("python") and found["ring"] is False
    assert found["tracer"] == "0" and found["seccomp"] in ("0", "1", "2")
