"""kvm-dirty by: ring, on a real VM (minivm.c) whose monitor collects KVM's dirty ring."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from minivms import NEEDS_KVM, PAGES, refused, running, scanner, start
from scanning import PAGE, keepers, wait_for

from hotkit.agent.access import no_traced_pids
from hotkit.agent.trackers.kvm_dirty import mechanism

pytestmark = NEEDS_KVM
_MOUNTED = 'mount -t tracefs tracefs /sys/kernel/tracing; exec "$@"'


def by_ring(program, vm, **more):
    scan = scanner(program, vm, 1_000_000, **more)
    scan.argv[1] = "kvm-log-on"
    return scan


def test_pages_written_are_those_found(program, minivm, tmp_path):
    """Recall and precision are 1, beside another VM whose slots have the same ids."""
    if "tracefs" not in Path("/proc/filesystems").read_text():
        pytest.skip("this kernel has no tracefs")
    if no_traced_pids():
        pytest.skip("hardware: in this container a trace's pids are not ours")
    run = Path(__file__).with_name("kvm_ring_run.py")
    argv = [sys.executable, run, program, minivm, tmp_path / "undo"]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", _MOUNTED, "sh", *map(str, argv)],
        capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["probe"]["available"], said["probe"]
    stepped = set(range(3, 66, 7))
    assert said["written"] == [sorted(stepped | {40, 41}), [1, 66, 67, 68, 69]]
    rounds = said["samples"]["rounds"]
    assert rounds >= 3 and len(said["recorded"]) == 2 * rounds
    # Written once.
    assert [said["heat"][1][page] for page in (66, 67, 68, 69)] == [1] * 4
    # Written no more, a page is told no more.
    assert said["recorded"][-2] == [40, 41] and said["recorded"][-1] == []
    assert said["samples"]["examined"] == 2 * PAGES * rounds
    assert said["samples"]["positive"] == sum(map(len, said["recorded"]))
    assert said["samples"]["positive"] == sum(map(sum, said["heat"]))
    assert said["samples"]["lost"] == 0
    extra = said["samples"]["extra"]
    assert extra["pushes"] >= said["samples"]["positive"] and extra["pushes_elsewhere"] >= PAGES
    assert extra["records_damaged"] == extra["pages_outside_of_slots"] == 0
    assert said["facts"] == {"mechanism": mechanism(), "by": "ring"}
    assert said["cost_ns"] > 0 and said["cpus"]
    # The log is off, and the VM as it was.
    assert said["pushed_after"] == said["wrong"] == 0
    assert said["slots"] == "the same" and said["keepers"] == [] == said["instances_after"]


def test_in_another_pid_namespace_it_says_that_it_would_find_nothing():
    ask = "from hotkit.agent.access import no_traced_pids; print(no_traced_pids())"
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", ask],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "first PID namespace, and this is another" in done.stdout and "--pid=host" in done.stdout


def collected(vm):
    time.sleep(0.3)  # three turns of its collector
    return vm.state()["collected"]


def test_logging_is_on_while_it_runs_and_off_when_it_is_killed(program, minivm):
    with running(minivm, "ring") as vm:
        vm.write(vm.first, 0, PAGES)
        assert collected(vm) == 0
        scan = start(by_ring(program, vm))
        vm.once(vm.first, 0, PAGES)
        assert collected(vm) >= PAGES
        scan._child.send_signal(signal.SIGKILL)
        wait_for(lambda: not [pid for pid in keepers(vm.pid) if pid != scan._child.pid], "it stays")
        before = collected(vm)
        vm.write(vm.first, 0, PAGES)
        assert collected(vm) == before
        assert vm.ask("slots") == "the same" and vm.state()["wrong"] == 0
        scan._child.wait()


def test_slots_are_told(program, minivm):
    with running(minivm, "ring") as vm:
        scan = start(by_ring(program, vm))
        scan.stop()
        assert scan.said["slots"] == [[9, *vm.first], [3, *vm.second]]
        assert scan.said["outside"] == 0
        assert json.loads(vm.ask("log")) == [errno.ENXIO] * 3


def test_a_slot_given_up_meanwhile_is_not_made_again(program, minivm):
    with running(minivm, "ring") as vm:
        scan = start(by_ring(program, vm))
        assert vm.ask("drop") == "dropped"
        scan.stop()
        assert vm.ask("slots") == "the same"
        assert keepers(vm.pid) == []


@pytest.mark.parametrize("pages", [1, -1])
def test_a_section_that_is_no_slot_is_refused(program, minivm, pages):
    with running(minivm, "ring") as vm:
        gpa, size, hva = vm.first
        wrong = [gpa + pages * PAGE, size, hva]
        scan = by_ring(program, vm, slots=[wrong])
        with pytest.raises(Exception, match="no slot of the VM is the section"):
            start(scan)
        assert vm.ask("slots") == "the same"


def test_each_kind_of_vm_has_its_own_way(program, minivm):
    with running(minivm) as vm:
        with pytest.raises(Exception, match="the VM has no dirty ring but a log: by: log"):
            start(by_ring(program, vm))
        vm.assert_unharmed()
    with running(minivm, "ring") as vm:
        assert refused(program, vm).endswith("the VM has a dirty ring instead of a log: by: ring")
        assert vm.ask("slots") == "the same"
