"""Any program as a workload, through the real `hotset keep`: timed, held, and never left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hotkit.agent.protocol import AgentError
from hotkit.agent.trackers.softdirty import PAGE_BYTES, read_flags, writable_ranges
from hotkit.agent.workloads.command import Command
from hotkit.agent.workloads.kept import resident_bytes
from hotkit.cli import main
from hotkit.host.store import read_journal
from hotkit.host.workload import build_hotset
from hotkit.host.zipapp import build_agent

# A server with 30 MiB that takes a while to listen; its client asks it so many times.
SERVER = """
import socket, sys
memory = bytearray(b"x") * (30 << 20)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = server.accept()
    while client.recv(1):
        client.sendall(memory[:1])
"""
CLIENT = """
import socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for _ in range(int(sys.argv[2])):
    client.sendall(b"?")
    assert client.recv(1) == b"x"
print("asked", sys.argv[2])
"""
# 30 MiB, then a word, then a fixed amount of work.
BATCH = """
import sys, time
memory = bytearray(b"x") * (30 << 20)
print("populated", flush=True)
for i in range(int(sys.argv[1])):
    memory[i % len(memory)] = 1
import os
os._exit(0)  # as a C program ends: its memory is the kernel's to free
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def python(text, *arguments):
    return [sys.executable, "-c", text, *map(str, arguments)]


def workload(**parameters):
    return Command(str(build_hotset().path), {"ready": {"seconds": 0}, **parameters})


def alive(mark):
    """Processes with `mark` on their command line, zombies not."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "cmdline").read_bytes():
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_server_and_client():
    port = free_port()
    command = workload(
        start=python(SERVER, port),
        ready={"port": port},
        load=python(CLIENT, port, 3),
        work=python(CLIENT, port, 500),
    )
    try:
        truth = command.start()
        assert truth["footprint_bytes"] > 30 << 20
        assert "start" not in truth and "hot_start" not in truth
        began = time.monotonic_ns()
        result = command.run()
        around = time.monotonic_ns() - began
        assert result["output"] == "asked 500" and result["checksum"] is None
        assert 0 < result["duration_ns"] < around
        assert resident_bytes(truth["pid"]) > 30 << 20
    finally:
        command.stop()
    assert not Path(f"/proc/{truth['pid']}").exists()


def test_a_program_by_itself_is_timed_from_go_to_exit_and_held_there():
    command = workload(work=python(BATCH, 300_000), ready={"output": "^populated$"})
    try:
        truth = command.start()
        stat = Path(f"/proc/{truth['pid']}/stat")
        ticks = stat.read_text().rpartition(")")[2].split()[11]
        time.sleep(0.6)
        # It is stopped: a second of waiting costs it nothing and counts for nothing.
        assert stat.read_text().rpartition(")")[2].split()[11] == ticks
        began = time.monotonic_ns()
        result = command.run()
        assert 1e6 < result["duration_ns"] < time.monotonic_ns() - began
        assert resident_bytes(truth["pid"]) > 30 << 20
        # What a tracker does in its last look: every page of every mapping can still be read.
        maps = Path(f"/proc/{truth['pid']}/maps").read_text()
        with Path(f"/proc/{truth['pid']}/pagemap").open("rb") as pagemap:
            for start, end in writable_ranges(maps):
                flags = read_flags(pagemap.fileno(), start, end)
                assert len(flags) * PAGE_BYTES == end - start
        Path(f"/proc/{truth['pid']}/clear_refs").write_text("4")
    finally:
        command.stop()
    assert not Path(f"/proc/{truth['pid']}").exists()


def test_the_process_with_the_memory_is_tracked_and_held():
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BATCH!r}, '200000'])"
    command = workload(work=python(child), ready={"output": "populated"})
    try:
        truth = command.start()
        assert BATCH.encode() in Path(f"/proc/{truth['pid']}/cmdline").read_bytes()
        command.run()
        assert resident_bytes(truth["pid"]) > 30 << 20
    finally:
        command.stop()


def test_twice_the_work_takes_longer():
    times: dict[int, list[int]] = {500_000: [], 2_000_000: []}
    for loops in [*times] * 3:
        command = workload(work=python(BATCH, loops), ready={"output": "populated"})
        try:
            command.start()
            times[loops].append(command.run()["duration_ns"])
        finally:
            command.stop()
    # Whatever else runs only makes a run longer: the fastest of each are compared.
    short, long = (min(values) for values in times.values())
    assert long > 2 * short


@pytest.mark.parametrize(
    ("parameters", "words", "fix"),
    [
        ({"work": ["no-such-program"], "needs": "apt-get install it"}, "not installed", "apt-get"),
        ({"work": python("print('oh no'); exit(3)")}, "exited with 3", None),
        (
            {"work": python("exit(7)"), "ready": {"output": "never"}},
            "exited with 7 before it was ready",
            None,
        ),
        (
            {"work": ["sleep", "60"], "ready": {"output": "never"}, "within_s": 0.3},
            "not ready within 0.3 s",
            None,
        ),
        ({"work": ["sleep", "60"], "most_s": 0.3}, "still running after 0.3 s", "less work"),
        (
            # A child says the word when it is gone: `echo up` alone may be stopped in between.
            {"work": ["sh", "-c", "(sleep 0.2; echo up) &"], "ready": {"output": "up"}},
            "ended before it|exited with 0 before it",
            None,
        ),
        ({"work": python("import os; os.kill(os.getpid(), 11)")}, "signal 11", None),
    ],
)
def test_what_goes_wrong_is_a_sentence(parameters, words, fix):
    command = workload(**parameters)
    with pytest.raises(AgentError, match=words) as caught:
        try:
            command.start()
            command.run()
        finally:
            command.stop()
    assert fix is None or fix in (caught.value.fix or "")


def test_a_port_that_is_taken_is_not_measured():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = workload(start=["sleep", "9"], work=["true"], ready={"port": port})
        with pytest.raises(AgentError, match="taken already"):
            command.start()
        command.stop()


def test_exit_statuses_that_are_allowed():
    command = workload(work=python("exit(1)"), exits=[0, 1])
    try:
        command.start()
        assert command.run()["duration_ns"] > 0
    finally:
        command.stop()


# What a program may do to get away: a session of its own, a double fork, ignored signals.
RUNAWAY = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
print("away", flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("victims", ["agent", "keep", "both", "stdin"])
def test_it_never_outlives_the_agent(victims):
    """kill -9 of the agent, of its `keep`, of both at once, or a line that breaks."""
    mark = f"runaway-{os.getpid()}-{victims}"
    schedule = {
        "v": 1,
        "workload": {
            "kind": "command",
            "parameters": {
                "work": [*python(RUNAWAY), mark], "ready": {"output": "away"}, "most_s": 600,
            },
        },
        "runs": [{"run": "r", "tracker": "none"}],
    }  # fmt: skip
    argv = [sys.executable, str(build_agent().path), "run", "--binary", str(build_hotset().path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as agent:
        agent.stdin.write(json.dumps(schedule).encode() + b"\n")
        agent.stdin.flush()
        for line in agent.stdout:
            if json.loads(line)["type"] == "run":
                break
        keeps = {pid for pid in alive(mark) if b"keep" in cmdline(pid)}
        # keep, the program, and what it sent away (as soon as its own child has exited)
        assert len(keeps) == 1
        assert wait_until(lambda: len(alive(mark)) == 3), alive(mark)
        if victims == "stdin":
            agent.stdin.close()
        if victims in ("keep", "both"):
            os.kill(keeps.pop(), signal.SIGKILL)
        if victims in ("agent", "both"):
            os.kill(agent.pid, signal.SIGKILL)
        assert wait_until(lambda: not alive(mark)), alive(mark)
        agent.kill() if victims == "keep" else None
        agent.stdin.close()
        agent.wait(20)


def cmdline(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1]
    except OSError:
        return b""


def test_a_whole_sweep_of_a_command(tmp_path, capsys):
    """Through `hotkit sweep`: no hot range, no checksum, and still figures per block."""
    file = tmp_path / "sweep.yml"
    script = tmp_path / "batch.py"
    script.write_text(BATCH)
    file.write_text(
        "schema_version: 1\nblocks: 6\ngates: false\n"
        "workload:\n  kind: command\n  ready: {output: populated}\n"
        f"  work: [{sys.executable}, {script}, '{{loops}}']\n  values: {{loops: 4000000}}\n"
        "arms: [{tracker: none, name: nothing}]\n"
    )
    out = tmp_path / "out"
    assert main(["sweep", str(file), "--local", "--out", str(out), "--json"]) == 5
    found = json.loads(capsys.readouterr().out)
    assert found["arms"][0]["runs"] == 6
    events = list(read_journal(out))
    ends = [event for event in events if event["type"] == "end" and event["run"]]
    assert len(ends) == 18 and all(event["duration_ns"] > 1e6 for event in ends)
    truths = [event["truth"] for event in events if event["type"] == "run"]
    assert {truth["distribution"] for truth in truths} == {"unknown"}
