"""What a machine lacks for measuring: raw facts (hotkit/agent/doctor.py) in, findings out.

Trackers say themselves what they need (`hotkit trackers`); this is what lies below or beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from hotkit.core.labels import Label, Platform
from hotkit.core.units import MIB, format_size

OLDEST_PYTHON = (3, 9)
# `hotkit sweep` trusts no session above it (docs/sweep.md).
MOST_STEAL = 0.05
# The shipped workload takes less; below it even that may be reclaimed while it runs.
LEAST_FREE_BYTES = 256 * MIB


class Gravity(IntEnum):
    """How much a finding matters, the gravest first.

    `PROBLEM`: nothing or hardly anything can be measured, or what is measured would be wrong.
    `WARNING`: a tracker has less to work with, or figures are noisier or hold for less.
    """

    PROBLEM = 0
    WARNING = 1
    FINE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line with its evidence; `code` is stable, for scripts; `fix` None where all is well."""

    gravity: Gravity
    code: str
    sentence: str
    fix: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """JSON form."""
        return {
            "gravity": self.gravity.name.lower(),
            "code": self.code,
            "sentence": self.sentence,
            "fix": self.fix,
        }


def judge(facts: Mapping[str, Any], label: Label) -> tuple[Finding, ...]:
    """All findings on a machine, the gravest first."""
    found = [
        *_rights(facts),
        *_kernel_files(facts),
        *_left_over(facts),
        *_hardware(facts, label),
        *_kernel_habits(facts),
        *_cpus(facts["cpu"]),
        *_memory(facts),
    ]
    return tuple(sorted(found, key=lambda item: item.gravity))


def judge_controller(
    tools: Mapping[str, str | None], packages: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Of the machine that hotkit runs on: where each tool is, and the package that would bring it.

    `qemu-system-x86_64` is for the lab only; without one of the others no host can be measured.
    """
    found = []
    for name, path in tools.items():
        if path:
            found.append(_fine("tool", f"{name} is {path}"))
            continue
        lab_only = name.startswith("qemu")
        gravity = Gravity.WARNING if lab_only else Gravity.PROBLEM
        what = "there will be no lab" if lab_only else f"it {_USES[name]}"
        sentence = f"{name} is not installed: {what}"
        fix = packages[name]
        found.append(Finding(gravity=gravity, code="tool", sentence=sentence, fix=fix))
    return tuple(sorted(found, key=lambda item: item.gravity))


_OF_USERS = ("perf_event_paranoid", "kptr_restrict")
_USES = {
    "gcc": "builds the workload",
    "ssh": "reaches the hosts",
    "ansible-playbook": "brings the agent to the hosts",
}


def _rights(facts: Mapping[str, Any]) -> Iterator[Finding]:
    if facts["uid"] == 0:
        yield _fine("root", "the agent runs as root")
        asked = [f"{name} is {facts[name]}" for name in _OF_USERS if facts[name] is not None]
        if asked:
            yield _fine("perf", f"{', '.join(asked)}: root is not held to them")
    else:
        yield _problem(
            "root",
            f"the agent runs as uid {facts['uid']}, not as root",
            "set ansible_user: root or ansible_become: true (--local: sudo)",
        )
        yield from _for_users(facts)
    version = tuple(facts["python"])
    said = "Python is " + ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        yield _problem("python", said, "Python 3.9 or later, in ansible_python_interpreter")
    else:
        yield _fine("python", said)
    marks = ", ".join(facts["container_marks"])
    if facts["container"]:
        yield _problem(
            "container",
            f"this is a container ({facts['container']}): the kernel is the host's",
            "measure on the host",
        )
    elif marks:
        yield _fine("container", f"no container, though there is {marks}: first namespaces")
    else:
        yield _fine("container", "no container")
    if facts["seccomp"] not in ("0", None):
        yield _warning(
            "seccomp",
            f"a seccomp filter is in force (Seccomp: {facts['seccomp']})",
            "start the agent outside of the container or service that has set it",
        )


def _for_users(facts: Mapping[str, Any]) -> Iterator[Finding]:
    """What stands in the way of a user only: root is not asked."""
    paranoid = facts["perf_event_paranoid"]
    if paranoid is not None and int(paranoid) > 1:
        yield _warning(
            "perf", f"perf_event_paranoid is {paranoid}: users sample no kernel", "run as root"
        )
    if facts["kptr_restrict"] not in ("0", None):
        yield _warning(
            "kptr", f"kptr_restrict is {facts['kptr_restrict']}: no addresses", "run as root"
        )


def _kernel_files(facts: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ("debugfs", "tracefs"):
        why = facts[name]
        yield _problem(name, why[0], why[1]) if why else _fine(name, f"{name} can be used")
    match = re.search(r"\[(\w+)\]", facts["lockdown"] or "")
    if match and match[1] != "none":
        secure = ", and Secure Boot is on" if facts["secure_boot"] else ""
        yield _problem(
            "lockdown",
            f"the kernel is locked down ({match[1]}){secure}: debugfs is closed even to root",
            "boot without lockdown=, and switch Secure Boot off in the firmware",
        )
    elif match:
        yield _fine("lockdown", "the kernel is not locked down")
    elif not facts["securityfs"]:
        yield _warning(
            "lockdown",
            "securityfs is not mounted: the kernel does not say whether it is locked down",
            "mount -t securityfs securityfs /sys/kernel/security",
        )
    else:
        yield _fine("lockdown", "this kernel knows no lockdown")
    if facts["secure_boot"]:
        yield _warning(
            "secure-boot",
            "Secure Boot is on: hotkit's patched kernel, which nobody has signed, will not boot",
            "switch Secure Boot off in the firmware",
        )
    cgroup = facts["cgroup"]
    version = {2: "cgroup v2 is mounted", 1: "cgroup v1 is mounted", 0: "no cgroups are mounted"}
    said = version[cgroup["version"]]
    if cgroup["no_memory"]:
        reason, fix = cgroup["no_memory"]
        yield _warning("cgroup", f"{said}: no memory cgroup for the workload ({reason})", fix)
    else:
        yield _fine("cgroup", f"{said}, with the memory controller")
    switches = facts["hotkit_kernel"]
    if switches:
        words = ", ".join(f"{key} {value}" for key, value in switches.items())
        yield _fine("hotkit-kernel", f"hotkit's patched kernel runs ({words})")
    elif not facts["debugfs"]:
        yield _warning(
            "hotkit-kernel",
            f"{facts['kernel_release']} is a stock kernel: no A bit scan can flush the TLB",
            "hotkit kernel build, hotkit_kernel: lab (or host) in the inventory, hotkit provision",
        )


def _left_over(facts: Mapping[str, Any]) -> Iterator[Finding]:
    undo = facts["undo"]
    if undo and undo["held"]:
        yield _problem(
            "busy", "another agent of hotkit measures here now", "wait until it has ended"
        )
    elif undo:
        yield _problem(
            "left-over",
            f"an agent died here: {undo['path']} holds {undo['entries']} changes to put back",
            "the next hotkit sweep or record puts them back first; a reboot does, too",
        )
    kdamonds = facts["kdamonds"]
    if kdamonds and kdamonds["count"] and not (undo and undo["held"]):
        yield _problem(
            "kdamond",
            f"somebody else uses DAMON: nr_kdamonds is {kdamonds['count']}, "
            f"{kdamonds['running']} run and clear A bits that other trackers look for",
            "end it (damo stop), then write 0 to /sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds",
        )
    elif kdamonds and not kdamonds["count"]:
        yield _fine("kdamond", "nobody uses DAMON")


def _hardware(facts: Mapping[str, Any], label: Label) -> Iterator[Finding]:
    if label.platform is Platform.METAL:
        yield _fine("platform", f"{label} ({label.evidence})")
    elif label.platform is Platform.VIRTUAL:
        yield _warning(
            "platform",
            f"{label} ({label.evidence}): costs hold for this hypervisor",
            "metal, for costs on metal",
        )
    else:
        yield _warning(
            "platform",
            f"{label} ({label.evidence}): shows that a tracker works, never its cost",
            "metal or a VM with KVM, for costs",
        )
    able = [name for name, samples in facts["pmus"].items() if samples]
    if able:
        yield _fine("pmu", f"{', '.join(able)} can sample addresses of data (PEBS, IBS)")
    else:
        names = ", ".join(facts["pmus"]) or "none at all"
        yield _warning(
            "pmu",
            f"no PMU samples addresses of data (there is: {names})",
            "metal, or a VM with a virtual PMU; perf then has event: page-faults only",
        )
    if able and facts["nmi_watchdog"] == "1":
        yield _warning(
            "watchdog",
            "the NMI watchdog holds a counter of the PMU and interrupts every CPU",
            "sysctl kernel.nmi_watchdog=0",
        )
    clock = facts["clocksource"]
    if clock == "tsc":
        yield _fine("clock", "the clock source is tsc")
    elif clock is not None:
        there = "tsc" in facts["clocksources"]
        yield _warning(
            "clock",
            f"the clock source is {clock}"
            + (", though tsc is there" if there else ", and the kernel offers no tsc"),
            "clocksource=tsc on the command line" if there else "dmesg says why tsc was dropped",
        )
    times = facts["cpu_ns"]
    share = times["steal"] / times["all"] if times.get("all") else 0.0
    if share > MOST_STEAL:
        yield _problem(
            "steal",
            f"a hypervisor took {100 * share:.1f} % of this machine's CPU time since boot",
            "fewer machines on that host, or CPUs of its own: a sweep trusts nothing above 5 %",
        )
    elif times:
        yield _fine("steal", f"a hypervisor took {100 * share:.1f} % of the CPU time since boot")


def _kernel_habits(facts: Mapping[str, Any]) -> Iterator[Finding]:
    knobs = facts["knobs"]
    thp = re.sub(r".*\[(\w+)\].*", r"\1", knobs.get("thp", "never"))
    if thp == "always":
        yield _warning(
            "thp",
            "transparent huge pages are always on: one A bit stands for 2 MiB",
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        )
    else:
        yield _fine("thp", f"transparent huge pages: {thp}")
    balancing = knobs.get("numa_balancing")
    if balancing not in (None, "0"):
        yield _warning(
            "numa-balancing",
            f"NUMA balancing is on by itself ({balancing}): hint faults and migrations in each arm",
            "sysctl kernel.numa_balancing=0",
        )
    elif balancing == "0":
        yield _fine("numa-balancing", "NUMA balancing is off")
    if knobs.get("ksm") == "1":
        yield _warning(
            "ksm",
            "KSM runs: it scans and write-protects pages",
            "echo 0 > /sys/kernel/mm/ksm/run",
        )
    if "lru_gen" in knobs:
        on = int(knobs["lru_gen"] or "0", 0) & 1
        said = "on: reclaim ages by page table walks" if on else "off"
        yield _fine("lru-gen", f"the multi-gen LRU is {said} (trackers switch it as they need)")


def _cpus(cpu: Mapping[str, Any]) -> Iterator[Finding]:
    if cpu["usable"] < 2:
        yield _warning(
            "cpus",
            f"one CPU is usable (online: {cpu['online']}): a tracker shares it with the workload",
            "two CPUs or more; placement: spare needs one without the workload",
        )
    else:
        yield _fine(
            "cpus",
            f"{cpu['usable']} CPUs are usable (online: {cpu['online']}): placement: spare works "
            "with fewer threads than that, pinned",
        )
    slow = sorted(name for name in cpu["governors"] if name != "performance")
    if slow:
        yield _warning(
            "governor",
            f"CPU frequency is governed by {', '.join(slow)}: it follows the load",
            "cpupower frequency-set -g performance",
        )
    elif cpu["governors"]:
        yield _fine("governor", "CPU frequency is governed by performance")
    turbo = cpu["no_turbo"] == "0" or cpu["boost"] == "1"
    if turbo:
        knob = (
            "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo"
            if cpu["no_turbo"] == "0"
            else "echo 0 > /sys/devices/system/cpu/cpufreq/boost"
        )
        yield _warning("turbo", "turbo is on: speed depends on heat and on other cores", knob)
    elif cpu["no_turbo"] or cpu["boost"]:
        yield _fine("turbo", "turbo is off")
    if cpu["smt"] == "1":
        yield _warning(
            "smt",
            "SMT is on: a tracker on a sibling slows the workload down",
            "echo off > /sys/devices/system/cpu/smt/control, or pin with siblings left idle",
        )
    elif cpu["smt"] == "0":
        yield _fine("smt", "SMT is off")
    isolated = cpu["isolated"]
    if isolated:
        yield _fine("isolated", f"CPUs {isolated} are isolated from the scheduler")


def _memory(facts: Mapping[str, Any]) -> Iterator[Finding]:
    if facts["swap_bytes"]:
        yield _warning(
            "swap",
            f"{format_size(facts['swap_bytes'])} of swap: a sweep that swaps is not trusted",
            "swapoff -a (the tracker reclaim needs a swap area or a lower tier)",
        )
    else:
        yield _fine("swap", "no swap")
    for node, sizes in facts["nodes"].items():
        if not sizes["total"]:
            continue
        said = (
            f"node {node}: {format_size(sizes['free'])} of {format_size(sizes['total'])} are free"
        )
        if sizes["free"] < LEAST_FREE_BYTES:
            yield _warning("memory", said, "stop services, or ask for larger tiers")
        else:
            yield _fine("memory", said)


def _problem(code: str, sentence: str, fix: str) -> Finding:
    return Finding(gravity=Gravity.PROBLEM, code=code, sentence=sentence, fix=fix)


def _warning(code: str, sentence: str, fix: str) -> Finding:
    return Finding(gravity=Gravity.WARNING, code=code, sentence=sentence, fix=fix)


def _fine(code: str, sentence: str) -> Finding:
    return Finding(gravity=Gravity.FINE, code=code, sentence=sentence)
