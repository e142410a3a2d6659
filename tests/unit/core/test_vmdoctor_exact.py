"""What hosts lack for guests: every finding to the letter, in its order."""

from __future__ import annotations

import pytest

from hotkit.core.gravity import fine, problem, warning
from hotkit.core.labels import Label, Platform
from hotkit.core.units import GIB
from hotkit.core.vmdoctor import judge_vms, tlb_counters
from tests.unit.doctorfacts import HOST, METAL, SERVER, changed, guest

VIRTUAL = Label(platform=Platform.VIRTUAL, evidence="the CPU flag hypervisor is set")
THEIRS = guest(process={"pid_file": "/run/x.pid"}, ssh={"port": 2222})
PATCHED = "hotkit_kernel: host in the inventory, then hotkit provision (docs/kernel.md)"
OPTION = "CONFIG_KVM_ELIDE_TLB_FLUSH_IF_YOUNG"
LOCKED = ["debugfs is not mounted", "mount -t debugfs debugfs /sys/kernel/debug"]
KSM_OFF = "echo 2 > /sys/kernel/mm/ksm/run"


def of(code, vm=SERVER, host=HOST, label=METAL, guests=()):
    return [item for item in judge_vms(vm, host, label, guests) if item.code == code]


def test_a_server_as_one_would_like_it_from_top_to_bottom():
    kvm = "/sys/module/kvm_intel/parameters"
    assert judge_vms(SERVER, HOST, METAL, ()) == (
        fine("virtualisation", "the CPU has vmx (flags of /proc/cpuinfo)"),
        fine("kvm", "/dev/kvm can be used (kvm_intel)"),
        fine("nested-paging", f"guests have nested paging ({kvm}/ept is Y)"),
        fine("ept-ad", f"the CPU sets A and D bits in the EPT ({kvm}/eptad is Y)"),
        fine("pml", f"kvm-dirty will measure PML ({kvm}/pml is Y)"),
        fine("nesting", "this host is metal, its guests are not nested (no hypervisor flag; DMI"
             " says Dell Inc.)"),
        fine("vm-flush", "scans over a VM can flush: primary, and primary+secondary"
             " (/sys/kernel/debug/hotkit: damon_mode)"),
        fine("kvm-flush", f"KVM flushes when a scan asks it to (no {OPTION} in"
             " /boot/config-6.1.0-hotkit)"),
        fine("kvm-counters", "KVM counts its flushes (/sys/kernel/debug/kvm/tlb_flush,"
             " remote_tlb_flush)"),
        fine("tlb-counters", "/proc/vmstat counts flushes (nr_tlb_remote_flush,"
             " nr_tlb_local_flush_all)"),
        fine("qemu", "QEMU is /usr/bin/qemu-system-x86_64, version 7.2.22"),
        fine("guest-tools", "systemd-run is /usr/bin/systemd-run"),
        fine("guest-tools", "ssh is /usr/bin/ssh"),
        fine("guest-tools", "ssh-keygen is /usr/bin/ssh-keygen"),
        fine("guest-space", "200 GiB are free for /var/lib/hotkit/guests"),
        fine("guest-ksm", "KSM has merged nothing"),
        fine("guest-numa-balancing", "NUMA balancing takes nothing from guests: it is off"),
        fine("ptrace", "a VM's process can be traced: kvm-dirty, uffd-wp"),
        fine("pagemap", "/proc/PID/pagemap shows frames"),
        fine("guest-vpmu", "KVM gives its guests a PMU (/sys/module/kvm/parameters/enable_pmu is"
             " Y)"),
        fine("guest-pebs-cpu", "the CPU has PEBS of the kind that guests can have (MSR 0x345 is"
             " 0x74c5: format 4, baseline)"),
        fine("guest-pebs-kvm", "KVM offers its guests PEBS with data addresses (KVM_GET_MSRS of"
             " 0x345 gives 0x74c5)"),
    )  # fmt: skip


def test_the_gravest_come_first():
    vm = SERVER | {"tlb_counters": [], "no_kvm": ["there is no /dev/kvm", "modprobe kvm"]}
    found = judge_vms(vm, HOST, METAL, ())
    assert [item.code for item in found[:3]] == ["kvm", "tlb-counters", "virtualisation"]


def test_whose_cpu_has_no_virtualisation_is_told_by_what_the_host_is():
    bare = changed(SERVER, "pmu", "flags", to=[])
    bare["no_kvm"] = ["there is no /dev/kvm", "modprobe kvm"]
    for label, word in ((METAL, "firmware"), (VIRTUAL, "this machine is started")):
        (found,) = of("virtualisation", bare, label=label)
        assert word in found.fix


def test_a_host_that_is_a_vm():
    (found,) = of("nesting", label=VIRTUAL)
    assert found == warning(
        "nesting",
        "this host is itself virtual (the CPU flag hypervisor is set): its guests are nested, what"
        " they cost is not what they cost on metal",
        "metal, for costs; here it is seen that trackers work",
    )


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ({"hotkit_kernel": {"abi": "1", "damon_mode": "0", "page_idle_mode": "1"}}, fine(
            "vm-flush", "scans over a VM can flush: primary, and primary+secondary"
            " (/sys/kernel/debug/hotkit: damon_mode, page_idle_mode)")),
        # Switches that are there can be seen, whatever else of debugfs is closed.
        ({"debugfs": LOCKED}, fine(
            "vm-flush", "scans over a VM can flush: primary, and primary+secondary"
            " (/sys/kernel/debug/hotkit: damon_mode)")),
        ({"hotkit_kernel": {"abi": "1"}}, warning(
            "vm-flush", "6.12.57-hotkit-1 is a stock kernel: scans over a VM have flush: stock only"
            " (no /sys/kernel/debug/hotkit)", PATCHED)),
        ({"hotkit_kernel": None, "debugfs": LOCKED}, warning(
            "vm-flush", "whether scans over a VM can flush cannot be seen: debugfs is not mounted",
            LOCKED[1])),
    ],
)  # fmt: skip
def test_whether_scans_can_flush(host, found):
    assert of("vm-flush", host=HOST | host) == [found]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"KVM_ELIDE_TLB_FLUSH_IF_YOUNG": "y"}, warning(
            "kvm-flush", f"KVM leaves out the flush that a scan asks it for ({OPTION}=y in"
            " /boot/config-6.1.0-hotkit): flush: primary+secondary over a VM will be no result",
            "a kernel without that option, of 6.12 or earlier (hotkit kernel list); " + PATCHED)),
        ({"KVM_ELIDE_TLB_FLUSH_IF_YOUNG": "m"}, fine(
            "kvm-flush", f"KVM flushes when a scan asks it to (no {OPTION} in"
            " /boot/config-6.1.0-hotkit)")),
        ({}, warning(
            "kvm-flush", f"the kernel's configuration is not here, which has {OPTION} where KVM"
            " leaves out flushes", "put it at /boot/config-6.12.57-hotkit-1; a run in which KVM"
            " counted no flush is refused anyhow")),
    ],
)  # fmt: skip
def test_whether_kvm_flushes(options, found):
    assert of("kvm-flush", SERVER | {"options": options}) == [found]


@pytest.mark.parametrize(
    ("there", "debugfs", "missing", "fix"),
    [
        ([], None, "tlb_flush, remote_tlb_flush", "modprobe kvm_intel (or kvm_amd)"),
        (["tlb_flush"], None, "remote_tlb_flush", "modprobe kvm_intel (or kvm_amd)"),
        (["remote_tlb_flush"], LOCKED, "tlb_flush", LOCKED[1]),
    ],
)
def test_kvms_counters(there, debugfs, missing, fix):
    vm, host = SERVER | {"kvm_counters": there}, HOST | {"debugfs": debugfs}
    said = f"KVM's flushes are not counted: no {missing} in /sys/kernel/debug/kvm"
    assert of("kvm-counters", vm, host) == [warning("kvm-counters", said, fix)]


def test_the_kernels_counters_of_a_host_and_of_a_guest():
    missing = (
        "/proc/vmstat has no nr_tlb_* (CONFIG_DEBUG_TLBFLUSH): the columns {0} remote and {0} local"
        " of the table of flushes will be empty"
    )
    build = "a kernel with CONFIG_DEBUG_TLBFLUSH=y, as hotkit's is: "
    assert of("tlb-counters", SERVER | {"tlb_counters": []}) == [
        warning("tlb-counters", missing.format("host"), build + PATCHED)
    ]
    assert list(tlb_counters([], "guest", "mend it")) == [
        warning("tlb-counters", missing.format("guest"), build + "mend it")
    ]
    assert list(tlb_counters(["nr_tlb_x"], "guest", "mend it")) == [
        fine("tlb-counters", "/proc/vmstat counts flushes (nr_tlb_x)")
    ]


def lacks(name, use, package):
    return problem("guest-tools", f"{name} is not in PATH: {use}", f"apt-get install {package}")


BARE = SERVER | {"programs": dict.fromkeys(SERVER["programs"]), "qemu_version": None}
SSH = lacks("ssh", "the way into guests", "openssh-client")
TOOLS = [
    lacks("systemd-run", "guests run in units of it", "systemd"),
    SSH,
    lacks("ssh-keygen", "makes their keys", "openssh-client"),
]
NO_QEMU = problem(
    "qemu",
    "qemu-system-x86_64 is not in PATH: hotkit starts guests with it",
    "apt-get install qemu-system-x86",
)


@pytest.mark.parametrize(
    ("guests", "qemu", "tools"),
    [
        ((), NO_QEMU, TOOLS),  # nobody knows whose they will be
        ((guest(),), NO_QEMU, TOOLS),
        ((THEIRS, guest()), NO_QEMU, TOOLS),
        ((THEIRS,), fine("qemu", "no QEMU, and none is needed: somebody else starts the guests"),
         [SSH]),
    ],
)  # fmt: skip
def test_programs_that_are_not_there(guests, qemu, tools):
    assert of("qemu", BARE, guests=guests) == [qemu]
    assert of("guest-tools", BARE, guests=guests) == tools


def test_programs_that_are_there_are_told_whoever_needs_them():
    unknown = SERVER | {"qemu_version": None}
    path = "/usr/bin/qemu-system-x86_64"
    assert of("qemu", unknown, guests=(THEIRS,)) == [
        fine("qemu", f"QEMU is {path}, version unknown")
    ]
    assert len(of("guest-tools", guests=(THEIRS,))) == 3


def place(free, writable=True, path="/srv"):
    return {"path": path, "free": free, "writable": writable}


def test_space_place_by_place():
    places = [place(GIB, path="/a"), place(GIB - 2**20), place(GIB - 2**20, False)]
    said = "1023 MiB are free for /srv: guests' consoles, and what they write to their disks, go"
    assert of("guest-space", SERVER | {"space": places}) == [
        problem("guest-space", "/srv cannot be written to", "mount -o remount,rw what holds /srv"),
        warning("guest-space", f"{said} there", "df -h /srv says what is full"),
        fine("guest-space", "1 GiB are free for /a"),
    ]
    assert of("guest-space", SERVER | {"space": []}) == []


@pytest.mark.parametrize(
    ("run", "sharing", "found"),
    [
        ("1", 9, warning("guest-ksm", "KSM runs (/sys/kernel/mm/ksm/run is 1): it write-protects"
                         " pages of guests, all but those of guests that hotkit starts", KSM_OFF)),
        ("0", 9, warning("guest-ksm", "KSM does not run, but 9 pages are still merged"
                         " (/sys/kernel/mm/ksm/pages_sharing)", KSM_OFF)),
        ("2", 0, fine("guest-ksm", "KSM has merged nothing")),
        ("0", None, fine("guest-ksm", "KSM has merged nothing")),
        (None, None, fine("guest-ksm", "KSM is not in this kernel")),
    ],
)  # fmt: skip
def test_ksm(run, sharing, found):
    assert of("guest-ksm", SERVER | {"ksm_run": run, "ksm_sharing": sharing}) == [found]


def test_numa_balancing():
    code = "guest-numa-balancing"
    off = fine(code, "NUMA balancing takes nothing from guests: it is off")
    for knobs in ({}, {"numa_balancing": "0"}):
        assert of(code, host=HOST | {"knobs": knobs}) == [off]
    on = warning(
        code,
        "NUMA balancing (kernel.numa_balancing is 2) takes pages from a VM's process: KVM drops its"
        " entries, and the guest exits for each",
        "sysctl kernel.numa_balancing=0 (a sweep does so while it measures)",
    )
    assert of(code, host=HOST | {"knobs": {"numa_balancing": "2"}}) == [on]


def test_what_cannot_reach_into_a_vm():
    vm = SERVER | {"no_ptrace": ["scope is 3", "reboot"], "no_frames": ["no right", "be root"]}
    said = "kvm-dirty and uffd-wp reach into no VM's process: scope is 3"
    assert of("ptrace", vm) == [warning("ptrace", said, "reboot")]
    said = "idlepage does not find a VM's pages: no right"
    assert of("pagemap", vm) == [warning("pagemap", said, "be root")]


def test_samples_are_asked_of_the_hosts_pmus():
    (found,) = of("guest-vpmu", host=HOST | {"pmus": {"software": False}})
    assert found.sentence == "guests get no PMU: this host has none"
