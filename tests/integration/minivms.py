"""A VM for tests (minivm.c), and the scanner's mode kvm-dirty on it."""

from __future__ import annotations

import errno
import json
import os
import select
import subprocess
from contextlib import contextmanager

import pytest
from scanning import PAGE, keepers, wait_for

from hotkit.agent.protocol import AgentError
from hotkit.agent.scanprocess import ScanProcess
from hotkit.agent.trackers.kvm_dirty import no_kvm

PAGES = 70  # of each slot: no multiple of a bitmap's word
PROTECTS = ["get", "manual", "initially-set"]
NEEDS_KVM = [
    pytest.mark.skipif(os.geteuid() != 0, reason="traces processes: root only"),
    pytest.mark.skipif(no_kvm() is not None, reason=f"hardware: {(no_kvm() or ['', ''])[0]}"),
]


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
