"""The tracker `perf` on real page faults: what it counts is what the kernel counted.

Page faults are software events: they need no PMU, and go the whole way through perf_event_open, the
rings and the reader. What hardware would sample is not tested here: there is none.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from hotkit.agent.protocol import AgentError
from hotkit.agent.samples import Recorder
from hotkit.agent.trackers import TRACKERS
from hotkit.agent.trackers.base import complete
from hotkit.agent.trackers.perf import Perf
from hotkit.agent.undo import Undo

ROOT = Path(__file__).resolve().parents[2]
PAGE = 4096
# Counts exactly what the kernel counts as a minor fault (mm_account_fault does both).
FAULTS = "page-faults-min"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    built = tmp_path_factory.mktemp("perf") / "faulting"
    source = Path(__file__).with_name("faulting.c")
    subprocess.run(["cc", "-O1", "-pthread", "-static", "-o", built, source], check=True)
    return built


class Child:
    """faulting.c between "mapped" and its end."""

    def __init__(self, program: Path, pages: int, rounds: int, workers: int = 0, late: int = 0):
        self._process = subprocess.Popen(
            [program, *map(str, (pages, rounds, workers, late))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdin and self._process.stdout
        self.start = int(self._process.stdout.readline())
        self.pid = self._process.pid
        self._settle()
        self.expected = bytes(page % rounds + 1 for page in range(pages))
        self.target = {
            "kind": "process", "pid": self.pid, "cpus": sorted(os.sched_getaffinity(0)),
            "ranges": [[self.start, self.start + pages * PAGE]], "cgroup": None,
        }  # fmt: skip

    def work(self) -> int:
        """Let it fault; returns how many minor faults the kernel counted meanwhile."""
        before = self.faults()
        self._process.stdin.write("g")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"
        self._settle()
        return self.faults() - before

    def _settle(self) -> None:
        """Wait until all of its threads sleep: it says where it is before it waits, and faults."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            stats = [file.read_text() for file in Path(f"/proc/{self.pid}/task").glob("*/stat")]
            if all(stat.rpartition(")")[2].split()[0] == "S" for stat in stats):
                return
            time.sleep(0.01)
        raise AssertionError("the child does not come to rest")

    def faults(self) -> int:
        """The kernel's count, of all threads: field 10 of /proc/PID/stat."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return int(stat.rpartition(")")[2].split()[7])

    def end(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@contextmanager
def child(*arguments, **options):
    made = Child(*arguments, **options)
    try:
        yield made
    finally:
        made.end()


def tracker(tmp_path, **given):
    return Perf(Undo(tmp_path)), complete(Perf, {"event": FAULTS, **given})


def tracked(made, perf, settings):
    """One run: the faults that the kernel counted while the tracker ran."""
    perf.start(made.target, settings)
    try:
        return made.work()
    finally:
        perf.stop()


def open_files() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 (numbers, not paths)


@pytest.mark.parametrize("wakeup", [0, 1, 100])
def test_every_fault_is_a_record_and_every_page_has_its_count(program, tmp_path, wakeup):
    perf, settings = tracker(tmp_path, wakeup=wakeup)
    with child(program, 500, 5) as made:
        counted = tracked(made, perf, settings)
    found = perf.samples()
    assert counted >= sum(made.expected)
    assert (found.examined, found.lost) == (counted, 0)
    assert found.positive == sum(made.expected)
    assert found.extra["events"] == counted
    assert found.extra["elsewhere"] == counted - sum(made.expected)
    (heat,) = perf.hot()
    assert (heat.start, heat.page_bytes, heat.possible) == (made.start, PAGE, 0)
    assert heat.heat == made.expected
    assert perf.self_cost() > 0
    assert perf.cpus()


@pytest.mark.parametrize(("workers", "late"), [(3, 0), (0, 3), (2, 2)])
def test_threads_that_exist_and_threads_to_come(program, tmp_path, workers, late):
    """Threads made before the tracker started each have their events, later ones inherit."""
    perf, settings = tracker(tmp_path)
    with child(program, 400, 4, workers=workers, late=late) as made:
        counted = tracked(made, perf, settings)
    assert perf.samples().examined == counted
    assert perf.samples().lost == 0
    assert perf.hot()[0].heat == made.expected


def test_a_period_takes_every_nth(program, tmp_path):
    perf, settings = tracker(tmp_path, period=10)
    with child(program, 500, 4) as made:
        counted = tracked(made, perf, settings)
    # Each thread and CPU counts for itself, so each may hold back up to 9.
    cpus = os.cpu_count() or 1
    assert counted // 10 - cpus <= perf.samples().examined <= counted // 10
    assert perf.samples().extra["events"] == counted


class Slow(Recorder):
    """Keeps the reader from reading until told."""

    def __init__(self):
        self.held = threading.Event()
        self.let_go = threading.Event()
        self.regions = []

    def region(self, start, end, share):
        self.regions.append((start, end, share))

    def round_ended(self, at_ns):
        self.held.set()
        self.let_go.wait(20)


def test_a_ring_that_overflows_is_told(program, tmp_path):
    """With the reader held, a 4 KiB ring takes 170 records; all others are lost, and counted."""
    perf, settings = tracker(tmp_path, buffer_kib=4)
    perf.recorder = slow = Slow()
    with child(program, 5000, 1) as made:
        perf.start(made.target, settings)
        try:
            assert slow.held.wait(10)
            counted = made.work()
        finally:
            slow.let_go.set()
            perf.stop()
    found = perf.samples()
    assert found.lost > 1000
    assert found.examined + found.lost == counted
    assert found.extra["lost_ring"] == found.lost
    assert found.positive <= found.examined < 2 * 170 * (os.cpu_count() or 1)


def test_a_recorder_gets_all_of_the_memory_in_each_round(program, tmp_path):
    perf, settings = tracker(tmp_path)
    perf.recorder = slow = Slow()
    slow.let_go.set()
    with child(program, 100, 5) as made:
        tracked(made, perf, settings)
    end = made.start + 100 * PAGE
    at = made.start
    touched = set()
    for low, high, share in slow.regions:
        assert low == at  # no gap, no overlap
        assert 0 <= share <= 1
        if share:
            assert high - low == PAGE
            touched.add((low - made.start) // PAGE)
        at = made.start if high == end else high
    assert at == made.start  # the last round is whole
    assert touched == set(range(100))
    assert perf.samples().rounds >= 1


def test_a_child_that_ends_early_does_not_keep_the_reader_busy(program, tmp_path):
    """A hung-up event is ready for ever: polling it would turn the reader into a busy loop."""
    perf, settings = tracker(tmp_path)
    with child(program, 100, 1) as made:
        perf.start(made.target, settings)
        try:
            made.work()
            made.end()
            time.sleep(1.0)
        finally:
            perf.stop()
    assert perf.samples().positive == 100
    assert perf.self_cost() < 0.3e9


def test_stop_leaves_no_file_no_thread_and_no_limit(program, tmp_path):
    def state():
        return (
            open_files(),
            threading.enumerate(),
            resource.getrlimit(resource.RLIMIT_NOFILE),
            Path("/proc/sys/kernel/perf_event_max_sample_rate").read_text(),
        )

    with child(program, 100, 1, workers=4) as made:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        before = state()
        for _ in range(3):
            perf, settings = tracker(tmp_path)
            perf.start(made.target, settings)
            assert state()[0] != before[0]
            perf.stop()
            perf.stop()
            assert state() == before
            assert perf.samples().extra["max_sample_rate_changed"] == 0

        # With too low a limit of open files it is raised while it runs, and put back.
        used = len(open_files())
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 5, hard))
        try:
            before = state()
            perf, settings = tracker(tmp_path)
            perf.start(made.target, settings)
            perf.stop()
            assert state() == before
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_start_that_fails_leaves_nothing(program, tmp_path):
    perf, settings = tracker(tmp_path, buffer_kib=1 << 22)
    before = open_files()
    refused = pytest.raises(AgentError, match="no ring of 4194304 KiB")
    with child(program, 10, 1) as made, refused:
        perf.start(made.target, settings)
    with pytest.raises(AgentError, match="No such file"):
        perf.start({"pid": 1 << 30, "ranges": []}, complete(Perf, {"event": FAULTS}))
    perf.stop()
    assert open_files() == before


@pytest.mark.parametrize("event", ["page-faults", "page-faults-min", "page-faults-maj"])
def test_page_faults_work_on_every_kernel(tmp_path, event):
    perf, settings = tracker(tmp_path, event=event)
    assert perf.probe(settings).as_json() == {"available": True, "reason": None, "fix": None}


def test_probe_of_the_default_tells_what_this_machine_has(tmp_path):
    """Either a PMU samples here, or the reason names what sysfs has instead."""
    found = Perf(Undo(tmp_path)).probe(complete(Perf, {}))
    devices = Path("/sys/bus/event_source/devices")
    if any((devices / pmu).exists() for pmu in ("cpu", "cpu_core", "ibs_op")):
        assert found.available or found.reason
    else:
        assert not found.available
        assert "no hardware PMU that samples data addresses" in found.reason
        assert ", ".join(sorted(entry.name for entry in devices.iterdir())) in found.reason
        assert "PEBS" in found.fix
    assert TRACKERS["perf"] is Perf


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"event": "cpu-clock"}, "carries no data address"),
        ({"buffer_kib": 12}, "not a power of two of pages"),
        ({"ldlat": 30}, "a software event"),
        ({"precise": 4}, "more than 3"),
        ({"event": "msr/tsc/"}, "there is no PMU 'msr'|does not sample msr/tsc/ here"),
    ],
)
def test_probe_says_why_not(tmp_path, given, reason):
    perf, settings = tracker(tmp_path, **given)
    found = perf.probe(settings)
    assert not found.available
    assert re.search(reason, found.reason)
    assert "\n" not in found.reason


UNPRIVILEGED = """
import json, os
from pathlib import Path
from hotkit.agent.trackers.base import complete
from hotkit.agent.trackers.perf import Perf
from hotkit.agent.undo import Undo
if os.geteuid() == 0:  # a clone in /root is closed to others: what is imported is imported before
    os.setgid(65534), os.setuid(65534)
probe = Perf(Undo(Path("/nonexistent"))).probe
print(json.dumps([probe(complete(Perf, {"event": "page-faults", "kernel": kernel})).as_json()
                  for kernel in (True, False)]))
"""


def test_probe_without_the_right_names_the_knob():
    paranoid = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED], env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    with_kernel, without = json.loads(done.stdout)
    if paranoid > 1:
        assert f"perf_event_paranoid is {paranoid}" in with_kernel["reason"]
        assert "kernel: false" in with_kernel["fix"]
    assert without["available"] is (paranoid <= 2)
