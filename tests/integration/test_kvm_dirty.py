"""The tracker kvm-dirty on a real VM (minivm.c): what its guest wrote is what was found, no more.

Whatever becomes of the scanner, the VM goes on as if nothing had been: its main thread's poll()
returned nothing that it may not, and its slots and their flags are those that it had.
"""

from __future__ import annotations

import errno
import json
import os
import random
import select
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scanning import PAGE, Rounds, compiled, written
from test_remote_calls import descriptors, keepers, wait_for

from hotkit.agent.protocol import AgentError
from hotkit.agent.scanprocess import ScanProcess
from hotkit.agent.trackers.base import Probe, complete
from hotkit.agent.trackers.kvm_dirty import KvmDirty, mechanism, no_kvm
from hotkit.agent.trackers.uffd_wp import UffdWp, features_here
from hotkit.agent.undo import Undo

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="traces processes: root only"),
    pytest.mark.skipif(no_kvm() is not None, reason=f"hardware: {(no_kvm() or ['', ''])[0]}"),
]
PAGES = 70  # of each slot: no multiple of a bitmap's word
PROTECTS = ["get", "manual", "initially-set"]


class Vm:
    """minivm.c; every wait for it ends."""

    def __init__(self, program, *words, pages=PAGES):
        argv = [program, str(pages), *words]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self.process.pid
        self.slots = json.loads(self._answer())["slots"]
        _, self.first, self.second = self.slots[:3]
        self.target = {
            "kind": "vm", "pid": self.pid, "cpus": sorted(os.sched_getaffinity(0)), "uffd": -1,
            "cgroup": None, "slots": self.slots[:3],
            "ranges": [[hva, hva + size] for _, size, hva in (self.first, self.second)],
        }  # fmt: skip

    def ask(self, words):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        return self._answer().strip()

    def write(self, slot, first, count=1, step=1):
        assert self.ask(f"write {slot[0] + first * PAGE} {step} {count}") == "done"

    def once(self, slot, first, count=1, step=1):
        assert self.ask(f"once {slot[0] + first * PAGE} {step} {count}") == "done"

    def read(self, slot, first, count=1, step=1):
        assert self.ask(f"read {slot[0] + first * PAGE} {step} {count}") == "done"

    def state(self):
        return json.loads(self.ask("state"))

    def assert_unharmed(self, log=errno.ENOENT):
        before = self.state()
        # Two passes of the guest, and a turn of the main loop that only time ends.
        wait_for(lambda: self.state()["passes"] > before["passes"] + 2, "the guest stands still")
        assert json.loads(self.ask("log"))[:3] == [errno.ENOENT, log, log]
        assert self.ask("slots") == "the same"
        assert self.state()["wrong"] == 0
        assert keepers(self.pid) == []

    def close(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()

    def _answer(self):
        assert select.select([self.process.stdout], [], [], 30)[0], "the VM says nothing"
        return self.process.stdout.readline()


@pytest.fixture(scope="module")
def minivm(tmp_path_factory):
    program = compiled("minivm", tmp_path_factory.mktemp("minivm"))
    try:
        with running(program) as vm:
            vm.write(vm.first, 0)
    except (AssertionError, ValueError):
        pytest.skip("hardware: no guest runs on this machine's /dev/kvm")
    return program


@contextmanager
def running(program, *words, **more):
    vm = Vm(program, *words, **more)
    try:
        yield vm
    finally:
        vm.close()


def scanner(program, vm, interval_us=20_000, slots=None, **more):
    scan = ScanProcess(program, "kvm-dirty", dict(vm.target, **more), interval_us)
    for gpa, size, hva in slots or vm.slots[:3]:
        scan.argv += ["--slot", f"{gpa:#x}:{size:#x}:{hva:#x}"]
    return scan


def start(scan, rounds=None):
    scan.start(os.sched_getaffinity(0), rounds)
    return scan


def refused(program, vm, **more):
    scan = scanner(program, vm, **more)
    with pytest.raises(AgentError) as caught:
        start(scan)
    assert scan._child.returncode == 2
    return str(caught.value)


def later(vm, rounds, ranges):
    """Per range the pages found in rounds that began after now, in which the guest did a pass."""
    rounds.more()
    seen, passes = len(rounds.flags), vm.state()["passes"]
    wait_for(lambda: vm.state()["passes"] > passes + 2, "the guest stands still")
    rounds.more()
    flags = rounds.flags[seen : len(rounds.flags) // ranges * ranges]
    assert seen % ranges == 0
    return [
        {i for one in flags[which::ranges] for i, flag in enumerate(one) if flag}
        for which in range(ranges)
    ]


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


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ([0, 1, 0], []),
        ([0, -1, 0], []),
        ([1, 0, 0], []),
        ([1, 0, 0], ["alias"]),
        ([-1, 0, 0], ["alias"]),
        ([0, 0, 1], []),
        ([0x10000, 0, 0], ["alias"]),
        ([0x10000, 0, 0], ["two-vms"]),
        ([-0xFFFF, 0, 0], []),
    ],
)
def test_a_section_that_is_no_slot_is_refused(program, minivm, section, words):
    """Pages added to guest address, size and address of a slot: nothing is made, nor moved."""
    with running(minivm, *words) as vm:
        wrong = [number + pages * PAGE for number, pages in zip(vm.first, section, strict=True)]
        said = refused(program, vm, slots=[wrong])
        assert said == "scan: no slot of the VM is the section {:#x}:{:#x}:{:#x}".format(*wrong)
        vm.assert_unharmed()


@pytest.mark.parametrize(
    ("words", "log", "sentence"),
    [
        (["ring"], errno.ENXIO, "the VM has a dirty ring"),
        (["logged"], 0, "the VM's dirty log is on: it is being migrated"),
        (["logged", "initially-set"], 0, "the VM's dirty log is on: it is being migrated"),
        (["filter"], errno.ENOENT, "the process has a seccomp filter"),
    ],
)
def test_a_vm_that_cannot_be_tracked_is_refused(program, minivm, words, log, sentence):
    with running(minivm, *words) as vm:
        assert sentence in refused(program, vm)
        if log == errno.ENXIO:
            assert json.loads(vm.ask("log")) == [errno.ENXIO] * 3
        else:
            vm.assert_unharmed(log)


def test_a_log_that_another_reads_keeps_its_pages(program, minivm):
    """Asking a VM in migration whether its log is on must not take a page from it."""
    with running(minivm, "logged") as vm:
        vm.write(vm.first, 7, 4)
        vm.write(vm.first, 0, 0)
        vm.ask("log")  # clears what the guest wrote until now
        vm.write(vm.second, 7, 4)
        vm.write(vm.second, 0, 0)
        assert "dirty log is on" in refused(program, vm)
        assert vm.ask("dirty") == "0 4"


def test_qemus_filter_takes_our_calls(program, minivm, tmp_path):
    """By its name; what the real one forbids is in QEMU's qemu-seccomp.c, and none of ours is."""
    qemu = tmp_path / "qemu-system-x86_64"
    qemu.write_bytes(minivm.read_bytes())
    qemu.chmod(0o755)
    with running(qemu, "filter") as vm:
        start(scanner(program, vm)).stop()
        vm.assert_unharmed()


def test_what_the_caller_gets_wrong_is_told(program, minivm):
    with running(minivm) as vm:
        gpa, size, hva = vm.first
        assert "needs the sections" in refused_without_slots(program, vm)
        assert "are the same memory" in refused(program, vm, slots=[vm.first, [0, PAGE, hva]])
        elsewhere = {"ranges": [[PAGE, 2 * PAGE]]}
        assert "nothing of --range lies in" in refused(program, vm, **elsewhere)
        for slot in ([1, size, hva], [gpa, 0, hva], [gpa, 5, hva], [gpa, size, hva + 1]):
            assert refused(program, vm, slots=[slot]).endswith(": Invalid argument")
        assert "--slot: Argument list too long" in refused(program, vm, slots=many_slots())
        vm.assert_unharmed()
    no_vm = subprocess.Popen(["sleep", "60"])
    try:
        vm.target["pid"] = no_vm.pid
        assert "has no VM of KVM" in refused(program, vm)
        assert no_vm.poll() is None
    finally:
        no_vm.kill()
        no_vm.wait()


def many_slots():
    return [[i * PAGE, PAGE, i * PAGE] for i in range(1, 66)]


def refused_without_slots(program, vm):
    scan = ScanProcess(program, "kvm-dirty", vm.target, 1000)
    with pytest.raises(AgentError) as caught:
        start(scan)
    return str(caught.value)


@pytest.mark.parametrize("protect", PROTECTS)
def test_memory_that_the_vm_gives_up_does_not_come_back(program, minivm, protect):
    """To put a slot's flags back when the slot is gone would make it again."""
    with running(minivm, protect) as vm:
        scan = start(scanner(program, vm, 2_000))
        assert vm.ask("drop") == "dropped"
        scan._child.wait(20)
        with pytest.raises(AgentError, match="^scan: the VM has given up memory that is tracked"):
            scan.stop()
        assert json.loads(vm.ask("log")) == [errno.ENOENT] * 2
        assert vm.ask("slots") == "the same"
        assert keepers(vm.pid) == []


def test_two_at_once_are_refused(program, minivm):
    with running(minivm) as vm:
        scan = start(scanner(program, vm))
        assert "is on: it is being migrated, or tracked by another" in refused(program, vm)
        scan.stop()
        vm.assert_unharmed()


@pytest.mark.parametrize("protect", PROTECTS)
def test_a_scanner_killed_at_any_time_leaves_the_vm_as_it_was(program, minivm, protect):
    with running(minivm, protect) as vm:
        vm.write(vm.first, 3, 9, 7)
        for turn in range(40):
            # The child alone, not through ScanProcess: from its first moment on.
            scan = scanner(program, vm, 300)
            child = subprocess.Popen(
                scan.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            time.sleep(random.uniform(0, 0.03))
            os.kill(child.pid, random.choice((signal.SIGKILL, signal.SIGTERM)))
            # Its end of file comes when the VM is as it was: the agent waits for that.
            while child.stdout.read(1 << 16):
                pass
            if turn % 8 == 0:
                vm.assert_unharmed()
            child.communicate(timeout=10)
        vm.assert_unharmed()


def test_an_agent_learns_of_a_scanner_that_was_killed(program, minivm):
    with running(minivm) as vm:
        scan = start(scanner(program, vm))
        scan._child.kill()
        with pytest.raises(AgentError, match="^the scanner ended without a word$"):
            scan.stop()
        vm.assert_unharmed()


@pytest.mark.parametrize("protect", PROTECTS)
def test_a_vm_that_dies_is_told(program, minivm, protect):
    with running(minivm, protect) as vm:
        scan = start(scanner(program, vm, 2_000))
        time.sleep(random.uniform(0, 0.05))
        vm.process.kill()
        scan._child.wait(20)
        with pytest.raises(AgentError, match="^scan: [^:]+: No such process$"):
            scan.stop()
        assert keepers(vm.pid) == []


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
