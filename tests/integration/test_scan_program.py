"""The scanner in C (hotkit/agent/trackers/src) on a real child, as it is and with sanitizers.

Write protection works on this machine; A bits need /sys/kernel/mm/page_idle or the patched kernel,
which only the lab's machine has: here those modes must say so.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scanning import PAGE, Rounds, compiled, written

from hotkit.agent.protocol import AgentError
from hotkit.agent.scanprocess import ScanProcess
from hotkit.agent.trackers.base import Probe, complete
from hotkit.agent.trackers.uffd_wp import UffdWp, features_here
from hotkit.agent.undo import Undo

HANDLED, ASYNC = 1 << 0, 1 << 15
LONG_US = 60_000_000  # no round but the first and the last


def features() -> int:
    found = features_here()
    return 0 if isinstance(found, Probe) else found


needs_uffd = pytest.mark.skipif(
    not features() & HANDLED, reason="no userfaultfd with write protection for us here"
)
needs_async = pytest.mark.skipif(
    not features() & ASYNC, reason="no asynchronous write protection here (Linux 6.7 has)"
)
MODES = [pytest.param("uffd", marks=needs_uffd), pytest.param("uffd-async", marks=needs_async)]


@pytest.fixture(scope="module")
def writing(tmp_path_factory):
    return compiled("writing", tmp_path_factory.mktemp("writing"))


class Child:
    """writing.c."""

    def __init__(self, program: Path, pages: int, *words: str):
        self._process = subprocess.Popen(
            [program, str(pages), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        self.start, self.uffd = map(int, self._process.stdout.readline().split())
        self.end = self.start + pages * PAGE
        self.target = {
            "kind": "process", "pid": self.pid, "ranges": [[self.start, self.end]],
            "cpus": sorted(os.sched_getaffinity(0)), "cgroup": None, "uffd": self.uffd,
        }  # fmt: skip

    def order(self, first: int, count: int = 1, step: int = 1, threads: int = 1) -> None:
        self._process.stdin.write(f"{threads} {first} {step} {count}\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        # It may wait in a fault for ever: then the test fails, and does not hang.
        assert select.select([self._process.stdout], [], [], 30)[0], "its threads do not go on"
        assert self._process.stdout.readline() == "wrote\n"

    def write(self, *order: int, **more: int) -> None:
        self.order(*order, **more)
        self.wait()

    def blocked(self, threads: int, within_s: float = 10) -> bool:
        """Whether so many of its threads wait in a fault that userfaultfd has, within that time."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            waits = [file.read_text() for file in Path(f"/proc/{self.pid}/task").glob("*/wchan")]
            if waits.count("handle_userfault") == threads:
                return True
            time.sleep(0.01)
        return False

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def close(self) -> None:
        self.kill()
        self._process.stdin.close()
        self._process.stdout.close()


@contextmanager
def child(*arguments):
    made = Child(*arguments)
    try:
        yield made
    finally:
        made.close()


def scanner(program, mode, made, interval_us=LONG_US, ranges=None):
    target = dict(made.target, ranges=ranges or made.target["ranges"])
    scan = ScanProcess(program, mode, target, interval_us)
    scan.argv += ["--fd", str(made.uffd)]
    return scan


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "scan: MODE: Invalid argument"),
        (["hot"], "scan: hot: Invalid argument"),
        (["idle"], "scan: --range (up to 16 TiB), and --request for folio, are needed"),
        (["idle", "--range", "0x1000"], "scan: 0x1000: Invalid argument"),
        (["idle", "--range", "0x2000-0x1000"], "scan: 0x2000-0x1000: Invalid argument"),
        (["idle", "--range", "0x1000-0x1000"], "scan: 0x1000-0x1000: Invalid argument"),
        (["idle", "--range", "0x1001-0x3000"], "scan: 0x1001-0x3000: Invalid argument"),
        (["idle", "--range", "0x1000-0x3000x"], "scan: 0x1000-0x3000x: Invalid argument"),
        (["idle", "--range", "-"], "scan: -: Invalid argument"),
        (["idle", "--range", "0x0-0x1000000000000000"], "scan: --range (up to 16 TiB)"),
        (["idle", *["--range", "0x1000-0x2000"] * 4097], "scan: --range: Argument list too long"),
        (["folio", "--range", "0x1000-0x2000"], "scan: --range (up to 16 TiB), and --request"),
        (["idle", "--range", "0x1000-0x2000", "--request", "x"], "scan: --range (up to 16 TiB)"),
        (["idle", "--range", "0x1000-0x2000", "--pid", "0"], "scan: /proc/0/pagemap: No such file"),
        (["idle", "--range"], "option '--range' requires an argument"),
        (["idle", "--hot"], "unrecognized option '--hot'"),
        (["uffd", "--range", "0x1000-0x2000", "--pid", "{me}"], "scan: taking the workload's"),
        (["uffd", "--range", "0x1000-0x2000", "--pid", "{me}", "--fd", "{file}"], "scan: userfaul"),
        (["uffd-release", "--range", "0x1000-0x2000", "--pid", "{me}"], "scan: taking the"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_sentence_and_status_2(program, tmp_path, words, sentence):
    with (tmp_path / "file").open("w") as file:
        words = [word.format(me=os.getpid(), file=file.fileno()) for word in words]
        done = subprocess.run([program, *words], stdin=subprocess.DEVNULL, capture_output=True)
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (2, b"")
    assert sentence in said
    assert said.endswith("\n") and said.count("\n") == 1


@pytest.mark.parametrize(
    ("mode", "more", "needed"),
    [
        ("idle", [], "/sys/kernel/mm/page_idle/bitmap"),
        ("idle-physical", [], "/sys/kernel/mm/page_idle/bitmap"),
        ("folio", ["--request", "node 0"], "/sys/kernel/debug/hotkit/folio_referenced_scan"),
    ],
)
def test_a_mode_that_the_kernel_has_not_is_one_sentence(program, writing, mode, more, needed):
    if Path(needed).exists():
        pytest.skip(f"this kernel has {needed}: the lab's cases scan with it")
    with child(writing, 4) as made:
        scan = ScanProcess(program, mode, made.target, 1000)
        scan.argv += more
        with pytest.raises(AgentError, match=f"^scan: {needed}: No such file or directory$"):
            scan.start(os.sched_getaffinity(0), None)
        assert scan._child.returncode == 2


@pytest.mark.parametrize("mode", MODES)
def test_pages_written_are_those_found(program, writing, mode):
    with child(writing, 512) as made:
        scan = scanner(program, mode, made, 20_000)
        rounds = Rounds()
        scan.start(os.sched_getaffinity(0), rounds)
        made.write(3, 1)
        made.write(100, 40, 7)
        rounds.more()  # what is written twice in two rounds is twice found
        made.write(511, 1)
        made.write(3, 1)
        rounds.more()
        scan.stop()
        made.write(200, 1)  # not protected any more: it goes on, and is not counted
    assert written(scan) == [{3, 511} | set(range(100, 380, 7))]
    (heat,) = scan.hot()
    # On a busy machine a page may be protected anew before the thread that was let go has written.
    assert heat.heat[3] >= 2
    assert heat.possible == scan.count.rounds >= 4
    assert scan.count.positive == sum(heat.heat) >= 2 + 1 + 40
    assert scan.count.examined == 512 * scan.count.rounds
    assert scan.cpu_ns > 0
    assert scan.cpus <= os.sched_getaffinity(0) and scan.cpus


@pytest.mark.parametrize("mode", MODES)
def test_several_ranges_and_memory_between_them(program, writing, mode):
    with child(writing, 64) as made:
        ranges = [[made.start + a * PAGE, made.start + b * PAGE] for a, b in ((40, 60), (2, 10))]
        scan = scanner(program, mode, made, 20_000, ranges)
        rounds = Rounds()
        scan.start(os.sched_getaffinity(0), rounds)
        made.write(0, 22, 3)  # page 63 is the last
        rounds.more()  # asynchronous: what was written after the last round is not told
        scan.stop()
    assert written(scan) == [
        {page - 40 for page in range(40, 60) if page % 3 == 0},
        {page - 2 for page in range(2, 10) if page % 3 == 0},
    ]


@needs_uffd
def test_huge_pages_are_protected_page_by_page(program, writing):
    with child(writing, 1024, "huge") as made:
        scan = scanner(program, "uffd", made)
        scan.start(os.sched_getaffinity(0), None)
        made.write(5, 3, 300)
        scan.stop()
    assert written(scan) == [{5, 305, 605}]


@needs_uffd
@settings(max_examples=15)
@given(
    orders=st.lists(st.tuples(st.integers(0, 63), st.integers(1, 8), st.integers(1, 8)), max_size=6)
)
def test_any_pages_written(program, writing, orders):
    expected = set()
    with child(writing, 64 + 64) as made:
        scan = scanner(program, "uffd", made)
        scan.start(os.sched_getaffinity(0), None)
        for first, count, step in orders:
            made.write(first, count, step)
            expected |= set(range(first, first + count * step, step))
        scan.stop()
    assert written(scan) == [expected]
    # In one round each page traps once.
    assert scan.count.positive == len(expected)


@needs_uffd
def test_threads_that_fault_on_one_page_heat_it_once_a_round(program, writing):
    """Each of them traps; but more often than once a round a page cannot be found accessed."""
    with child(writing, 16) as made:
        scan = scanner(program, "uffd", made)
        scan.start(os.sched_getaffinity(0), None)
        os.kill(scan._child.pid, signal.SIGSTOP)  # so that all of them are in its queue
        made.order(9, threads=8)
        assert made.blocked(8)
        os.kill(scan._child.pid, signal.SIGCONT)
        made.wait()
        scan.stop()
    (heat,) = scan.hot()
    assert scan.count.rounds == heat.possible == 1
    assert heat.heat == bytes(page == 9 for page in range(16))
    assert scan.count.positive == 8


@pytest.mark.parametrize("mode", MODES)
def test_rounds_are_told_as_they_end(program, writing, mode):
    with child(writing, 32) as made:
        scan = scanner(program, mode, made, 20_000)
        rounds = Rounds()
        scan.start(os.sched_getaffinity(0), rounds)
        began = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        made.write(7, 2, 4)
        rounds.more()
        made.write(7, 1)
        rounds.more()
        rounds.more()
        scan.stop()
    assert rounds.ended == sorted(rounds.ended)
    assert rounds.ended[-1] > began + 5 * 20_000_000
    assert all(len(flags) == 32 and set(flags) <= {0, 1} for flags in rounds.flags)
    hot = [{i for i, flag in enumerate(flags) if flag} for flags in rounds.flags]
    # The two writes of the first order may fall into two rounds.
    assert set().union(*hot) == {7, 11}
    assert sum(7 in flags for flags in hot) >= 2
    assert hot[-1] == set()


@needs_uffd
def test_threads_that_wait_are_let_go_when_the_scanner_stops(program, writing):
    """The scanner is stopped (SIGSTOP) with faults in its queue, and then told to end."""
    with child(writing, 64) as made:
        scan = scanner(program, "uffd", made)
        scan.start(os.sched_getaffinity(0), None)
        os.kill(scan._child.pid, signal.SIGSTOP)
        made.order(9, 1, threads=5)
        assert made.blocked(5)
        scan._child.stdin.close()
        time.sleep(0.1)
        assert made.blocked(5)
        os.kill(scan._child.pid, signal.SIGCONT)
        made.wait()
        scan.stop()
    # It was told to stop and had their faults at the same moment: they count.
    assert written(scan) == [{9}]


@needs_uffd
def test_threads_that_wait_are_let_go_when_the_scanner_is_killed(program, writing):
    """The workload holds the userfaultfd as well, so the kernel alone would let nobody go."""
    with child(writing, 64) as made:
        scan = scanner(program, "uffd", made)
        scan.start(os.sched_getaffinity(0), None)
        os.kill(scan._child.pid, signal.SIGSTOP)
        made.order(9, 10, threads=5)
        assert made.blocked(5)
        os.kill(scan._child.pid, signal.SIGKILL)
        made.wait()
        made.write(0, 64)
        with pytest.raises(AgentError, match="^the scanner ended without a word$"):
            scan.stop()
        scan.stop()
        # Nothing is left protected: the process can be write-protected anew by others.
        flags = [entry >> 57 & 1 for entry in pagemap(made)]
        assert flags == [0] * 64


@needs_async
def test_a_killed_asynchronous_scanner_is_told(program, writing):
    with child(writing, 64) as made:
        scan = scanner(program, "uffd-async", made, 20_000)
        scan.start(os.sched_getaffinity(0), Rounds())
        os.kill(scan._child.pid, signal.SIGKILL)
        made.write(0, 64)
        with pytest.raises(AgentError, match="^the scanner "):
            scan.stop()
        assert [entry >> 57 & 1 for entry in pagemap(made)] == [0] * 64


def pagemap(made):
    """Bit 57 of an entry: write-protected by userfaultfd (pagemap.rst)."""
    with Path(f"/proc/{made.pid}/pagemap").open("rb") as stream:
        stream.seek(made.start // PAGE * 8)
        pages = (made.end - made.start) // PAGE
        return struct.unpack(f"<{pages}Q", stream.read(8 * pages))


@pytest.mark.parametrize("mode", MODES)
def test_a_workload_that_dies_is_told(program, writing, mode):
    with child(writing, 16) as made:
        scan = scanner(program, mode, made, 20_000)
        scan.start(os.sched_getaffinity(0), None)
        made.kill()
        scan._child.wait(10)
        with pytest.raises(AgentError, match="^scan: (UFFDIO_WRITEPROTECT|PAGEMAP_SCAN): "):
            scan.stop()
        assert scan._child is None


@needs_uffd
def test_the_tracker_takes_its_place_and_its_turns(program, writing, tmp_path):
    """Through the tracker itself: placed on one CPU, and no userfaultfd is an error."""
    tracker = UffdWp(Undo(tmp_path))
    tracker.scan_program = program
    with child(writing, 16) as made:
        cpu = max(os.sched_getaffinity(0))
        given = complete(UffdWp, {"interval_ms": 20, "placement": "pinned", "cpu": cpu})
        with pytest.raises(AgentError, match="has opened no userfaultfd"):
            tracker.start(dict(made.target, uffd=-1), given)
        tracker.stop()
        tracker.start(made.target, given)
        made.write(4, 2)
        time.sleep(0.2)
        tracker.stop()
        tracker.stop()
    assert tracker.cpus() == [cpu]
    assert tracker.samples().positive >= 2
    assert written(tracker) == [{4, 5}]


def test_what_is_said_on_stdout_is_what_scanprocess_reads(program, writing):
    """The protocol itself, by hand: ready, then at the end of stdin done, and 4 bytes a page."""
    if not features() & HANDLED:
        pytest.skip("no userfaultfd with write protection for us here")
    with child(writing, 8) as made:
        words = ["--pid", str(made.pid), "--fd", str(made.uffd), "--interval-us", str(LONG_US)]
        words += ["--range", f"{made.start}-{made.end}"]
        done = subprocess.run([program, "uffd", *words], input=b"", capture_output=True, check=True)
    ready, line, heat = done.stdout.split(b"\n", 2)
    assert ready == b"ready"
    assert line.startswith(b"done ")
    fields = json.loads(line[5:])
    assert fields.pop("cpu_ns") > 0
    assert fields == {"rounds": 1, "examined": 8, "positive": 0, "pages": 8}
    assert heat == bytes(32)
    assert done.stderr == b""
