"""Real agents that are killed: their guard, or the next one, puts the knobs back."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from hotkit.agent import undo as module
from hotkit.agent.protocol import AgentError
from hotkit.agent.undo import Undo
from tests.unit.undoing import children, opened, values

ROOT = Path(__file__).resolve().parents[3]

# Opens Undo, says so, and writes knobs until it is killed; a line on stdin each is one more write.
AGENT = """
import sys
from pathlib import Path
from hotkit.agent.undo import Undo
undo = Undo(Path(sys.argv[1]))
print("open", *undo.open(), sep="; ", flush=True)
for number, line in enumerate(sys.stdin):
    path, values = line.split()
    for value in values.split(","):
        undo.write(path, value)
    print("wrote", flush=True)
"""
# The same without end: knobs go up and down, directories come.
BUSY = """
import sys
from pathlib import Path
from hotkit.agent.undo import Undo
undo = Undo(Path(sys.argv[1]))
undo.open()
print("open", flush=True)
for number in range(10**6):
    for name in sys.argv[2:]:
        undo.write(name, "%03d" % (number % 1000))
    undo.make_directory(sys.argv[1] + "/made-%d" % number)
    if number % 5 == 4:
        undo.undo()
"""


@contextmanager
def agent(program, *arguments):
    """A process that stands for the agent. What it leaves (its guard) is waited for by locks."""
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def says(child):
    return child.stdout.readline().rstrip("\n")


def order(child, path, values):
    child.stdin.write(f"{path} {values}\n")
    child.stdin.flush()
    assert says(child) == "wrote"


def guard_of(child):
    """The one child of an agent."""
    (pid,) = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    return int(pid)


def within(seconds, check):
    until = time.monotonic() + seconds
    while not check():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def test_one_that_was_never_opened_undoes_nothing_of_others(state, knobs):
    with agent(AGENT, state) as child:
        assert says(child) == "open"
        order(child, knobs[0], "new")
        stranger = Undo(state)
        assert stranger.undo() == ([], [])
        stranger.close()
        assert values(knobs) == ["new", "old", "old"]
        assert (state / "undo.jsonl").exists()


def test_a_killed_agent_is_undone_by_its_guard(state, knobs, process):
    score = process / "oom_score_adj"
    with agent(AGENT, state) as child:
        assert says(child) == "open"
        order(child, knobs[0], "new,yes,off")
        order(child, knobs[1], "new")
        order(child, score, "700")
        assert score.read_text() == "700\n"
        guard = guard_of(child)
        child.kill()
        child.wait()
        assert within(5, lambda: not (state / "undo.jsonl").exists())
        assert values(knobs) == ["old"] * 3
        assert score.read_text() == "0\n"
        assert within(5, lambda: not Path(f"/proc/{guard}").exists() or is_zombie(guard))


def is_zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_terminal_s_processes_does_not_reach_the_guard(state, knobs, sign):
    """Control-C goes to the whole group; the guard has left it."""
    with agent(AGENT, state) as child:
        assert says(child) == "open"
        order(child, knobs[0], "new")
        guard = guard_of(child)
        assert within(5, lambda: os.getsid(guard) == guard)
        os.kill(child.pid, sign)
        child.wait(10)
        assert within(5, lambda: values(knobs) == ["old"] * 3)


def test_the_guard_holds_nothing_of_its_agent_open(state):
    """Else who reads the agent's output would wait for the guard as well."""
    with agent(AGENT, state) as child:
        assert says(child) == "open"
        files = Path(f"/proc/{guard_of(child)}/fd")
        assert within(5, lambda: len(list(files.iterdir())) == 2)  # it may still be closing
        held = sorted(str(link.readlink()) for link in files.iterdir())
    assert held[0] == str(state / "measuring.lock")
    assert held[1].startswith("pipe:")


def test_when_both_are_killed_the_next_one_puts_it_back(state, knobs):
    with agent(AGENT, state) as child:
        assert says(child) == "open"
        order(child, knobs[0], "new")
        order(child, knobs[2], "yes")
        os.kill(guard_of(child), signal.SIGKILL)
        child.kill()
        child.wait()
    time.sleep(0.2)
    assert values(knobs) == ["new", "old", "yes"]
    with agent(AGENT, state) as child:
        assert says(child) == f"open; {knobs[2]} is old again; {knobs[0]} is old again"
        assert values(knobs) == ["old"] * 3


def test_a_guard_killed_alone_changes_nothing_for_its_agent(state, knobs):
    before = children()
    with opened(state) as undo:
        (guard,) = children() - before
        os.kill(guard, signal.SIGKILL)
        undo.write(str(knobs[0]), "new")
        assert undo.undo() == ([f"{knobs[0]} is old again"], [])


def test_two_at_a_time_the_second_waits_then_gives_up(state, knobs, monkeypatch):
    monkeypatch.setattr(module, "_WAIT_S", 0.5)
    with agent(AGENT, state) as child:
        assert says(child) == "open"
        order(child, knobs[0], "new")
        began = time.monotonic()
        second = Undo(state)
        with pytest.raises(AgentError, match="another agent of hotkit measures") as caught:
            second.open()
        assert 0.5 <= time.monotonic() - began < 5
        assert "wait" in caught.value.fix
        second.close()
        # It touched nothing of the first's.
        assert values(knobs) == ["new", "old", "old"]
        assert (state / "undo.jsonl").exists()


def test_the_second_begins_when_the_first_one_s_knobs_are_back(state, knobs):
    with agent(AGENT, state) as first, agent(AGENT, state) as second:
        # Whichever was quicker has the machine; the other waits.
        quick, other = (first, second) if holder(state) == first.pid else (second, first)
        assert says(quick) == "open"
        order(quick, knobs[0], "new")
        quick.kill()
        quick.wait()
        assert says(other) == "open"  # and what it would have to tell, the guard has done
        assert values(knobs) == ["old"] * 3


def holder(state):
    """Who has the lock: its process is the first of its file's in /proc/locks."""
    found = []

    def look():
        try:
            inode = (state / "measuring.lock").stat().st_ino
        except OSError:
            return False
        rows = (row.split() for row in Path("/proc/locks").read_text().splitlines())
        found[:] = [
            int(row[4]) for row in rows if row[1] == "FLOCK" and row[5].endswith(f":{inode}")
        ]
        return bool(found)

    assert within(10, look)
    return found[0]


def test_killed_at_50_moments_of_a_loop_of_writes(state, knobs):
    """Whenever the kill comes, in the end all is as it was; every third time the guard dies too."""
    rng = random.Random(20240607)
    noted = 0
    for number in range(50):
        with agent(BUSY, state, *knobs) as child:
            assert says(child) == "open"
            guard = guard_of(child)
            time.sleep(rng.uniform(0, 0.03))
            if number % 3 == 0:
                os.kill(guard, signal.SIGKILL)
            child.kill()
            child.wait()
        if number % 3 == 0:
            noted += (state / "undo.jsonl").exists()
        with opened(state):  # waits for the guard; puts back what nobody has
            assert values(knobs) == ["old"] * 3, number
            assert list(state.glob("made-*")) == [], number
            assert not (state / "undo.jsonl").exists()
    assert noted > 5  # the kills did come in the midst of it
