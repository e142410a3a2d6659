"""The tracker kvm-dirty on a real VM (minivm.c): what its guest wrote is what was found, no more.

And the VM goes on as if nothing had been; test_kvm_dirty_harmless.py has what may go wrong.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minivms import NEEDS_KVM, PAGES, PROTECTS, later, running, scanner, start
from scanning import PAGE, Rounds, descriptors, keepers, written

from hotkit.agent.protocol import AgentError
from hotkit.agent.trackers.base import Probe, complete
from hotkit.agent.trackers.kvm_dirty import KvmDirty, mechanism
from hotkit.agent.trackers.uffd_wp import UffdWp, features_here
from hotkit.agent.undo import Undo

pytestmark = NEEDS_KVM


@pytest.mark.parametrize("protect", PROTECTS)
def test_pages_written_are_those_found(program, minivm, protect):
    """Recall and precision are 1; pages read, and pages written before, are not found."""
    with running(minivm, protect) as vm:
        vm.write(vm.first, 60, 10)
        vm.read(vm.first, 0, PAGES)
        vm.write(vm.second, 1)
        rounds = Rounds()
        scan = start(scanner(program, vm), rounds)
        rounds.more()
        vm.write(vm.first, 3, 9, 7)
        rounds.more()
        vm.write(vm.second, 66, 4)
        last = later(vm, rounds, 2)
        while len(rounds.ended) < 25:  # to know that somebody has to clear takes some
            rounds.more()
        scan.stop()
        vm.assert_unharmed()
    assert written(scan) == [set(range(3, 66, 7)), {1, 66, 67, 68, 69}]
    # What the guest wrote no more is not found any more.
    assert last == [set(), {66, 67, 68, 69}]
    count = scan.count
    assert count.examined == 2 * PAGES * count.rounds
    assert count.positive == sum(map(sum, rounds.flags))
    assert count.positive == sum(sum(part.heat) for part in scan.hot())
    assert scan.said["protect"] == ("get" if protect == "get" else "manual")
    assert scan.said["outside"] == 0


@pytest.mark.parametrize("protect", PROTECTS)
@settings(max_examples=8)
@given(
    orders=st.lists(
        st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 10), st.integers(1, 6)),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_any_pages_written(program, minivm, protect, orders):
    expected = [set(), set()]
    with running(minivm, protect) as vm:
        rounds = Rounds()
        scan = start(scanner(program, vm, 3_000), rounds)
        for in_second, first, count, step in orders:
            vm.write(vm.second if in_second else vm.first, first, count, step)
            expected[in_second] |= set(range(first, first + count * step, step))
        rounds.more()
        scan.stop()
        vm.assert_unharmed()
    assert written(scan) == expected


@pytest.mark.parametrize("protect", PROTECTS)
def test_a_page_written_once_is_found_in_one_round(program, minivm, protect):
    """Whenever it comes: between asking and clearing, too. None is lost, none found twice."""
    times = 30
    with running(minivm, protect) as vm:
        rounds = Rounds()
        scan = start(scanner(program, vm, 200), rounds)
        for _ in range(times):
            vm.once(vm.first, 0, PAGES)
            vm.once(vm.second, 1, PAGES // 2, 2)
            rounds.more()
        scan.stop()
        vm.assert_unharmed()
    # The heat itself is scaled to a byte in that many rounds.
    first, second = (
        [sum(column) for column in zip(*rounds.flags[which::2], strict=True)] for which in (0, 1)
    )
    assert first == [times] * PAGES
    assert second == [times * (page % 2) for page in range(PAGES)]


@pytest.mark.parametrize("protect", PROTECTS)
def test_an_idle_guest_writes_nothing(program, minivm, protect):
    with running(minivm, protect) as vm:
        rounds = Rounds()
        scan = start(scanner(program, vm), rounds)
        rounds.more()
        scan.stop()
        vm.assert_unharmed()
    assert written(scan) == [set(), set()] and scan.count.positive == 0
    # Without a page written, only that all are set at first tells who clears.
    assert scan.said["protect"] == ("manual" if protect == "initially-set" else "unknown")


@pytest.mark.parametrize("protect", PROTECTS)
def test_ranges_are_parts_of_slots(program, minivm, protect):
    """In any order; what else was written is not found; a slot without a range is left alone."""
    with running(minivm, protect) as vm:
        gpa, _, hva = vm.first
        ranges = [[hva + a * PAGE, hva + b * PAGE] for a, b in ((64, 70), (3, 10), (20, 22))]
        vm.write(vm.first, 0, PAGES)
        rounds = Rounds()
        scan = start(scanner(program, vm, ranges=ranges), rounds)
        rounds.more()
        assert json.loads(vm.ask("log")) == [errno.ENOENT, 0, errno.ENOENT]
        vm.write(vm.first, 1, 23, 3)
        last = later(vm, rounds, 3)
        scan.stop()
        vm.assert_unharmed()
    assert written(scan) == [set(range(6)), set(range(7)), {0, 1}]
    assert last == [{0, 3}, {1, 4}, set()]
    assert scan.count.examined == (6 + 7 + 2) * scan.count.rounds


def test_memory_that_is_in_no_slot_is_not_looked_at(program, minivm):
    with running(minivm) as vm:
        vm.write(vm.first, 0, PAGES)
        rounds = Rounds()
        _, size, hva = vm.first
        around = [[hva - 2 * PAGE, hva + size + 3 * PAGE]]
        scan = start(scanner(program, vm, slots=[vm.first], ranges=around), rounds)
        rounds.more()
        scan.stop()
        vm.assert_unharmed()
    assert written(scan) == [set(range(2, PAGES + 2))]
    assert scan.said["outside"] == 5
    assert scan.count.examined == PAGES * scan.count.rounds


@pytest.mark.parametrize("words", [["alias"], ["two-vms"], ["alias", "initially-set"]])
def test_slots_that_could_be_taken_for_others(program, minivm, words):
    """The same memory at a second place under a lower id; a second VM with the same addresses."""
    with running(minivm, *words) as vm:
        vm.write(vm.first, 5, 3)
        rounds = Rounds()
        # The second slot is asked for first: a first VM has nothing there, and gets nothing.
        scan = start(scanner(program, vm, slots=vm.slots[2:0:-1]), rounds)
        assert vm.ask("slots") == "the same"
        rounds.more()
        scan.stop()
        vm.assert_unharmed()
    assert written(scan) == [{5, 6, 7}, set()]


def test_the_tracker_itself(program, minivm, tmp_path):
    tracker = KvmDirty(Undo(tmp_path))
    tracker.scan_program = program
    cpu = max(os.sched_getaffinity(0))
    given = complete(KvmDirty, {"interval_ms": 1, "placement": "pinned", "cpu": cpu})
    assert tracker.probe(given).as_json() == {"available": True, "reason": None, "fix": None}
    with running(minivm, "initially-set") as vm:
        with pytest.raises(AgentError, match="tracks a VM, and the target is none"):
            tracker.start(dict(vm.target, kind="process"), given)
        tracker.stop()
        vm.write(vm.first, 3, 2)
        tracker.recorder = rounds = Rounds()
        tracker.start(vm.target, given)
        (keeper,) = set(keepers(vm.pid)) - {tracker._scan._child.pid}
        while len(rounds.ended) < 100:
            rounds.more()
        assert os.sched_getaffinity(keeper) == {cpu}
        tracker.stop()
        tracker.stop()
        vm.assert_unharmed()
    assert tracker.cpus() == [cpu]
    assert written(tracker) == [{3, 4}, set()]
    assert tracker.samples().positive > 20  # a round may be shorter than a pass of the guest
    assert tracker.samples().extra == {"pages_outside_of_slots": 0}
    assert tracker.facts() == {"mechanism": mechanism(), "protect": "manual"}
    # Two calls per slot and round, which stop a thread thrice each.
    assert tracker.self_cost() > 100 * 2 * 10_000


def test_the_main_threads_time_is_the_trackers_cost(program, minivm):
    """The log is read in the VM's process: what that costs there is told, too."""
    with running(minivm, "manual", pages=1 << 16) as vm:
        vm.write(vm.first, 0, 1 << 14, 4)
        rounds = Rounds()
        scan = start(scanner(program, vm, 1_000), rounds)
        who = sorted({*keepers(vm.pid), vm.pid})
        before = [main_thread_ns(pid) for pid in who]
        assert len(who) == 3
        while len(rounds.ended) < 200:
            rounds.more()
        spent = [main_thread_ns(pid) - ns for pid, ns in zip(who, before, strict=True)]
        scan.stop()
        vm.assert_unharmed()
    of_vm = spent[who.index(vm.pid)]
    # Its main thread does little else (a turn of poll() in 10 ms). Its way back to what it was at,
    # after each call, is not seen.
    assert of_vm > 200 * 10_000
    assert scan.cpu_ns > sum(spent) - 0.5 * of_vm


def main_thread_ns(pid):
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0])


@pytest.mark.skipif(
    isinstance(features_here(), Probe) or not features_here() & 1,
    reason="no userfaultfd with write protection for us here",
)
def test_uffd_wp_over_a_vm(program, minivm, tmp_path):
    """By a userfaultfd opened in its process: a guest's write traps as any other."""
    tracker = UffdWp(Undo(tmp_path))
    tracker.scan_program = program
    with running(minivm) as vm:
        before = descriptors(vm.pid)
        vm.write(vm.second, 9, 3, 2)
        tracker.recorder = rounds = Rounds()
        tracker.start(vm.target, complete(UffdWp, {"interval_ms": 20}))
        assert len(descriptors(vm.pid)) == len(before) + 1
        rounds.more()
        tracker.stop()
        assert descriptors(vm.pid) == before
        vm.assert_unharmed()
    assert written(tracker) == [set(), {9, 11, 13}]
