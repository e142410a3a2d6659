"""What a machine lacks for measuring: every finding to the letter, in its order."""

from __future__ import annotations

import pytest

from hotkit.core.doctor import judge, judge_controller
from hotkit.core.gravity import fine, problem, warning
from hotkit.core.labels import Label, Platform
from hotkit.core.units import GIB, MIB
from tests.unit.core.test_doctor import LAB, METAL, QUIET, VM

DEBUGFS = ["debugfs is not mounted", "mount -t debugfs debugfs /sys/kernel/debug"]
THP_FIX = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"


def of(code, label=METAL, **facts):
    return [item for item in judge(QUIET | facts, label) if item.code == code]


def of_cpu(code, **keys):
    return of(code, cpu=QUIET["cpu"] | keys)


def of_knobs(code, **knobs):
    return of(code, knobs=knobs)


def test_a_quiet_machine_from_top_to_bottom():
    facts = QUIET | {"knobs": QUIET["knobs"] | {"lru_gen": "0x0007"}}
    facts["cpu"] = QUIET["cpu"] | {"isolated": "2-5"}
    assert judge(facts, METAL) == (
        fine("root", "the agent runs as root"),
        fine("perf", "perf_event_paranoid is 2, kptr_restrict is 1: root is not held to them"),
        fine("python", "Python is 3.11"),
        fine("container", "no container"),
        fine("debugfs", "debugfs can be used"),
        fine("tracefs", "tracefs can be used"),
        fine("lockdown", "the kernel is not locked down"),
        fine("cgroup", "cgroup v2 is mounted, with the memory controller"),
        fine("hotkit-kernel", "hotkit's patched kernel runs (abi 1, damon_mode 0)"),
        fine("kdamond", "nobody uses DAMON"),
        fine("platform", "metal (no hypervisor flag; DMI says Dell Inc.)"),
        fine("pmu", "cpu can sample addresses of data (PEBS, IBS)"),
        fine("clock", "the clock source is tsc"),
        fine("steal", "a hypervisor took 0.0 % of the CPU time since boot"),
        fine("thp", "transparent huge pages: madvise"),
        fine("numa-balancing", "NUMA balancing is off"),
        fine("lru-gen", "the multi-gen LRU is on: reclaim ages by page table walks (trackers switch"
             " it as they need)"),
        fine("cpus", "72 CPUs are usable (online: 0-71): placement: spare works with fewer threads"
             " than that, pinned"),
        fine("governor", "CPU frequency is governed by performance"),
        fine("turbo", "turbo is off"),
        fine("smt", "SMT is off"),
        fine("isolated", "CPUs 2-5 are isolated from the scheduler"),
        fine("swap", "no swap"),
        fine("memory", "node 0: 120 GiB of 128 GiB are free"),
    )  # fmt: skip


def test_the_gravest_come_first():
    found = judge(QUIET | {"swap_bytes": GIB, "uid": 1, "kptr_restrict": None}, METAL)
    assert [item.code for item in found[:4]] == ["root", "perf", "swap", "python"]


PARANOID = "perf_event_paranoid is 2: users sample no kernel"


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"uid": 0, "perf_event_paranoid": None},
         [fine("perf", "kptr_restrict is 1: root is not held to them")]),
        ({"uid": 0, "perf_event_paranoid": None, "kptr_restrict": None}, []),
        ({"uid": 1}, [warning("perf", PARANOID, "run as root"),
                      warning("kptr", "kptr_restrict is 1: no addresses", "run as root")]),
        ({"uid": 1, "perf_event_paranoid": "1", "kptr_restrict": "0"}, []),
        ({"uid": 1, "perf_event_paranoid": "-1", "kptr_restrict": None}, []),
        ({"uid": 1, "perf_event_paranoid": None, "kptr_restrict": "2"},
         [warning("kptr", "kptr_restrict is 2: no addresses", "run as root")]),
    ],
)  # fmt: skip
def test_what_users_are_held_to(facts, found):
    assert of("perf", **facts) + of("kptr", **facts) == found


def test_who_is_not_root():
    said = "the agent runs as uid 1000, not as root"
    fix = "set ansible_user: root or ansible_become: true (--local: sudo)"
    assert of("root", uid=1000) == [problem("root", said, fix)]


@pytest.mark.parametrize(
    ("version", "said", "old"),
    [([3, 8], "3.8", True), ([2, 7], "2.7", True), ([3, 9], "3.9", False),
     ([3, 10], "3.10", False)],
)  # fmt: skip
def test_the_oldest_python(version, said, old):
    fix = "Python 3.9 or later, in ansible_python_interpreter"
    said = f"Python is {said}"
    wanted = problem("python", said, fix) if old else fine("python", said)
    assert of("python", python=version) == [wanted]


def test_containers():
    marks = {"container_marks": ["/.dockerenv", "/run/.containerenv"]}
    assert of("container", container="/.dockerenv", **marks) == [
        problem(
            "container",
            "this is a container (/.dockerenv): the kernel is the host's",
            "measure on the host",
        )
    ]
    said = "no container, though there is /.dockerenv, /run/.containerenv: first namespaces"
    assert of("container", **marks) == [fine("container", said)]


def test_a_seccomp_filter():
    said = "a seccomp filter is in force (Seccomp: 2)"
    fix = "start the agent outside of the container or service that has set it"
    assert of("seccomp", seccomp="2") == [warning("seccomp", said, fix)]
    assert of("seccomp", seccomp=None) == of("seccomp") == []


@pytest.mark.parametrize("name", ["debugfs", "tracefs"])
def test_files_of_the_kernel_that_are_out_of_reach(name):
    assert of(name, **{name: ["it is shut", "open it"]}) == [problem(name, "it is shut", "open it")]


LOCKED = "boot without lockdown=, and switch Secure Boot off in the firmware"


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"lockdown": "none [integrity] confidentiality\n"}, problem(
            "lockdown", "the kernel is locked down (integrity): debugfs is closed even to root",
            LOCKED)),
        ({"lockdown": "none integrity [confidentiality]\n", "secure_boot": True}, problem(
            "lockdown", "the kernel is locked down (confidentiality), and Secure Boot is on:"
            " debugfs is closed even to root", LOCKED)),
        ({"lockdown": None, "securityfs": False}, warning(
            "lockdown", "securityfs is not mounted: the kernel does not say whether it is locked"
            " down", "mount -t securityfs securityfs /sys/kernel/security")),
        ({"lockdown": "", "securityfs": True}, fine("lockdown", "this kernel knows no lockdown")),
    ],
)  # fmt: skip
def test_lockdown(facts, found):
    assert of("lockdown", **facts) == [found]


def test_secure_boot():
    said = "Secure Boot is on: hotkit's patched kernel, which nobody has signed, will not boot"
    fix = "switch Secure Boot off in the firmware"
    assert of("secure-boot", secure_boot=True) == [warning("secure-boot", said, fix)]
    assert of("secure-boot", secure_boot=None) == []


@pytest.mark.parametrize(
    ("version", "said"),
    [(2, "cgroup v2 is mounted"), (1, "cgroup v1 is mounted"), (0, "no cgroups are mounted")],
)
def test_cgroups(version, said):
    why = ["no controller", "enable it"]
    assert of("cgroup", cgroup={"version": version, "no_memory": why}) == [
        warning("cgroup", f"{said}: no memory cgroup for the workload (no controller)", "enable it")
    ]
    good = fine("cgroup", f"{said}, with the memory controller")
    assert of("cgroup", cgroup={"version": version, "no_memory": None}) == [good]


def test_a_stock_kernel_where_it_can_be_seen():
    said = "6.12.57-hotkit-1 is a stock kernel: no A bit scan can flush the TLB"
    fix = "hotkit kernel build, hotkit_kernel: lab (or host) in the inventory, hotkit provision"
    stock = warning("hotkit-kernel", said, fix)
    assert of("hotkit-kernel", hotkit_kernel=None) == [stock]
    assert of("hotkit-kernel", hotkit_kernel=None, debugfs=DEBUGFS) == []


def undo(held):
    return {"path": "/x/undo.jsonl", "entries": 3, "held": held}


BUSY = problem("busy", "another agent of hotkit measures here now", "wait until it has ended")
LEFT = problem(
    "left-over",
    "an agent died here: /x/undo.jsonl holds 3 changes to put back",
    "the next hotkit sweep or record puts them back first; a reboot does, too",
)
DAMON = problem(
    "kdamond",
    "somebody else uses DAMON: nr_kdamonds is 2, 1 run and clear A bits that other trackers look"
    " for",
    "end it (damo stop), then write 0 to /sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds",
)
NOBODY = fine("kdamond", "nobody uses DAMON")
TWO, NONE = {"count": 2, "running": 1}, {"count": 0, "running": 0}


@pytest.mark.parametrize(
    ("left", "kdamonds", "found"),
    [
        (None, None, []),
        (None, NONE, [NOBODY]),
        (None, TWO, [DAMON]),
        (undo(False), None, [LEFT]),
        (undo(False), TWO, [LEFT, DAMON]),
        (undo(True), TWO, [BUSY]),
        (undo(True), NONE, [BUSY, NOBODY]),
    ],
)
def test_what_others_left_or_hold(left, kdamonds, found):
    said = judge(QUIET | {"undo": left, "kdamonds": kdamonds}, METAL)
    assert [item for item in said if item.code in ("busy", "left-over", "kdamond")] == found


@pytest.mark.parametrize(
    ("label", "found"),
    [
        (VM, warning("platform", "virtual (the CPU flag hypervisor is set): costs hold for this"
                     " hypervisor", "metal, for costs on metal")),
        (LAB, warning("platform", "emulated (CPU model is QEMU TCG): shows that a tracker works,"
                      " never its cost", "metal or a VM with KVM, for costs")),
        (Label(platform=Platform.METAL, evidence="DMI"), fine("platform", "metal (DMI)")),
    ],
)  # fmt: skip
def test_platforms(label, found):
    assert of("platform", label) == [found]


NO_PMU = "metal, or a VM with a virtual PMU; perf then has event: page-faults only"


@pytest.mark.parametrize(
    ("pmus", "found"),
    [
        ({"cpu": True, "x": False, "ibs_op": True}, fine(
            "pmu", "cpu, ibs_op can sample addresses of data (PEBS, IBS)")),
        ({"cpu": False, "software": False}, warning(
            "pmu", "no PMU samples addresses of data (there is: cpu, software)", NO_PMU)),
        ({}, warning("pmu", "no PMU samples addresses of data (there is: none at all)", NO_PMU)),
    ],
)  # fmt: skip
def test_pmus(pmus, found):
    assert of("pmu", pmus=pmus) == [found]


def test_the_watchdog_matters_where_there_is_a_pmu():
    said = "the NMI watchdog holds a counter of the PMU and interrupts every CPU"
    found = warning("watchdog", said, "sysctl kernel.nmi_watchdog=0")
    assert of("watchdog", nmi_watchdog="1") == [found]
    assert of("watchdog", nmi_watchdog="1", pmus={"cpu": False}) == []
    assert of("watchdog", nmi_watchdog=None) == of("watchdog") == []


@pytest.mark.parametrize(
    ("clock", "clocks", "found"),
    [
        (None, [], []),
        ("tsc", [], [fine("clock", "the clock source is tsc")]),
        ("hpet", ["tsc", "hpet"], [warning(
            "clock", "the clock source is hpet, though tsc is there",
            "clocksource=tsc on the command line")]),
        ("hpet", ["hpet"], [warning(
            "clock", "the clock source is hpet, and the kernel offers no tsc",
            "dmesg says why tsc was dropped")]),
    ],
)  # fmt: skip
def test_clocks(clock, clocks, found):
    assert of("clock", clocksource=clock, clocksources=clocks) == found


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ({}, []),
        ({"all": 0, "steal": 0}, [fine(
            "steal", "a hypervisor took 0.0 % of the CPU time since boot")]),
        ({"all": 1000, "steal": 50}, [fine(
            "steal", "a hypervisor took 5.0 % of the CPU time since boot")]),
        ({"all": 1000, "steal": 512}, [problem(
            "steal", "a hypervisor took 51.2 % of this machine's CPU time since boot",
            "fewer machines on that host, or CPUs of its own: a sweep trusts nothing above 5 %")]),
        ({"all": 1, "steal": 1}, [problem(
            "steal", "a hypervisor took 100.0 % of this machine's CPU time since boot",
            "fewer machines on that host, or CPUs of its own: a sweep trusts nothing above 5 %")]),
    ],
)  # fmt: skip
def test_steal(times, found):
    assert of("steal", cpu_ns=times) == found


def test_huge_pages():
    said = "transparent huge pages are always on: one A bit stands for 2 MiB"
    always = warning("thp", said, THP_FIX)
    assert of_knobs("thp", thp="[always] madvise never") == [always]
    assert of_knobs("thp", thp="always") == [always]
    for knobs in ({}, {"thp": "always madvise [never]"}):
        assert of_knobs("thp", **knobs) == [fine("thp", "transparent huge pages: never")]


def test_habits_of_the_kernel():
    said = "NUMA balancing is on by itself (2): hint faults and migrations in each arm"
    assert of_knobs("numa-balancing", numa_balancing="2") == [
        warning("numa-balancing", said, "sysctl kernel.numa_balancing=0")
    ]
    assert of_knobs("numa-balancing") == []
    said = "KSM runs: it scans and write-protects pages"
    assert of_knobs("ksm", ksm="1") == [warning("ksm", said, "echo 0 > /sys/kernel/mm/ksm/run")]
    assert of_knobs("ksm", ksm="0") == of_knobs("ksm") == []


@pytest.mark.parametrize(
    ("value", "on"),
    [("0x0001", True), ("0x0003", True), ("0x0002", False), ("1", True), ("", False)],
)
def test_the_multi_gen_lru_is_bit_0(value, on):
    said = "on: reclaim ages by page table walks" if on else "off"
    words = f"the multi-gen LRU is {said} (trackers switch it as they need)"
    assert of_knobs("lru-gen", lru_gen=value) == [fine("lru-gen", words)]
    assert of_knobs("lru-gen") == []


def test_cpus():
    one = "one CPU is usable (online: 0-71): a tracker shares it with the workload"
    fix = "two CPUs or more; placement: spare needs one without the workload"
    assert of_cpu("cpus", usable=1) == [warning("cpus", one, fix)]
    two = (
        "2 CPUs are usable (online: 0-71): placement: spare works with fewer threads than that,"
        " pinned"
    )
    assert of_cpu("cpus", usable=2) == [fine("cpus", two)]


def test_governors():
    mixed = {"schedutil": 4, "performance": 4, "ondemand": 1}
    said = "CPU frequency is governed by ondemand, schedutil: it follows the load"
    fix = "cpupower frequency-set -g performance"
    assert of_cpu("governor", governors=mixed) == [warning("governor", said, fix)]
    assert of_cpu("governor", governors={}) == []


INTEL = "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo"
OTHERS = "echo 0 > /sys/devices/system/cpu/cpufreq/boost"


@pytest.mark.parametrize(
    ("no_turbo", "boost", "fix"),
    [("0", None, INTEL), (None, "1", OTHERS), ("0", "1", INTEL), ("1", "1", OTHERS),
     ("1", None, "off"), (None, "0", "off"), ("1", "0", "off"), (None, None, None)],
)  # fmt: skip
def test_turbo(no_turbo, boost, fix):
    said = "turbo is on: speed depends on heat and on other cores"
    wanted = [warning("turbo", said, fix)] if fix else []
    if fix == "off":
        wanted = [fine("turbo", "turbo is off")]
    assert of_cpu("turbo", no_turbo=no_turbo, boost=boost) == wanted


def test_smt_and_isolation():
    said = "SMT is on: a tracker on a sibling slows the workload down"
    fix = "echo off > /sys/devices/system/cpu/smt/control, or pin with siblings left idle"
    assert of_cpu("smt", smt="1") == [warning("smt", said, fix)]
    assert of_cpu("smt", smt=None) == of("isolated") == []


def test_memory():
    nodes = {
        "0": {"total": 0, "free": 0},
        "1": {"total": GIB, "free": 256 * MIB},
        "2": {"total": GIB, "free": 255 * MIB},
    }
    fix = "stop services, or ask for larger tiers"
    assert of("memory", nodes=nodes) == [
        warning("memory", "node 2: 255 MiB of 1 GiB are free", fix),
        fine("memory", "node 1: 256 MiB of 1 GiB are free"),
    ]
    said = "2 GiB of swap: a sweep that swaps is not trusted"
    fix = "swapoff -a (the tracker reclaim needs a swap area or a lower tier)"
    assert of("swap", swap_bytes=2 * GIB) == [warning("swap", said, fix)]


def test_the_controller():
    tools = {
        "gcc": "/usr/bin/gcc", "ssh": None, "qemu-system-x86_64": None, "ansible-playbook": None,
    }  # fmt: skip
    packages = {name: f"apt-get install {name[:4]}" for name in tools}
    assert judge_controller(tools, packages) == (
        problem("tool", "ssh is not installed: it reaches the hosts", "apt-get install ssh"),
        problem("tool", "ansible-playbook is not installed: it brings the agent to the hosts",
                "apt-get install ansi"),
        warning("tool", "qemu-system-x86_64 is not installed: there will be no lab",
                "apt-get install qemu"),
        fine("tool", "gcc is /usr/bin/gcc"),
    )  # fmt: skip
    (gcc,) = judge_controller({"gcc": None}, packages)
    assert gcc.sentence == "gcc is not installed: it builds the workload"
    assert judge_controller({}, packages) == ()
