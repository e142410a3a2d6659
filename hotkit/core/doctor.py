"""What a machine lacks for measuring: raw facts (hotkit/agent/doctor.py) in, findings out.

Trackers say themselves what they need (`hotkit trackers`); this is what lies below or beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hotkit.core.gravity import Finding, Gravity, fine, problem, warning
from hotkit.core.labels import Label, Platform
from hotkit.core.units import MIB, format_size

OLDEST_PYTHON = (3, 9)
# `hotkit sweep` trusts no session above it (docs/sweep.md).
MOST_STEAL = 0.05
# The shipped workload takes less; below it even that may be reclaimed while it runs.
LEAST_FREE_BYTES = 256 * MIB


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
            found.append(fine("tool", f"{name} is {path}"))
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
        yield fine("root", "the agent runs as root")
        asked = [f"{name} is {facts[name]}" for name in _OF_USERS if facts[name] is not None]
        if asked:
            yield fine("perf", f"{', '.join(asked)}: root is not held to them")
    else:
        yield problem(
            "root",
            f"the agent runs as uid {facts['uid']}, not as root",
            "set ansible_user: root or ansible_become: true (--local: sudo)",
        )
        yield from _for_users(facts)
    version = tuple(facts["python"])
    said = "Python is " + ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        yield problem("python", said, "Python 3.9 or later, in ansible_python_interpreter")
    else:
        yield fine("python", said)
    marks = ", ".join(facts["container_marks"])
    if facts["container"]:
        yield problem(
            "container",
            f"this is a container ({facts['container']}): the kernel is the host's",
            "measure on the host",
        )
    elif marks:
        yield fine("container", f"no container, though there is {marks}: first namespaces")
    else:
        yield fine("container", "no container")
    if facts["seccomp"] not in ("0", None):
        yield warning(
            "seccomp",
            f"a seccomp filter is in force (Seccomp: {facts['seccomp']})",
            "start the agent outside of the container or service that has set it",
        )


def _for_users(facts: Mapping[str, Any]) -> Iterator[Finding]:
    """What stands in the way of a user only: root is not asked."""
    paranoid = facts["perf_event_paranoid"]
    if paranoid is not None and int(paranoid) > 1:
        yield warning(
            "perf", f"perf_event_paranoid is {paranoid}: users sample no kernel", "run as root"
        )
    if facts["kptr_restrict"] not in ("0", None):
        yield warning(
            "kptr", f"kptr_restrict is {facts['kptr_restrict']}: no addresses", "run as root"
        )


def _kernel_files(facts: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ("debugfs", "tracefs"):
        why = facts[name]
        yield problem(name, why[0], why[1]) if why else fine(name, f"{name} can be used")
    match = re.search(r"\[(\w+)\]", facts["lockdown"] or "")
    if match and match[1] != "none":
        secure = ", and Secure Boot is on" if facts["secure_boot"] else ""
        yield problem(
            "lockdown",
            f"the kernel is locked down ({match[1]}){secure}: debugfs is closed even to root",
            "boot without lockdown=, and switch Secure Boot off in the firmware",
        )
    elif match:
        yield fine("lockdown", "the kernel is not locked down")
    elif not facts["securityfs"]:
        yield warning(
            "lockdown",
            "securityfs is not mounted: the kernel does not say whether it is locked down",
            "mount -t securityfs securityfs /sys/kernel/security",
        )
    else:
        yield fine("lockdown", "this kernel knows no lockdown")
    if facts["secure_boot"]:
        yield warning(
            "secure-boot",
            "Secure Boot is on: hotkit's patched kernel, which nobody has signed, will not boot",
            "switch Secure Boot off in the firmware",
        )
    cgroup = facts["cgroup"]
    version = {2: "cgroup v2 is mounted", 1: "cgroup v1 is mounted", 0: "no cgroups are mounted"}
    said = version[cgroup["version"]]
    if cgroup["no_memory"]:
        reason, fix = cgroup["no_memory"]
        yield warning("cgroup", f"{said}: no memory cgroup for the workload ({reason})", fix)
    else:
        yield fine("cgroup", f"{said}, with the memory controller")
    switches = facts["hotkit_kernel"]
    if switches:
        words = ", ".join(f"{key} {value}" for key, value in switches.items())
        yield fine("hotkit-kernel", f"hotkit's patched kernel runs ({words})")
    elif not facts["debugfs"]:
        yield warning(
            "hotkit-kernel",
            f"{facts['kernel_release']} is a stock kernel: no A bit scan can flush the TLB",
            "hotkit kernel build, hotkit_kernel: lab (or host) in the inventory, hotkit provision",
        )


def _left_over(facts: Mapping[str, Any]) -> Iterator[Finding]:
    undo = facts["undo"]
    if undo and undo["held"]:
        yield problem(
            "busy", "another agent of hotkit measures here now", "wait until it has ended"
        )
    elif undo:
        yield problem(
            "left-over",
            f"an agent died here: {undo['path']} holds {undo['entries']} changes to put back",
            "the next hotkit sweep or record puts them back first; a reboot does, too",
        )
    kdamonds = facts["kdamonds"]
    if kdamonds and kdamonds["count"] and not (undo and undo["held"]):
        yield problem(
            "kdamond",
            f"somebody else uses DAMON: nr_kdamonds is {kdamonds['count']}, "
            f"{kdamonds['running']} run and clear A bits that other trackers look for",
            "end it (damo stop), then write 0 to /sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds",
        )
    elif kdamonds and not kdamonds["count"]:
        yield fine("kdamond", "nobody uses DAMON")


def _hardware(facts: Mapping[str, Any], label: Label) -> Iterator[Finding]:
    if label.platform is Platform.METAL:
        yield fine("platform", f"{label} ({label.evidence})")
    elif label.platform is Platform.VIRTUAL:
        yield warning(
            "platform",
            f"{label} ({label.evidence}): costs hold for this hypervisor",
            "metal, for costs on metal",
        )
    else:
        yield warning(
            "platform",
            f"{label} ({label.evidence}): shows that a tracker works, never its cost",
            "metal or a VM with KVM, for costs",
        )
    able = [name for name, samples in facts["pmus"].items() if samples]
    if able:
        yield fine("pmu", f"{', '.join(able)} can sample addresses of data (PEBS, IBS)")
    else:
        names = ", ".join(facts["pmus"]) or "none at all"
        yield warning(
            "pmu",
            f"no PMU samples addresses of data (there is: {names})",
            "metal, or a VM with a virtual PMU; perf then has event: page-faults only",
        )
    if able and facts["nmi_watchdog"] == "1":
        yield warning(
            "watchdog",
            "the NMI watchdog holds a counter of the PMU and interrupts every CPU",
            "sysctl kernel.nmi_watchdog=0",
        )
    clock = facts["clocksource"]
    if clock == "tsc":
        yield fine("clock", "the clock source is tsc")
    elif clock is not None:
        there = "tsc" in facts["clocksources"]
        yield warning(
            "clock",
            f"the clock source is {clock}"
            + (", though tsc is there" if there else ", and the kernel offers no tsc"),
            "clocksource=tsc on the command line" if there else "dmesg says why tsc was dropped",
        )
    times = facts["cpu_ns"]
    share = times["steal"] / times["all"] if times.get("all") else 0.0
    if share > MOST_STEAL:
        yield problem(
            "steal",
            f"a hypervisor took {100 * share:.1f} % of this machine's CPU time since boot",
            "fewer machines on that host, or CPUs of its own: a sweep trusts nothing above 5 %",
        )
    elif times:
        yield fine("steal", f"a hypervisor took {100 * share:.1f} % of the CPU time since boot")


def _kernel_habits(facts: Mapping[str, Any]) -> Iterator[Finding]:
    knobs = facts["knobs"]
    thp = re.sub(r".*\[(\w+)\].*", r"\1", knobs.get("thp", "never"))
    if thp == "always":
        yield warning(
            "thp",
            "transparent huge pages are always on: one A bit stands for 2 MiB",
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        )
    else:
        yield fine("thp", f"transparent huge pages: {thp}")
    balancing = knobs.get("numa_balancing")
    if balancing not in (None, "0"):
        yield warning(
            "numa-balancing",
            f"NUMA balancing is on by itself ({balancing}): hint faults and migrations in each arm",
            "sysctl kernel.numa_balancing=0",
        )
    elif balancing == "0":
        yield fine("numa-balancing", "NUMA balancing is off")
    if knobs.get("ksm") == "1":
        yield warning(
            "ksm",
            "KSM runs: it scans and write-protects pages",
            "echo 0 > /sys/kernel/mm/ksm/run",
        )
    if "lru_gen" in knobs:
        on = int(knobs["lru_gen"] or "0", 0) & 1
        said = "on: reclaim ages by page table walks" if on else "off"
        yield fine("lru-gen", f"the multi-gen LRU is {said} (trackers switch it as they need)")


def _cpus(cpu: Mapping[str, Any]) -> Iterator[Finding]:
    if cpu["usable"] < 2:
        yield warning(
            "cpus",
            f"one CPU is usable (online: {cpu['online']}): a tracker shares it with the workload",
            "two CPUs or more; placement: spare needs one without the workload",
        )
    else:
        yield fine(
            "cpus",
            f"{cpu['usable']} CPUs are usable (online: {cpu['online']}): placement: spare works "
            "with fewer threads than that, pinned",
        )
    slow = sorted(name for name in cpu["governors"] if name != "performance")
    if slow:
        yield warning(
            "governor",
            f"CPU frequency is governed by {', '.join(slow)}: it follows the load",
            "cpupower frequency-set -g performance",
        )
    elif cpu["governors"]:
        yield fine("governor", "CPU frequency is governed by performance")
    turbo = cpu["no_turbo"] == "0" or cpu["boost"] == "1"
    if turbo:
        knob = (
            "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo"
            if cpu["no_turbo"] == "0"
            else "echo 0 > /sys/devices/system/cpu/cpufreq/boost"
        )
        yield warning("turbo", "turbo is on: speed depends on heat and on other cores", knob)
    elif cpu["no_turbo"] or cpu["boost"]:
        yield fine("turbo", "turbo is off")
    if cpu["smt"] == "1":
        yield warning(
            "smt",
            "SMT is on: a tracker on a sibling slows the workload down",
            "echo off > /sys/devices/system/cpu/smt/control, or pin with siblings left idle",
        )
    elif cpu["smt"] == "0":
        yield fine("smt", "SMT is off")
    isolated = cpu["isolated"]
    if isolated:
        yield fine("isolated", f"CPUs {isolated} are isolated from the scheduler")


def _memory(facts: Mapping[str, Any]) -> Iterator[Finding]:
    if facts["swap_bytes"]:
        yield warning(
            "swap",
            f"{format_size(facts['swap_bytes'])} of swap: a sweep that swaps is not trusted",
            "swapoff -a (the tracker reclaim needs a swap area or a lower tier)",
        )
    else:
        yield fine("swap", "no swap")
    for node, sizes in facts["nodes"].items():
        if not sizes["total"]:
            continue
        said = (
            f"node {node}: {format_size(sizes['free'])} of {format_size(sizes['total'])} are free"
        )
        if sizes["free"] < LEAST_FREE_BYTES:
            yield warning("memory", said, "stop services, or ask for larger tiers")
        else:
            yield fine("memory", said)
