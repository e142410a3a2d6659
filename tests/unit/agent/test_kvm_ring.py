"""The tracepoint's text, as a kernel wrote it, and pushes into rounds; QEMU made ready."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hotkit.agent.protocol import AgentError
from hotkit.agent.trackers.kvm_ring import (
    Push,
    heat_of,
    in_rounds,
    make_collecting,
    parse_pushes,
)

LINE = (
    "       CPU 0/KVM-412     [001] d..1.   100.000250: kvm_dirty_ring_push:"
    " ring 0: dirty 0x1 reset 0x0 slot 9 offset 0x3 (used 1)\n"
)
S = 1_000_000_000
SLOTS = [[9, 0x100000, 0x4000, 0x70000000]]
RANGES = [[0x70002000, 0x70004000], [0x70000000, 0x70001000]]


def test_lines_of_the_tracepoint():
    text = (
        LINE + "           minivm-7       [000] .....   101.5: kvm_dirty_ring_push:"
        " ring 1: dirty 0x2 reset 0x1 slot 65545 offset 0x10 (used 1)\n"
        + "CPU:1 [LOST 12 EVENTS]\nCPU:0 [LOST EVENTS]\n"
        + LINE[:90]
        + "\n           other-8  [000] .....  101.6: sched_switch: slot 9\n"
    )
    found = parse_pushes(text)
    assert found.pushes == [
        Push(412, 100 * S + 250_000, 9, 3),
        Push(7, 101 * S + 500_000_000, 65545, 16),
    ]
    assert (found.lost, found.damaged) == (13, 1)


def test_pushes_are_sorted_into_rounds():
    at = 100 * S
    pushes = [
        Push(412, at - 5, 9, 2),  # while logging began
        Push(412, at + 1, 9, 2),
        Push(413, at + S, 9, 3),
        Push(412, at + S + 1, 9, 0),
        Push(412, at + 2 * S, 9, 0),  # in no whole round
        Push(412, at, 9, 1),  # in no range
        Push(412, at, 9, 4),  # in no slot
        Push(412, at, 65545, 0),  # of system management mode
        Push(500, at, 9, 0),  # another VM's
    ]
    found = in_rounds(pushes, {412, 413}, SLOTS, RANGES, at, S, 2)
    assert found.rounds == [{0}, {1, 2}]
    assert (found.told, found.elsewhere) == (5, 4)
    assert list(heat_of([*found.rounds, {2}], 3)) == [1, 1, 2]


def answering(path, answers):
    """A control socket of the protocol that is asked one connection's questions, in order."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(1)
    asked = []

    def serve():
        with server, server.accept()[0] as one, one.makefile("rw") as lines:
            print('{"QMP": {}}', file=lines, flush=True)
            for line in lines:
                words = json.loads(line)
                asked.append(words["execute"])
                said = {"return": {}}
                if words["execute"] != "qmp_capabilities":
                    said = answers.pop(0)
                print(json.dumps(said), file=lines, flush=True)

    threading.Thread(target=serve, daemon=True).start()
    return asked


@pytest.fixture
def monitor(tmp_path):
    """A process by the name of QEMU."""
    program = tmp_path / "qemu-system-x86_64"
    shutil.copy(shutil.which("sleep"), program)
    child = subprocess.Popen([program, "60"])
    yield {"pid": child.pid, "qmp": str(tmp_path / "qmp.sock")}
    child.kill()
    child.wait()


def of(status):
    return {"return": {"status": status}}


def test_qemu_is_made_to_log_once(monitor, tmp_path):
    answers = [{"return": {}}, of("unstarted"), {"return": {}}, of("measuring"), of("measured")]
    asked = answering(tmp_path / "qmp.sock", answers)
    make_collecting(monitor)
    assert asked[1:] == ["query-migrate", "query-dirty-rate", "calc-dirty-rate",
                         "query-dirty-rate", "query-dirty-rate"]  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "sentence", "fix"),
    [
        ([of("active")], "the VM is being migrated", None),
        ([of("completed"), of("measuring")], "QEMU is measuring a dirty rate", "wait"),
        ([{"return": {}}, of("measured"), {"error": {"desc": "dirty ring is disabled"}}],
         "dirty ring is disabled", "by: log"),
    ],
)  # fmt: skip
def test_qemu_that_cannot_be_made_ready(monitor, tmp_path, answers, sentence, fix):
    answering(tmp_path / "qmp.sock", answers)
    with pytest.raises(AgentError, match=sentence) as caught:
        make_collecting(monitor)
    assert fix is None or fix in str(caught.value.fix)


def test_what_is_not_known_to_survive_is_refused(monitor):
    with pytest.raises(AgentError, match="needs QEMU's control socket, or QEMU would crash"):
        make_collecting(dict(monitor, qmp=None))
    name = Path(sys.executable).resolve().name
    with pytest.raises(AgentError, match=f"this VM is of {name}"):
        make_collecting({"pid": os.getpid(), "qmp": None})
