"""What a guest lacks: every finding to the letter, in its order."""

from __future__ import annotations

import pytest

from hotkit.core.doctor import judge
from hotkit.core.gravity import fine, problem, warning
from hotkit.core.guestdoctor import judge_guest
from hotkit.core.labels import machine_label
from hotkit.core.units import GIB, MIB
from tests.unit.doctorfacts import DOWN, HOST, SERVER, UP, changed, guest

WAY = "my-lab --limit tier1 --guest g1"
THEIRS = guest(process={"pid_file": "/run/x.pid"}, ssh={"port": 2222})
RUNS = fine("guest-state", "runs (process 4711), and its agent answers")
MONITOR = fine("monitor", "kvm-dirty and uffd-wp may make calls in its process"
               " (qemu-system-x86_64)")  # fmt: skip
POOL = "hugepages/hugepages-2048kB/nr_hugepages"
SMALLER = "stop services, or a smaller guest (memory: in hotkit_guests)"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"


def of(code, one, found=DOWN, vm=SERVER, host=HOST):
    return [item for item in judge_guest(one, found, vm, host, WAY) if item.code == code]


def test_one_that_is_down_from_top_to_bottom():
    pinned = guest(cpus=2, cpu_pins=[3, 2])
    down = f"is down: nothing can be said of what is in it ({pinned.describe()})"
    assert judge_guest(pinned, DOWN, SERVER, HOST, WAY) == (
        warning("guest-state", down, f"hotkit guest up {WAY}"),
        fine("guest-cpus", "its CPUs are pinned to CPUs 3, 2"),
        fine("guest-disk", "its disk is there"),
        fine("guest-kernel", "its kernel is there"),
        fine("guest-memory", "16 GiB are wanted, 200 GiB are available (MemAvailable)"),
        fine("guest-backing", "backing 4k: its process gets no huge pages"),
    )


@pytest.mark.parametrize(
    ("one", "patched"),
    [
        (guest(), "kernel: hotkit in hotkit_guests, after hotkit provision with hotkit_kernel:"
         " host"),
        (THEIRS, "install a package of hotkit kernel build in the guest"),
    ],
)  # fmt: skip
def test_one_that_is_up_from_top_to_bottom(one, patched):
    found = changed(UP, "inside", "doctor", "hotkit_kernel", to=None)
    found["inside"]["tlb_counters"] = []
    within = judge(found["inside"]["doctor"], machine_label(UP["machine"]))
    rest = [item for item in within if item.code not in ("platform", "pmu", "hotkit-kernel")]
    columns = "the columns guest remote and guest local of the table of flushes will be empty"
    said = judge_guest(one, found, SERVER, HOST, WAY)
    assert said == (
        warning("hotkit-kernel", "6.12.57-hotkit-1 is a stock kernel: no A bit scan can flush the"
                " TLB", patched),
        warning("tlb-counters", f"/proc/vmstat has no nr_tlb_* (CONFIG_DEBUG_TLBFLUSH): {columns}",
                "a kernel with CONFIG_DEBUG_TLBFLUSH=y, as hotkit's is: " + patched),
        RUNS,
        MONITOR,
        *rest,
        fine("guest-pebs", "the guest has PEBS with data addresses (MSR 0x345 is 0x74c5: format 4,"
             " baseline)"),
    )  # fmt: skip


def test_a_patched_kernel_in_it_needs_no_fix():
    (found,) = of("hotkit-kernel", guest(), UP)
    words = "abi 1, damon_mode 0"
    assert found == fine("hotkit-kernel", f"hotkit's patched kernel runs ({words})")


def test_other_findings_in_it_keep_their_fix():
    (found,) = of("root", guest(), changed(UP, "inside", "doctor", "uid", to=1000))
    assert found.fix == "set ansible_user: root or ansible_become: true (--local: sudo)"


@pytest.mark.parametrize(
    ("one", "state", "found"),
    [
        (guest(), {"state": "silent", "pid": 7, "silent": "timed out"}, problem(
            "guest-state", "runs (process 7), and does not answer by ssh: timed out",
            f"hotkit guest up {WAY}")),
        (THEIRS, {"state": "died"}, problem(
            "guest-state", "was started in this boot of its host, and is gone",
            f"hotkit guest up {WAY}")),
        (THEIRS, {"state": "down"}, problem(
            "guest-state", "is not there (process in /run/x.pid)",
            f"start the VM as whoever started it did, then hotkit guest up {WAY}")),
    ],
)  # fmt: skip
def test_a_state_that_is_not_up(one, state, found):
    assert of("guest-state", one, DOWN | state) == [found]


@pytest.mark.parametrize(
    ("lost", "kernel"),
    [
        (["no hotkit kernel", "hotkit kernel build"], "hotkit kernel build"),
        (["no hotkit kernel", None], "kernel: a path on the host (docs/guests.md)"),
    ],
)
def test_files_that_are_not_there(lost, kernel):
    found = DOWN | {"no_disk": "/srv/g1.img is not there", "no_kernel": lost}
    assert judge_guest(guest(), found, SERVER, HOST, WAY)[:2] == (
        problem("guest-disk", "/srv/g1.img is not there",
                "disk: a path on the host (docs/guests.md)"),
        problem("guest-kernel", "no hotkit kernel", kernel),
    )  # fmt: skip


def test_memory_that_is_just_enough_and_one_byte_less():
    enough = 16 * GIB + 256 * MIB  # the guest's and QEMU's own
    said = "16 GiB are wanted, {} are available (MemAvailable)"
    assert of("guest-memory", guest(), vm=SERVER | {"memory_available": enough}) == [
        fine("guest-memory", said.format("16640 MiB"))
    ]
    assert of("guest-memory", guest(), vm=SERVER | {"memory_available": enough - 1}) == [
        problem("guest-memory", said.format("16.2 GiB"), SMALLER)
    ]


def nodes(**sizes):
    return HOST | {
        "nodes": {name[1:]: {"total": total, "free": free} for name, (total, free) in sizes.items()}
    }


AVAILABLE = fine("guest-memory", "16 GiB are wanted, 200 GiB are available (MemAvailable)")
TWO = [{"memory": "4G", "host_node": 1}, {"memory": "4G", "host_node": 1},
       {"memory": "4G", "host_node": 0}, {"memory": "4G"}]  # fmt: skip


def short_of(number, wanted, free):
    said = f"{wanted} of node {number} are wanted, {free} are free there"
    return problem("guest-memory", said, SMALLER)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (nodes(n0=(8 * GIB, 4 * GIB), n1=(8 * GIB, 8 * GIB)), [AVAILABLE]),
        (nodes(n0=(8 * GIB, 3 * GIB), n1=(8 * GIB, 7 * GIB)),
         [short_of(0, "4 GiB", "3 GiB"), short_of(1, "8 GiB", "7 GiB"), AVAILABLE]),
        # A node of CPUs only, and one that nobody has.
        (nodes(n0=(0, 0), n2=(1, 1), n3=(9, 9)),
         [problem("guest-memory", f"the host has no memory in node {number}", "host_node: 2, 3")
          for number in (0, 1)] + [AVAILABLE]),
    ],
)  # fmt: skip
def test_memory_of_the_nodes_that_it_is_bound_to(host, found):
    assert of("guest-memory", guest(nodes=TWO), host=host) == found


def test_memory_of_huge_pages_is_asked_of_the_pool():
    """Free memory has nothing of the pool in it, so that a node only has to be there."""
    one = guest(nodes=TWO, backing="hugetlb")
    host = nodes(n0=(8 * GIB, 0), n2=(8 * GIB, 0))
    assert of("guest-memory", one, vm=SERVER | {"memory_available": 0}, host=host) == [
        problem("guest-memory", "the host has no memory in node 1", "host_node: 0, 2")
    ]


@pytest.mark.parametrize(
    ("thp", "said", "good"),
    [
        ("always [madvise] never", "always [madvise] never", True),
        ("always madvise [never]", "always madvise [never]", False),
        (None, "not in this kernel", False),
    ],
)
def test_transparent_huge_pages(thp, said, good):
    sentence = f"backing thp: {THP} is {said}"
    wanted = (
        fine("guest-backing", sentence)
        if good
        else problem("guest-backing", sentence, f"echo madvise > {THP}")
    )
    assert of("guest-backing", guest(backing="thp"), vm=SERVER | {"thp": thp}) == [wanted]


def pages(wanted, of_node, free, fix):
    said = f"backing hugetlb: {wanted} pages of 2 MiB are wanted{of_node}, {free} are free"
    return problem("guest-backing", said, fix)


def pools(**sizes):
    found = {name.strip("n"): {"total": total, "free": free}
             for name, (total, free) in sizes.items()}  # fmt: skip
    return SERVER | {"huge": found}


ENOUGH = fine("guest-backing", "backing hugetlb: 8192 pages of 2 MiB are wanted, 8200 are free")


def test_pools_of_huge_pages():
    one = guest(nodes=TWO, backing="hugetlb")
    on_node = "/sys/devices/system/node/node"
    exact = pools(n0=(2048, 2048), n1=(5000, 4096), all=(9000, 8192))
    assert of("guest-backing", one, vm=exact)[0].sentence.endswith(" wanted, 8192 are free")
    more = pools(n0=(2048, 2048), n1=(5000, 4096), all=(9000, 8200))
    assert of("guest-backing", one, vm=more) == [ENOUGH]
    # Enough in the first node is not enough in the others.
    assert of("guest-backing", one, vm=pools(n1=(5000, 4096), all=(9000, 8192))) == [
        pages(2048, " of node 0", "0 of 0", f"echo 2048 > {on_node}0/{POOL}")
    ]
    assert of("guest-backing", one, vm=pools(n0=(2050, 2047), all=(9000, 8191))) == [
        pages(4096, " of node 1", "0 of 0", f"echo 4096 > {on_node}1/{POOL}"),
        pages(2048, " of node 0", "2047 of 2050", f"echo 2051 > {on_node}0/{POOL}"),
        pages(8192, "", "8191 of 9000", f"echo 9001 > /sys/kernel/mm/{POOL}"),
    ]


def test_pins():
    """Of a guest that somebody else started nobody knows them."""
    pinned = guest(cpus=4, cpu_pins=[72, 71, 99, 73])
    fix = "cpu_pins: in hotkit_guests, of those that the layout leaves"
    said = "cpu_pins has CPUs that are not online: 72-73,99 (online: 0-71)"
    assert of("guest-cpus", pinned) == [problem("guest-cpus", said, fix)]
    assert of("guest-cpus", THEIRS) == of("guest-cpus", guest()) == []


def process(**keys):
    return UP | {"process": UP["process"] | keys}


@pytest.mark.parametrize(
    ("keys", "exe"),
    [
        ({"seccomp": None}, "qemu-system-x86_64"),
        ({"exe": "firecracker", "seccomp": None}, "firecracker"),
        ({"exe": "firecracker", "seccomp": "0"}, "firecracker"),
        ({"exe": "qemu-kvm", "tracer": None, "merging": None}, "qemu-kvm"),
    ],
)
def test_a_process_in_which_calls_can_be_made(keys, exe):
    said = f"kvm-dirty and uffd-wp may make calls in its process ({exe})"
    found = judge_guest(THEIRS, process(**keys) | {"inside": None}, SERVER, HOST, WAY)
    assert list(found) == [RUNS, fine("monitor", said)]


def test_a_process_that_has_everything_in_the_way():
    found = process(exe="crosvm", seccomp="2", tracer="99", ring=True, merging=7)
    assert list(judge_guest(THEIRS, found | {"inside": None}, SERVER, HOST, WAY)) == [
        warning("monitor", "crosvm has a seccomp filter (Seccomp: 2), which would kill it for calls"
                " that are not its own: no kvm-dirty, no uffd-wp over it",
                "start it without: --seccomp false (cloud-hypervisor), --no-seccomp (Firecracker),"
                " --disable-sandbox (crosvm)"),
        warning("monitor", "process 99 traces it: kvm-dirty and uffd-wp cannot",
                "kill 99, a debugger or strace"),
        warning("dirty-ring", "QEMU uses KVM's dirty ring (dirty-ring-size= on its command line):"
                " kvm-dirty only by: ring",
                "settings: {by: ring} for kvm-dirty, or start it with -accel kvm alone"),
        warning("guest-merged", "KSM looks after its pages (ksm_merging_pages is 7) and"
                " write-protects those that it merges", "echo 2 > /sys/kernel/mm/ksm/run"),
        RUNS,
    ]  # fmt: skip
