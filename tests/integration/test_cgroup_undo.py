"""What runs in the workload's cgroup ends with it, also when the agent is killed (cgroup v2)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hotkit.agent import cgroup
from hotkit.agent.undo import Undo


def version_two() -> Path:
    """Where cgroup v2 is mounted, and may be written to, on this machine."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind = line.split()[:3]
        if kind == "cgroup2" and os.access(where, os.W_OK):
            return Path(where)
    pytest.skip("no cgroup v2 that may be written to is mounted here")


# The agent's part, in a process that can be killed: a cgroup, something that ignores its end.
AGENT = """
import subprocess, sys, time
from pathlib import Path
from hotkit.agent import cgroup
from hotkit.agent.undo import Undo
cgroup.ROOT, cgroup.why_none = Path(sys.argv[1]), lambda: None
Undo.write = lambda *arguments, **named: None  # this machine's v2 may lack the memory controller
undo = Undo(Path(sys.argv[2]))
undo.open()
path = cgroup.make(undo)
argv = cgroup.entering(path, ["sleep", "1000"])
child = subprocess.Popen(argv, start_new_session=True)
while not (path / "cgroup.procs").read_text().split():
    time.sleep(0.01)
print(child.pid, path, flush=True)
if sys.argv[3] == "close":
    undo.close()
    child.wait()
time.sleep(1000 if sys.argv[3] == "killed" else 0)
"""


@pytest.mark.parametrize("how", ["close", "killed"])
def test_nothing_is_left_in_the_cgroup(tmp_path, how):
    argv = [sys.executable, "-c", AGENT, str(version_two()), str(tmp_path), how]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as agent:
        pid, path = agent.stdout.readline().split()
        if how == "killed":
            agent.send_signal(signal.SIGKILL)
        agent.wait(20)
    until = time.monotonic() + 10
    while (Path(path).exists() or running(pid)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not Path(path).exists()
    assert not running(pid)


def running(pid):
    """Whether a process runs; one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_no_memory_controller_means_no_cgroup(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    assert "not mounted" in cgroup.why_none()[0]
    assert cgroup.make(Undo(tmp_path)) is None
    (tmp_path / "cgroup.controllers").write_text("cpu io\n")
    assert "no memory controller" in cgroup.why_none()[0]
