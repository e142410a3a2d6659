"""What one guest lacks: started or found, up, silent or down."""

from __future__ import annotations

from typing import Any

import pytest

from hotkit.core.gravity import Finding, Gravity
from hotkit.core.guestdoctor import judge_guest
from hotkit.core.guestspec import Guest
from hotkit.core.units import GIB
from tests.unit.doctorfacts import DOWN, HOST, SERVER, UP, changed, guest

PROBLEM, WARNING, FINE = Gravity
WAY = "my-lab --limit tier1 --guest g1"
THEIRS = guest(process={"pid_file": "/run/x.pid"}, ssh={"port": 2222})


def findings(
    one: Guest, found: dict[str, Any], vm: dict[str, Any] = SERVER, host: dict[str, Any] = HOST
) -> list[Finding]:
    said = judge_guest(one, found, vm, host, WAY)
    assert [item.gravity for item in said] == sorted(item.gravity for item in said)
    for item in said:
        assert "\n" not in item.sentence and "None" not in item.sentence, item
        assert (item.fix is None) == (item.gravity is FINE), item
    return list(said)


def odd(*arguments: Any, **named: Any) -> list[tuple[str, Gravity]]:
    found = findings(*arguments, **named)
    return [(item.code, item.gravity) for item in found if item.gravity is not FINE]


def one(code: str, *arguments: Any, **named: Any) -> Finding:
    (found,) = (item for item in findings(*arguments, **named) if item.code == code)
    return found


def test_a_guest_that_is_up_and_lacks_nothing():
    assert odd(guest(), UP) == [] and odd(THEIRS, UP) == []
    codes = {item.code for item in findings(guest(), UP)}
    # What is in it is told as of every machine; what the VM is, once.
    assert {"guest-state", "monitor", "guest-pebs", "tlb-counters", "root", "thp"} <= codes
    assert not {"platform", "pmu", "guest-memory", "guest-disk"} & codes
    assert one("guest-state", guest(), UP).sentence == "runs (process 4711), and its agent answers"


@pytest.mark.parametrize(
    ("state", "whose", "gravity", "words", "fix"),
    [
        ("down", guest(), WARNING, "is down", f"hotkit guest up {WAY}"),
        ("died", guest(), PROBLEM, "is gone", f"hotkit guest up {WAY}"),
        ("down", THEIRS, PROBLEM, "is not there (process in /run/x.pid)", "start the VM"),
    ],
)
def test_a_guest_that_is_not_up(state, whose, gravity, words, fix):
    found = one("guest-state", whose, DOWN | {"state": state})
    assert found.gravity is gravity and words in found.sentence and fix in str(found.fix)
    assert odd(whose, DOWN | {"state": state}) == [("guest-state", gravity)]


def test_a_guest_that_does_not_answer():
    silent = UP | {"state": "silent", "inside": None, "machine": None, "silent": "timed out"}
    assert odd(guest(), silent) == [("guest-state", PROBLEM)]
    assert "by ssh: timed out" in one("guest-state", guest(), silent).sentence


def test_what_is_missing_to_start_it():
    lost = DOWN | {"no_disk": "/srv/g1.img is not there", "no_kernel": ["no kernel", None]}
    assert odd(guest(), lost) == [
        ("guest-disk", PROBLEM), ("guest-kernel", PROBLEM), ("guest-state", WARNING)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "vm", "host", "words", "fix"),
    [
        ({}, {"memory_available": 16 * GIB}, {}, "16 GiB are available (MemAvailable)", "smaller"),
        ({"nodes": [{"memory": "16G", "host_node": 2}]}, {}, {}, "no memory in node 2",
         "host_node: 0, 1"),
        ({"nodes": [{"memory": "16G", "host_node": 1}]}, {},
         {"nodes": {"1": {"total": 128 * GIB, "free": 8 * GIB}}},
         "16 GiB of node 1 are wanted, 8 GiB are free there", "smaller"),
    ],
)  # fmt: skip
def test_memory(keys, vm, host, words, fix):
    found = [
        item
        for item in findings(guest(**keys), DOWN, SERVER | vm, HOST | host)
        if item.code == "guest-memory" and item.gravity is PROBLEM
    ]
    assert len(found) == 1 and words in found[0].sentence and fix in str(found[0].fix)


def test_transparent_huge_pages():
    assert one("guest-backing", guest(backing="thp"), DOWN).gravity is FINE
    never = SERVER | {"thp": "always madvise [never]"}
    found = one("guest-backing", guest(backing="thp"), DOWN, never)
    assert found.gravity is PROBLEM and str(found.fix).startswith("echo madvise > ")
    assert one("guest-backing", guest(), DOWN, never).gravity is FINE
    found = one("guest-backing", guest(backing="thp"), DOWN, SERVER | {"thp": None})
    assert "not in this kernel" in found.sentence


def test_huge_pages_of_a_pool():
    backed = guest(backing="hugetlb")
    found = one("guest-backing", backed, DOWN, changed(SERVER, "huge", "all", to={
        "total": 100, "free": 20
    }))  # fmt: skip
    assert found.gravity is PROBLEM and "8192 pages of 2 MiB are wanted, 20 of 100" in str(found)
    assert found.fix == "echo 8272 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
    full = changed(SERVER, "huge", "all", to={"total": 9000, "free": 9000})
    assert odd(backed, DOWN, full) == [("guest-state", WARNING)]
    # MemAvailable has nothing of a pool in it.
    assert odd(backed, DOWN, full | {"memory_available": GIB}) == [("guest-state", WARNING)]
    bound = guest(backing="hugetlb", nodes=[{"memory": "16G", "host_node": 1}])
    found = one("guest-backing", bound, DOWN, full)
    assert "of node 1, 0 of 0 are free" in found.sentence
    assert "echo 8192 > /sys/devices/system/node/node1/hugepages/" in str(found.fix)


def test_pins():
    assert one("guest-cpus", guest(cpus=2, cpu_pins=[2, 3]), DOWN).gravity is FINE
    found = one("guest-cpus", guest(cpus=2, cpu_pins=[71, 72]), UP)
    assert found.gravity is PROBLEM and "not online: 72 (online: 0-71)" in found.sentence


@pytest.mark.parametrize(
    ("key", "value", "code", "words"),
    [
        ("exe", "cloud-hypervisor", "monitor", "cloud-hypervisor has a seccomp filter"),
        ("tracer", "99", "monitor", "process 99 traces it"),
        ("ring", True, "dirty-ring", "dirty-ring-size="),
        ("merging", 7, "guest-merged", "ksm_merging_pages is 7"),
    ],
)
def test_the_process(key, value, code, words):
    found = changed(UP, "process", key, to=value)
    assert odd(THEIRS, found) == [(code, WARNING)]
    assert any(words in item.sentence for item in findings(THEIRS, found))


def test_another_monitor_without_a_filter_is_as_good():
    process = UP["process"] | {"exe": "firecracker", "seccomp": "0"}
    assert odd(THEIRS, UP | {"process": process}) == []


@pytest.mark.parametrize(
    ("path", "to", "code"),
    [
        (("doctor", "uid"), 1000, "root"),
        (("doctor", "hotkit_kernel"), None, "hotkit-kernel"),
        (("tlb_counters",), [], "tlb-counters"),
        (("pmu", "flags"), [], "guest-pebs"),
    ],
)
def test_what_is_in_it(path, to, code):
    found = changed(UP, "inside", *path, to=to)
    found["inside"]["pmu"]["pebs_said"] = None
    assert code in [name for name, _ in odd(guest(), found)]


def test_the_patched_kernel_in_a_guest_has_another_way_there():
    stock = changed(UP, "inside", "doctor", "hotkit_kernel", to=None)
    assert "kernel: hotkit in hotkit_guests" in str(one("hotkit-kernel", guest(), stock).fix)
    assert "in the guest" in str(one("hotkit-kernel", THEIRS, stock).fix)
    assert one("hotkit-kernel", guest(), UP).gravity is FINE
