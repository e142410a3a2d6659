"""The spool of an agent that runs by itself: followers hear of its end, whatever it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hotkit.agent.protocol import AgentError, Emitter
from hotkit.agent.spool import ENDED, GONE, EventFile, Session

ROOT = Path(__file__).resolve().parents[2]
# An agent that says a line, and another when a file is there.
AGENT = """
import sys, time
from pathlib import Path
from hotkit.agent.protocol import Emitter
from hotkit.agent.spool import Session, detach
state = Path(sys.argv[1])
def work(sink):
    emitter = Emitter(sink)
    emitter.emit("hello")
    while not (state / "go").exists():
        time.sleep(0.01)
    emitter.emit("end", run=None)
    return 0
detach(Session(state, "s", 0), work)
"""
FOLLOWER = """
import sys
from pathlib import Path
from hotkit.agent.spool import Session, follow
sys.exit(follow(Session(Path(sys.argv[1]), "s", 0), int(sys.argv[2]), sys.stdout.buffer))
"""


def start(state: Path) -> Session:
    subprocess.run([sys.executable, "-c", AGENT, state], check=True, cwd=ROOT, timeout=30)
    return Session(state, "s", 0)


def follower(state: Path, first: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FOLLOWER, str(state), str(first)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def test_followers_hear_everything(tmp_path: Path) -> None:
    session = start(tmp_path)
    assert session.alive()
    with follower(tmp_path) as early, follower(tmp_path, 1) as late:
        assert early.stdout is not None
        assert '"type":"hello"' in early.stdout.readline()
        (tmp_path / "go").touch()
        assert early.wait(20) == late.wait(20) == ENDED
        assert late.stdout is not None
        rest, last = early.stdout.read(), late.stdout.read()
    assert rest == last and '"type":"end"' in rest and rest.count("\n") == 1
    session.forget()
    assert not session.folder.exists()


def test_a_death_is_heard_of_every_time(tmp_path: Path) -> None:
    """The kernel tells of the closed file before it lets the lock go: a race, so many times."""
    for number in range(25):
        state = tmp_path / str(number)
        session = start(state)
        with follower(state) as child:
            assert child.stdout is not None
            child.stdout.readline()
            os.kill(int(session.pid.read_text()), signal.SIGKILL)
            began = time.monotonic()
            assert child.wait(20) == GONE
            assert time.monotonic() - began < 15
            assert child.stdin is not None


def test_a_follower_ends_with_its_connection(tmp_path: Path) -> None:
    session = start(tmp_path)
    with follower(tmp_path) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdout.readline()
        child.stdin.close()
        assert child.wait(20) == ENDED
    assert session.alive()
    (tmp_path / "go").touch()


def test_a_session_begins_once(tmp_path: Path) -> None:
    session = Session(tmp_path, "s", 3)
    sink = EventFile(session)
    Emitter(sink).emit("hello")
    with pytest.raises(AgentError, match="was begun before"):
        EventFile(session)
    assert session.events.read_text().count("\n") == 1
    with pytest.raises(AgentError, match="no name of a sweep"):
        Session(tmp_path, "../etc", 0)


def test_a_line_that_was_taken_back_is_never_seen(tmp_path: Path) -> None:
    """On a full disk half a line is written, cut off, and an error stands in its place."""
    session = Session(tmp_path, "s", 0)
    sink = EventFile(session)
    sink.write('{"seq":0,"type":"hello"}\n')
    with follower(tmp_path) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with session.events.open("ab") as torn:
            torn.write(b'{"seq":1,"type":"run","run":"b00-000-off","attem')
            torn.flush()
            time.sleep(0.3)
            torn.truncate(session.events.stat().st_size - 48)
        sink.write('{"seq":1,"type":"error","run":null,"message":"No space left on device"}\n')
        assert child.wait(20) == ENDED
        assert child.stdout.read() == session.events.read_text().split("\n", 1)[1]
