"""Whole sweeps on this machine, through the real agent and the real workload."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from hotkit.agent.trackers.base import complete
from hotkit.agent.trackers.softdirty import SoftDirty
from hotkit.agent.undo import Undo
from hotkit.cli import main
from hotkit.host.agentlink import talk_to_agent
from hotkit.host.store import read_journal
from hotkit.host.workload import build_hotset
from hotkit.host.zipapp import build_agent

ROOT = Path(__file__).resolve().parents[2]


def describe(folder: Path, arm: str, *, seconds: float = 0.05, size: str = "4M") -> Path:
    file = folder / "sweep.yml"
    file.write_text(
        # This machine is shared: a gate would make blocks run again, and runs are counted here.
        f"schema_version: 1\nblocks: 6\nseed: 3\ngates: false\n"
        f"workload: {{kind: hotset, size: {size}, hot: 1M, seconds: {seconds}}}\n"
        f"arms: [{arm}]\n"
    )
    return file


def test_a_whole_sweep_without_samples_is_undefined(tmp_path, capsys):
    """`none` against off: everything runs, and there is nothing to divide by (exit code 5)."""
    file = describe(tmp_path, "{tracker: none, name: nothing}")
    out = tmp_path / "out"
    assert main(["sweep", str(file), "--local", "--out", str(out), "--json"]) == 5
    found = json.loads(capsys.readouterr().out)
    assert found["arms"][0]["per_examined"]["differential_ns"]["undefined"].startswith("no samples")
    assert found["label"]["platform"] in ("metal", "virtual", "emulated")
    assert found["arms"][0]["runs"] == 6

    manifest = json.loads((out / "manifest.json").read_text())
    events = list(read_journal(out))
    told = [event["seq"] for event in events if event.get("by") != "controller"]
    assert told == list(range(len(told)))
    done = [event for event in events if event["type"] == "end" and event["run"]]
    assert [event["run"] for event in done] == [run["run"] for run in manifest["schedule"]["runs"]]
    assert len({event["checksum"] for event in done}) == 1
    assert all(event["duration_ns"] > 0 for event in done)

    # The report again, from the journal alone; and nothing is overwritten.
    assert main(["sweep", str(out), "--json"]) == 5
    assert json.loads(capsys.readouterr().out) == found
    assert main(["sweep", str(file), "--local", "--out", str(out)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert main(["sweep", str(out)]) == 5
    said = capsys.readouterr().out
    assert f"[{found['label']['platform']}]" in said and str(out.name) in said


def test_softdirty_measures_or_says_why_not(tmp_path, capsys):
    file = describe(tmp_path, "{tracker: softdirty, settings: {interval_ms: 10}}", seconds=0.3)
    code = main(["sweep", str(file), "--local", "--out", str(tmp_path / "out"), "--json"])
    said = capsys.readouterr()
    if SoftDirty(Undo(tmp_path)).probe(complete(SoftDirty, {})).available:
        arm = json.loads(said.out)["arms"][0]
        assert code in (0, 5)
        assert arm["per_positive"]["samples"] > 0
        assert (arm["accuracy"]["found"], arm["accuracy"]["hot_pages"]) == (1, 256)
    else:
        assert code == 1
        assert "localhost: tracker softdirty: " in said.err
        assert len(said.err.strip().splitlines()[-2:]) == 2  # the reason and the fix
        assert "Traceback" not in said.err


def hotsets(size_bytes: int) -> set[int]:
    """Processes whose program is a hotset of this size: other tests' come and go meanwhile."""
    name, size = build_hotset().path.name.encode(), f"--size\0{size_bytes}\0".encode()
    found = set()
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = place.read_bytes()
            if name in words.partition(b"\0")[0] and size in words:
                found.add(int(place.parent.name))
    return found


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_ctrl_c_ends_cleanly(tmp_path):
    """Exit code 130, one sentence, agent and workload gone, the journal readable."""
    size = (4 << 20) + (20 << 10)  # no other test's
    file = describe(tmp_path, "{tracker: none, name: nothing}", seconds=2, size=f"{size >> 10}K")
    argv = [sys.executable, "-m", "hotkit", "sweep", file, "--local", "--out", tmp_path / "out"]
    with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True) as child:
        said = ""
        for line in child.stderr:
            said += line
            if "block 1/6" in line:
                break
        assert wait_until(lambda: hotsets(size)), said
        child.send_signal(signal.SIGINT)
        said += child.stderr.read()
        assert child.wait(20) == 130, said
    assert said.splitlines()[-2].startswith("hotkit: interrupted")
    assert wait_until(lambda: not hotsets(size))
    last = list(read_journal(tmp_path / "out"))[-1]
    assert (last["type"], last["run"], last["stopped"]) == ("end", None, "run")


@pytest.mark.parametrize("how", ["kill the agent", "close its stdin"])
def test_the_workload_never_outlives_its_agent(how):
    size = (1 << 20) + (20 << 10)  # no other test's
    schedule = {
        "v": 1,
        "workload": {
            "kind": "hotset",
            "parameters": {"size_bytes": size, "hot_bytes": 1 << 12, "updates": 10**12},
        },
        "runs": [{"run": "r", "tracker": "none"}],
    }
    argv = [sys.executable, str(build_agent().path), "run", "--binary", str(build_hotset().path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as agent:
        agent.stdin.write(json.dumps(schedule).encode() + b"\n")
        agent.stdin.flush()
        assert wait_until(lambda: hotsets(size))
        if how == "kill the agent":
            os.kill(agent.pid, signal.SIGKILL)
        else:
            agent.stdin.close()
        assert wait_until(lambda: not hotsets(size))
        agent.wait(10)


@pytest.mark.parametrize(
    ("program", "remote", "words"),
    [
        ("import time; time.sleep(3)", False, "said nothing for 1 s"),
        ("print('Welcome!')", False, "something else than an event"),
        ('print(\'{"v":1,"seq":3,"type":"end"}\')', False, "event 3 of protocol 1 where 0"),
        ('print(\'{"v":9,"seq":0,"type":"end"}\')', False, "protocol 9"),
        ("import sys; sys.exit('no route to host')", False, "exited with 1 before its schedule"),
        ("import os; os._exit(255)", True, "the connection was lost"),
        ("import os; os.kill(os.getpid(), 9)", True, "the connection was lost"),
    ],
)
def test_a_line_that_breaks_is_one_sentence(program, remote, words):
    from hotkit.errors import HotkitError

    argv = [sys.executable, "-c", program]
    with (
        pytest.raises(HotkitError, match=words),
        talk_to_agent(argv, {}, host="h", remote=remote, silence_s=1) as events,
    ):
        list(events)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("not json", "not JSON"),
        ('{"v": 2, "runs": []}', "version 2"),
        ('{"v": 1, "runs": [{"run": "r", "tracker": "pebs"}]}', "no tracker 'pebs'"),
        (
            '{"v": 1, "workload": {"kind": "hotset", "parameters": {"size_bytes": 1}}, "runs":'
            ' [{"run": "r", "tracker": "none"}]}',
            "multiple of 4096",
        ),
    ],
)
def test_the_agent_refuses_a_bad_schedule(schedule, words):
    argv = [sys.executable, build_agent().path, "run", "--binary", build_hotset().path]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as agent:
        agent.stdin.write(schedule + "\n")
        agent.stdin.flush()
        out, err = agent.stdout.read(), agent.stderr.read()
        assert agent.wait(10) == 1
    last = json.loads(out.splitlines()[-1])
    assert last["type"] == "error" and words in last["message"]
    assert err == ""
