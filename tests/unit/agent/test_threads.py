"""Threads of a tracker, with real processes: what they cost, where they run, where they may."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hotkit.agent.protocol import AgentError
from hotkit.agent.threads import cpu_ns, cpus_of, last_cpu, place, wanted_cpus

ONLINE = sorted(os.sched_getaffinity(0))
NOBODY = 1 << 30  # beyond pid_max
several = pytest.mark.skipif(len(ONLINE) < 2, reason="this machine lets us use one CPU only")

# Burns the CPU for so many seconds of CPU time, says what it used by rusage, and waits.
BUSY = """
import resource, sys, time
until = float(sys.argv[1])
while time.process_time() < until:
    pass
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def sleeping():
    # Its name is to hold what separates the fields of stat.
    child = subprocess.Popen(["bash", "-c", "printf '%s' 'a) R (b' > /proc/$$/comm; echo; read"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    child.stdout.readline()
    yield child
    child.kill()
    child.communicate()


def settings(placement, cpu=0):
    return {"placement": placement, "cpu": cpu}


def test_shared_is_where_the_workload_is():
    assert wanted_cpus(settings("shared"), {"cpus": [ONLINE[-1]]}) == {ONLINE[-1]}
    assert wanted_cpus(settings("shared"), {"cpus": ONLINE}) == set(ONLINE)


@pytest.mark.parametrize("target", [{}, {"cpus": []}, {"cpus": None}])
def test_a_workload_of_unknown_cpus_is_on_all(target):
    assert wanted_cpus(settings("shared"), target) == set(ONLINE)
    with pytest.raises(AgentError):
        wanted_cpus(settings("spare"), target)


@several
def test_spare_is_where_the_workload_is_not():
    assert wanted_cpus(settings("spare"), {"cpus": ONLINE[1:]}) == {ONLINE[0]}
    assert wanted_cpus(settings("spare"), {"cpus": ONLINE[:1]}) == set(ONLINE[1:])


def test_spare_where_nothing_is():
    with pytest.raises(AgentError, match="placement: spare: .* every CPU") as caught:
        wanted_cpus(settings("spare"), {"cpus": ONLINE})
    assert "pin: true" in caught.value.fix


def test_pinned_is_one_that_there_is():
    for cpu in ONLINE:
        assert wanted_cpus(settings("pinned", cpu), {"cpus": ONLINE}) == {cpu}
    with pytest.raises(AgentError, match="placement: pinned: there is no CPU 4095") as caught:
        wanted_cpus(settings("pinned", 4095), {"cpus": ONLINE})
    assert caught.value.fix == "cpu: one of " + ", ".join(map(str, ONLINE))


def test_what_we_may_use_is_what_there_is():
    """In a cpuset or under taskset the other CPUs are not ours to give."""
    code = (
        "import sys; from hotkit.agent.threads import wanted_cpus\n"
        "for placement in ('shared', 'spare', 'pinned'):\n"
        "    try: print(wanted_cpus({'placement': placement, 'cpu': 4095}, {}))\n"
        "    except Exception as error: print(type(error).__name__)\n"
    )
    done = subprocess.run(
        ["taskset", "-c", str(ONLINE[-1]), sys.executable, "-c", code],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.split("\n")[:3] == [f"{{{ONLINE[-1]}}}", "AgentError", "AgentError"]


def test_place_puts_a_process_where_it_says(sleeping):
    place(sleeping.pid, {ONLINE[-1]})
    assert os.sched_getaffinity(sleeping.pid) == {ONLINE[-1]}
    assert cpus_of(sleeping.pid) == [ONLINE[-1]]


def test_place_says_why_not(sleeping):
    with pytest.raises(AgentError, match=f"thread {sleeping.pid} cannot be put on CPU .1023.: Inv"):
        place(sleeping.pid, {1023})
    with pytest.raises(AgentError, match=f"thread {NOBODY} cannot be put on .*: No such process"):
        place(NOBODY, set(ONLINE))
    assert os.sched_getaffinity(sleeping.pid) == set(ONLINE)


@several
def test_cpus_of_any_thread_of_a_process():
    """Threads of this process: one here, the others anywhere."""
    stop, placed = threading.Event(), threading.Barrier(3)

    def wait(cpu):
        place(0, {cpu})
        placed.wait(10)
        stop.wait(10)

    before = os.sched_getaffinity(0)
    threads = [threading.Thread(target=wait, args=(cpu,)) for cpu in ONLINE[:2]]
    for thread in threads:
        thread.start()
    try:
        placed.wait(10)
        place(0, {ONLINE[0]})
        assert set(ONLINE[:2]) <= set(cpus_of(os.getpid()))
        assert os.sched_getaffinity(threads[1].native_id) == {ONLINE[1]}
    finally:
        os.sched_setaffinity(0, before)
        stop.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def busy():
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", BUSY, "0.3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    yield child
    child.communicate()


def test_cpu_time_of_a_busy_child_is_its_rusage(busy):
    used = float(busy.stdout.readline())
    time.sleep(0.1)  # it waits now
    found = cpu_ns(str(busy.pid))
    assert cpu_ns(f"{busy.pid}/task/{busy.pid}") == found
    assert cpu_ns(str(busy.pid)) == found  # and goes on waiting
    # After rusage it has only printed a line.
    assert used - 0.02 <= found / 1e9 <= used + 0.05
    assert used >= 0.3


def test_cpu_time_of_one_thread_of_several():
    """Of the thread that was busy, not of its process's others."""
    ids, stop, ready = {}, threading.Event(), threading.Barrier(3)

    def idle():
        ids["idle"] = threading.get_native_id()
        ready.wait(10)
        stop.wait(10)

    def busy():
        ids["busy"] = threading.get_native_id()
        while time.thread_time() < 0.2:
            pass
        ids["used"] = time.thread_time_ns()
        ready.wait(10)
        stop.wait(10)

    threads = [threading.Thread(target=idle), threading.Thread(target=busy)]
    for thread in threads:
        thread.start()
    ready.wait(10)
    of = {name: cpu_ns(f"{os.getpid()}/task/{ids[name]}") for name in ("idle", "busy")}
    stop.set()
    for thread in threads:
        thread.join()
    assert ids["used"] - 2e7 <= of["busy"] <= ids["used"] + 5e7
    assert of["idle"] < 1e8


def test_without_schedstat_the_ticks_of_stat_tell(busy, sleeping, monkeypatch):
    """As where the kernel has no sched_info; the name of the process holds a parenthesis."""
    real = Path.read_text

    def no_schedstat(self, *arguments, **more):
        if self.name == "schedstat":
            raise FileNotFoundError
        return real(self, *arguments, **more)

    busy.stdout.readline()
    time.sleep(0.1)  # it waits now
    exact = cpu_ns(str(busy.pid))
    monkeypatch.setattr(Path, "read_text", no_schedstat)
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    found = cpu_ns(str(busy.pid))
    assert found % tick_ns == 0
    assert abs(found - exact) <= 3 * tick_ns
    assert 0 <= cpu_ns(str(sleeping.pid)) <= 10 * tick_ns


def test_the_last_cpu_of_a_child_that_is_pinned(sleeping):
    assert real_name(sleeping.pid) == "a) R (b"
    for cpu in ONLINE:
        place(sleeping.pid, {cpu})
        # Moved when it runs next: a signal lets it.
        sleeping.send_signal(19)
        sleeping.send_signal(18)
        until = time.monotonic() + 10
        while last_cpu(str(sleeping.pid)) != cpu and time.monotonic() < until:
            time.sleep(0.01)
        assert last_cpu(str(sleeping.pid)) == cpu
        assert last_cpu(f"{sleeping.pid}/task/{sleeping.pid}") == cpu


def real_name(pid):
    return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")


def test_the_last_cpu_of_this_thread():
    before = os.sched_getaffinity(0)
    try:
        place(0, {ONLINE[-1]})
        assert last_cpu("thread-self") == ONLINE[-1]
    finally:
        os.sched_setaffinity(0, before)


def test_a_task_that_is_gone():
    child = subprocess.Popen(["true"])
    child.wait()
    for task in (str(child.pid), f"{child.pid}/task/{child.pid}", str(NOBODY)):
        assert cpu_ns(task) == 0
        assert last_cpu(task) is None
