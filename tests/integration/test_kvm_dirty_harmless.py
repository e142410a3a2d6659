"""The tracker kvm-dirty where it cannot or must not work, and where it ends early (minivm.c).

Whatever becomes of the scanner, the VM goes on as if nothing had been: its main thread's poll()
returned nothing that it may not, and its slots and their flags are those that it had.
"""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import time

import pytest
from minivms import NEEDS_KVM, PROTECTS, refused, running, scanner, start
from scanning import PAGE, keepers

from hotkit.agent.protocol import AgentError
from hotkit.agent.scanprocess import ScanProcess

pytestmark = NEEDS_KVM


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
