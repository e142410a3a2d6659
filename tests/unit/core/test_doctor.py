"""Findings on machines of several kinds."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hotkit.core.doctor import judge, judge_controller
from hotkit.core.gravity import Finding, Gravity
from hotkit.core.labels import Label, Platform
from hotkit.core.units import GIB

METAL = Label(platform=Platform.METAL, evidence="no hypervisor flag; DMI says Dell Inc.")
VM = Label(platform=Platform.VIRTUAL, evidence="the CPU flag hypervisor is set")
LAB = Label(platform=Platform.EMULATED, evidence="CPU model is QEMU TCG")

# A quiet two-socket Intel machine with hotkit's kernel, as one would like it.
QUIET: dict[str, Any] = {
    "schema_version": 1,
    "uid": 0,
    "python": [3, 11],
    "kernel_release": "6.12.57-hotkit-1",
    "debugfs": None,
    "tracefs": None,
    "securityfs": True,
    "lockdown": "[none] integrity confidentiality\n",
    "secure_boot": False,
    "cgroup": {"version": 2, "no_memory": None},
    "container": None,
    "container_marks": [],
    "seccomp": "0",
    "perf_event_paranoid": "2",
    "kptr_restrict": "1",
    "nmi_watchdog": "0",
    "pmus": {"cpu": True, "software": False},
    "hotkit_kernel": {"abi": "1", "damon_mode": "0"},
    "knobs": {"thp": "always [madvise] never", "numa_balancing": "0", "ksm": "0"},
    "swap_bytes": 0,
    "cpu": {
        "usable": 72, "online": "0-71", "isolated": "", "governors": {"performance": 72},
        "no_turbo": "1", "boost": None, "smt": "0",
    },
    "cpu_ns": {"all": 10**15, "steal": 0},
    "clocksource": "tsc",
    "clocksources": ["tsc", "hpet"],
    "undo": None,
    "kdamonds": {"count": 0, "running": 0},
    "nodes": {"0": {"total": 128 * GIB, "free": 120 * GIB}, "2": {"total": 0, "free": 0}},
}  # fmt: skip


def findings(label: Label = METAL, **changed: Any) -> dict[str, Finding]:
    facts = copy.deepcopy(QUIET)
    for key, value in changed.items():
        facts[key] = {**facts[key], **value} if isinstance(facts[key], dict) and value else value
    found = judge(facts, label)
    assert [item.gravity for item in found] == sorted(item.gravity for item in found)
    for item in found:
        assert "\n" not in item.sentence
        assert (item.fix is None) == (item.gravity is Gravity.FINE), item
    return {item.code: item for item in found}


def odd(label: Label = METAL, **changed: Any) -> dict[str, Gravity]:
    found = findings(label, **changed)
    return {code: item.gravity for code, item in found.items() if item.gravity != Gravity.FINE}


def test_a_quiet_metal_machine_has_nothing():
    assert odd() == {}
    assert "72 CPUs" in findings()["cpus"].sentence


def test_a_vm_without_pmu():
    found = findings(VM, pmus={"cpu": False}, clocksource="kvm-clock")
    assert found["pmu"].gravity is Gravity.WARNING and "software" in found["pmu"].sentence
    assert "virtual" in found["platform"].sentence
    assert found["clock"].fix == "clocksource=tsc on the command line"


def test_the_lab_is_called_emulated():
    found = findings(LAB, pmus={"cpu": False})["platform"]
    assert found.gravity is Gravity.WARNING and "never its cost" in found.sentence


def test_steal():
    assert odd(VM, cpu_ns={"all": 100, "steal": 6})["steal"] is Gravity.PROBLEM
    assert "steal" not in odd(VM, cpu_ns={"all": 100, "steal": 5})
    assert "steal" not in findings(VM, cpu_ns={})  # nothing to say where nothing was read


def test_a_container():
    found = findings(
        container="/.dockerenv; not the first pid namespace", container_marks=["/.dockerenv"],
        seccomp="2", debugfs=["debugfs is not mounted", "measure on the host"],
        hotkit_kernel=None,
    )  # fmt: skip
    assert found["container"].gravity is Gravity.PROBLEM
    assert "/.dockerenv" in found["container"].sentence
    assert found["container"].fix == "measure on the host"
    assert found["seccomp"].gravity is Gravity.WARNING
    # Whether the kernel is patched cannot be seen without debugfs: nothing is claimed.
    assert "hotkit-kernel" not in found


def test_a_disk_made_from_a_containers_image_is_no_container():
    found = findings(container_marks=["/.dockerenv"])["container"]
    assert found.gravity is Gravity.FINE and "/.dockerenv" in found.sentence


def test_cgroup_v1():
    why = ["cgroup v2 is not mounted at /sys/fs/cgroup", "boot with systemd.unified_..."]
    found = findings(cgroup={"version": 1, "no_memory": why})["cgroup"]
    assert found.gravity is Gravity.WARNING and found.sentence.startswith("cgroup v1")
    assert found.fix == why[1]


def test_lockdown_and_secure_boot():
    found = findings(
        lockdown="none [integrity] confidentiality\n", secure_boot=True, hotkit_kernel=None,
        debugfs=["the kernel is locked down (integrity)", "boot without lockdown="],
    )  # fmt: skip
    assert found["lockdown"].gravity is Gravity.PROBLEM
    assert "integrity" in found["lockdown"].sentence and "Secure Boot" in found["lockdown"].sentence
    assert found["secure-boot"].gravity is Gravity.WARNING
    # Unknown (securityfs not mounted) is not "no lockdown".
    assert odd(lockdown=None, securityfs=False) == {"lockdown": Gravity.WARNING}
    assert odd(lockdown=None) == {}


def test_debugfs_missing():
    why = ["debugfs is not mounted", "mount -t debugfs debugfs /sys/kernel/debug"]
    found = findings(debugfs=why)["debugfs"]
    assert (found.gravity, found.sentence, found.fix) == (Gravity.PROBLEM, *why)


def test_a_user():
    found = odd(uid=1000)
    assert found == {
        "root": Gravity.PROBLEM, "perf": Gravity.WARNING, "kptr": Gravity.WARNING
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "code", "gravity"),
    [
        ({"python": [3, 8]}, "python", Gravity.PROBLEM),
        ({"undo": {"path": "/x/undo.jsonl", "entries": 3, "held": False}}, "left-over",
         Gravity.PROBLEM),
        ({"undo": {"path": "/x/undo.jsonl", "entries": 3, "held": True}}, "busy", Gravity.PROBLEM),
        ({"kdamonds": {"count": 1, "running": 1}}, "kdamond", Gravity.PROBLEM),
        ({"knobs": {"thp": "[always] madvise never"}}, "thp", Gravity.WARNING),
        ({"knobs": {"numa_balancing": "1"}}, "numa-balancing", Gravity.WARNING),
        ({"knobs": {"ksm": "1"}}, "ksm", Gravity.WARNING),
        ({"cpu": {"governors": {"schedutil": 72}}}, "governor", Gravity.WARNING),
        ({"cpu": {"no_turbo": "0"}}, "turbo", Gravity.WARNING),
        ({"cpu": {"smt": "1"}}, "smt", Gravity.WARNING),
        ({"cpu": {"usable": 1}}, "cpus", Gravity.WARNING),
        ({"swap_bytes": GIB}, "swap", Gravity.WARNING),
        ({"nmi_watchdog": "1"}, "watchdog", Gravity.WARNING),
        ({"nodes": {"0": {"total": GIB, "free": GIB // 8}}}, "memory", Gravity.WARNING),
        ({"hotkit_kernel": None}, "hotkit-kernel", Gravity.WARNING),
        ({"clocksource": "hpet", "clocksources": ["hpet"]}, "clock", Gravity.WARNING),
    ],
)  # fmt: skip
def test_one_thing_is_one_finding(changed, code, gravity):
    assert odd(**changed) == {code: gravity}


def test_a_busy_machines_kdamond_is_its_agents():
    busy = {"path": "/x", "entries": 1, "held": True}
    assert set(odd(undo=busy, kdamonds={"count": 1, "running": 1})) == {"busy"}


def test_boost_on_amd():
    found = findings(cpu={"no_turbo": None, "boost": "1"})["turbo"]
    assert found.fix == "echo 0 > /sys/devices/system/cpu/cpufreq/boost"


def test_controller():
    packages = {"gcc": "apt-get install gcc", "qemu-system-x86_64": "apt-get install qemu"}
    tools = {"qemu-system-x86_64": None, "gcc": None}
    first, second = judge_controller(tools, packages)
    assert (first.gravity, first.fix) == (Gravity.PROBLEM, "apt-get install gcc")
    assert second.gravity is Gravity.WARNING and "lab" in second.sentence
    assert judge_controller({"gcc": "/usr/bin/gcc"}, packages)[0].gravity is Gravity.FINE


def test_finding_as_json():
    found = findings(uid=1000)["root"].to_dict()
    assert set(found) == {"gravity", "code", "sentence", "fix"} and found["gravity"] == "problem"
