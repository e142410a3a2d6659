"""The process that is a VM, looked at from outside: RAM found by what is in it, threads by name.

The process is an ordinary one that has what a monitor has: a big mapping, threads called vcpu0 and
so on, and pages that the "guest" says it has. QEMU itself is in tests/lab.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotkit.agent.guest.life import Guest
from hotkit.agent.guest.qmp import QmpClosed, QmpSilent
from hotkit.agent.guest.vm import Vm
from hotkit.agent.protocol import AgentError
from tests.integration.sshservers import sshd

MIB = 1 << 20
MARK = b"what the guest has at this addr."
# RAM of 96 MiB at guest address 0, a mark at 5 and at 90 MiB; each line on stdin is a thread more.
MONITOR = """
import ctypes, mmap, sys, threading
ram = mmap.mmap(-1, 96 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for place in (5, 90):
    ram[place << 20 : (place << 20) + 32] = b"what the guest has at this addr."
libc = ctypes.CDLL(None)
def vcpu(number, ready):
    libc.prctl(15, b"vcpu%d" % number, 0, 0, 0)
    ready.set()
    threading.Event().wait()
count = 0
def more():
    global count
    ready = threading.Event()
    threading.Thread(target=vcpu, args=(count, ready), daemon=True).start()
    ready.wait()
    count += 1
    print(ctypes.addressof(ctypes.c_char.from_buffer(ram)), flush=True)
more()
for line in sys.stdin:
    more()
"""
MARKS = {5 * MIB: MARK, 90 * MIB: MARK}
RAM = [[0x1000, 0x9F000], [MIB, 96 * MIB - 0x20000]]


@pytest.fixture
def monitor() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", MONITOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def guest_of(process: subprocess.Popen[str]) -> Guest:
    return Guest({"name": "g1", "kind": "process", "pid": process.pid, "qmp": None})


def said(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_the_ram_is_found_by_what_the_guest_has_in_it(monitor: subprocess.Popen[str]) -> None:
    address = said(monitor)
    vm = Vm(guest_of(monitor), RAM, MARKS)
    assert vm.ram.segments == [(0, 96 * MIB, address)]
    target = vm.target()
    assert target["kind"] == "vm" and target["pid"] == monitor.pid
    assert target["ranges"] == [[address, address + 96 * MIB]]
    assert target["slots"] == [[0, 96 * MIB, address]] and len(target["cpus"]) >= 1
    assert vm.changed() == []


def test_ram_that_holds_something_else_is_not_believed(monitor: subprocess.Popen[str]) -> None:
    said(monitor)
    with pytest.raises(AgentError, match="where the VM's process has the guest's RAM from 0x0 on"):
        Vm(guest_of(monitor), RAM, MARKS | {40 * MIB: b"never there"})


def test_a_thread_more_is_a_change(monitor: subprocess.Popen[str]) -> None:
    said(monitor)
    vm = Vm(guest_of(monitor), RAM, MARKS)
    assert len(vm.vcpus) == 1
    assert monitor.stdin is not None
    print("one more", file=monitor.stdin, flush=True)
    said(monitor)
    assert vm.changed() == ["guest g1: the threads of its CPUs changed during the run"]


def test_a_process_that_ended_is_a_change(monitor: subprocess.Popen[str]) -> None:
    said(monitor)
    guest = guest_of(monitor)
    vm = Vm(guest, RAM, MARKS)
    monitor.kill()
    monitor.wait()
    assert vm.changed() == ["guest g1 is gone: its process ended"]
    with pytest.raises(AgentError, match="guest g1 is gone: its process ended"):
        Vm(guest, RAM, MARKS)


def test_one_that_is_dying_is_not_one_that_is_silent(
    monitor: subprocess.Popen[str], tmp_path: Path
) -> None:
    """Killed, it has closed its socket before it is gone: here its parent leaves it a while."""
    said(monitor)
    guest = guest_of(monitor)
    vm = Vm(guest, RAM, MARKS)
    guest.description["qmp"] = str(tmp_path / "qmp.sock")
    with socket.socket(socket.AF_UNIX) as nobody_listens:
        nobody_listens.bind(guest.description["qmp"])
    monitor.kill()
    threading.Timer(0.5, monitor.wait).start()
    assert guest.pid() is not None
    assert vm.changed() == ["guest g1 is gone: its process ended"]


def test_one_that_runs_on_is_silent(
    monitor: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said(monitor)
    guest = guest_of(monitor)
    assert guest.silence(QmpSilent("no answer")) == "guest g1: no answer"
    monkeypatch.setattr("hotkit.agent.guest.life._END_S", 0.3)
    assert guest.silence(QmpClosed("no answer")) == "guest g1: no answer"


def test_starting_running_and_hanging_are_told_apart(monitor, tmp_path):
    """By a real ssh server, which stands for the one in the guest."""
    guest = Guest({"name": "g1", "kind": "process", "pid": monitor.pid}, tmp_path / "guests")
    keys = tmp_path / "keys"
    keys.mkdir()
    with sshd(keys) as server:
        guest.description["ssh"] = {
            "address": "127.0.0.1", "port": server.port, "user": server.user,
            "identity_file": str(server.key),
        }  # fmt: skip
        assert guest.state() == "starting"  # nobody knows a way to it yet
        guest.prepare()
        assert guest.state() == "running"
    assert guest.state() == "hangs"
    with subprocess.Popen(["sleep", "60"]) as other:
        guest.description["pid"] = other.pid  # started anew: this one never answered
        assert guest.state() == "starting"
        other.kill()
    assert guest.state() == "down"
