"""System calls in another process (trackers/src/remote.c, inject.c): they work, and do it no harm.

The other process is traced.c, which checks its own results, signals and registers meanwhile. The
calls are those of `scan uffd-open` and `uffd-shut`; test_kvm_dirty.py has those that ask KVM.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from scanning import built, compiled, descriptors, keepers, wait_for, written
from test_scan_program import child, scanner

from hotkit.agent.gather import text
from hotkit.agent.trackers.base import Probe
from hotkit.agent.trackers.uffd_wp import features_here

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="traces processes: root only"),
    pytest.mark.skipif(
        isinstance(features_here(), Probe) or not features_here() & 1,
        reason="no userfaultfd with write protection for us here",
    ),
]
WAITING = ["poll", "ppoll", "sleep", "futex", "epoll", "read", "sigsuspend"]
BUSY = ["calls", "spin"]


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    return compiled("traced", tmp_path_factory.mktemp("traced"))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The scanner as shipped only: where a test takes long, or counts on its speed."""
    return built("as shipped", tmp_path_factory.mktemp("scanner"))


@contextmanager
def running(traced, mode):
    process = subprocess.Popen([traced, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdin.close()
        process.stdout.close()


def well(process):
    """Ends traced.c; what it says, after it was asserted that nothing went wrong in it."""
    process.stdin.close()
    assert select.select([process.stdout], [], [], 30)[0], "it does not go on"
    said = json.loads(process.stdout.readline())
    assert process.wait(10) == 0
    assert said["wrong"] == 0 and said["handled"] == said["sent"] > 0, said
    return said


def ask(program, *words, timeout_s=60):
    return subprocess.run(
        [program, *map(str, words)], capture_output=True, text=True, timeout=timeout_s
    )


def lend(program, pid):
    done = ask(program, "uffd-open", "--pid", pid)
    assert (done.returncode, done.stderr) == (0, "")
    return int(done.stdout)


def shut(program, pid, fd):
    done = ask(program, "uffd-shut", "--pid", pid, "--fd", fd)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def state(pid):
    """R, S, T (stopped) ...: field 3 of /proc/PID/stat."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("mode", WAITING + BUSY)
def test_a_process_does_not_notice(program, traced, mode):
    with running(traced, mode) as process:
        before = descriptors(process.pid)
        for _ in range(40):
            fd = lend(program, process.pid)
            after = descriptors(process.pid)
            assert after == {**before, fd: "anon_inode:[userfaultfd]"}
            flags = Path(f"/proc/{process.pid}/fdinfo/{fd}").read_text().split("flags:")[1].split()
            assert int(flags[0], 8) & (os.O_CLOEXEC | os.O_NONBLOCK) == (
                os.O_CLOEXEC | os.O_NONBLOCK
            )
            shut(program, process.pid, fd)
        assert descriptors(process.pid) == before
        assert well(process)["loops"] > 5
    assert keepers(process.pid) == []


def test_a_restartable_sequence_is_aborted_first(shipped, traced):
    """traced.c is in one all the time: it takes many tries, and it sees each of them."""
    with running(traced, "sequence") as process:
        for _ in range(4):
            done = ask(shipped, "uffd-open", "--pid", process.pid)
            busy = "scan: a system call in the process: Device or resource busy\n"
            assert (done.returncode, done.stderr) in {(0, ""), (2, busy)}
        # Signals and the scheduler alone abort it less than a hundred times a second.
        assert well(process)["loops"] > 100


def test_several_at_once_wait_for_each_other(shipped, traced):
    with running(traced, "read") as process:
        before = descriptors(process.pid)
        argv = [shipped, "uffd-open", "--pid", str(process.pid)]
        lent = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _ in range(30)]
        numbers = {int(scan.communicate(timeout=60)[0]) for scan in lent}
        assert len(numbers) == 30
        assert set(descriptors(process.pid)) - set(before) == numbers
        well(process)


def test_a_stopped_process_stays_stopped(program, traced):
    with running(traced, "sleep") as process:
        os.kill(process.pid, signal.SIGSTOP)
        wait_for(lambda: state(process.pid) == "T", "it does not stop")
        for _ in range(5):
            shut(program, process.pid, lend(program, process.pid))
            wait_for(lambda: state(process.pid) == "T", "it goes on")
        os.kill(process.pid, signal.SIGCONT)
        well(process)


@pytest.mark.parametrize("mode", ["sleep", "read", "spin"])
def test_stopped_and_continued_at_any_time(program, traced, mode):
    with running(traced, mode) as process:
        ended = threading.Event()

        def disturb():
            while not ended.wait(random.uniform(0, 0.004)):
                os.kill(process.pid, signal.SIGSTOP)
                time.sleep(random.uniform(0, 0.002))
                os.kill(process.pid, signal.SIGCONT)

        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            for _ in range(40):
                shut(program, process.pid, lend(program, process.pid))
        finally:
            ended.set()
            thread.join()
        well(process)


@pytest.mark.parametrize("mode", ["poll", "spin"])
def test_a_scanner_killed_at_any_time_does_no_harm(shipped, traced, mode):
    with running(traced, mode) as process:
        for _ in range(100):
            scan = subprocess.Popen(
                [shipped, "uffd-open", "--pid", str(process.pid)], stdout=subprocess.DEVNULL
            )
            time.sleep(random.uniform(0, 0.003))
            scan.kill()
            scan.wait(10)
        wait_for(lambda: not keepers(process.pid), "a keeper is left")
        well(process)


@pytest.mark.parametrize("mode", ["poll", "spin"])
def test_a_process_killed_meanwhile_is_told(program, traced, mode):
    sentences = set()
    for turn in range(15):
        with running(traced, mode) as process:
            scan = subprocess.Popen(
                [program, "uffd-open", "--pid", str(process.pid)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            time.sleep(turn * 0.0003)
            process.kill()
            out, err = scan.communicate(timeout=30)
            assert (scan.returncode == 0) == out.strip().isdigit()
            assert scan.returncode == 0 or (scan.returncode == 2 and err.count("\n") == 1)
            sentences.add(err)
            assert keepers(process.pid) == []
    assert all(err == "" or err.startswith("scan: ") for err in sentences), sentences


def test_a_thread_that_cannot_be_stopped_is_told(shipped, traced):
    with running(traced, "vfork") as process:
        done = ask(shipped, "uffd-open", "--pid", process.pid)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "scan: the process's main thread does not stop" in done.stderr
        assert keepers(process.pid) == []
        well(process)


def test_the_scanner_works_with_a_userfaultfd_that_was_opened_for_it(program, tmp_path_factory):
    with child(compiled("writing", tmp_path_factory.mktemp("writing")), 64) as made:
        made.uffd = lend(program, made.pid)
        scan = scanner(program, "uffd", made)
        scan.start(os.sched_getaffinity(0), None)
        made.write(7, 3, 5)
        scan.stop()
        shut(program, made.pid, made.uffd)
        made.write(0, 64)
    assert written(scan) == [{7, 12, 17}]


def test_a_descriptor_that_is_no_userfaultfd_is_not_closed(program, traced):
    with running(traced, "poll") as process:
        before = descriptors(process.pid)
        for fd, said in ((0, "is no userfaultfd"), (999, "No such file or directory")):
            done = ask(program, "uffd-shut", "--pid", process.pid, "--fd", fd)
            assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
        assert descriptors(process.pid) == before
        well(process)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "scan: --pid: Invalid argument"),
        (["--pid", "-5"], "scan: --pid: Invalid argument"),
        (["--pid", "4194399"], "scan: /proc/4194399/status: No such file or directory"),
        (["--pid", "2"], "scan: /proc/2/mem: No such process"),
    ],
)
def test_a_process_that_cannot_be_had_is_one_sentence(program, words, sentence):
    if words == ["--pid", "2"] and text("/proc/2/comm") != "kthreadd\n":
        pytest.skip("hardware: no thread of the kernel in this container")
    done = ask(program, "uffd-open", *words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence + "\n")


def test_a_user_may_not_trace_roots_processes(shipped, traced, tmp_path):
    with running(traced, "poll") as process:
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        program = Path("/tmp") / f"scan-{os.getpid()}"  # pytest's directories are root's alone
        program.write_bytes(Path(shipped).read_bytes())
        program.chmod(0o755)
        try:
            done = ask(nobody[0], *nobody[1:], program, "uffd-open", "--pid", process.pid)
        finally:
            program.unlink()
        assert done.returncode == 2
        assert done.stderr == f"scan: /proc/{process.pid}/mem: Permission denied\n"
        well(process)


def test_a_process_that_another_traces_is_told(program, traced):
    tracer = (
        "import ctypes, sys; libc = ctypes.CDLL(None); "
        "assert libc.ptrace(0x4206, int(sys.argv[1]), 0, 0) == 0; "  # PTRACE_SEIZE
        "print(flush=True); sys.stdin.read()"
    )
    with running(traced, "spin") as process:
        # Signals of a traced process wait for its tracer, which does nothing: none comes before.
        other = subprocess.Popen(
            [sys.executable, "-c", tracer, str(process.pid)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        other.stdout.readline()
        done = ask(program, "uffd-open", "--pid", process.pid)
        assert done.returncode == 2
        assert "traced by another" in done.stderr and done.stderr.count("\n") == 1
        other.communicate(timeout=10)
        shut(program, process.pid, lend(program, process.pid))
        well(process)
