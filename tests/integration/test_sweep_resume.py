"""A sweep that is cut off, by anything: the same schedule, no run lost, none counted twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hotkit.agent.spool import Session
from hotkit.agent.undo import state_directory
from hotkit.cli import main
from hotkit.core.sweepstate import SweepState
from hotkit.host.store import read_journal
from hotkit.sweep.folder import load_sweep
from tests.integration.test_sweep_local import wait_until

ROOT = Path(__file__).resolve().parents[2]
RUNS = 6 * 3


def describe(
    folder: Path,
    more: str = "gates: false",
    *,
    seconds: float = 0.3,
    work: str = "",
) -> Path:
    """This machine is shared: a gate would make blocks run again at any time."""
    file = folder / "sweep.yml"
    file.write_text(
        f"schema_version: 1\nblocks: 6\nseed: 3\nquiesce: false\n{more}\n"
        f"workload: {{kind: hotset, size: 4M, hot: 1M, {work or f'seconds: {seconds}'}}}\n"
        "arms: [{tracker: none, name: nothing}]\n"
    )
    return file


def start(file: Path, out: Path, *before: str) -> subprocess.Popen[str]:
    argv = [*before, sys.executable, "-m", "hotkit", "sweep", file, "--local", "--out", out]
    return subprocess.Popen(
        [str(word) for word in argv],
        cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def state_of(out: Path) -> SweepState:
    state = SweepState()
    if (out / "journal.jsonl").exists():
        for event in read_journal(out):
            state.add(event)
    return state


def ended(out: Path) -> int:
    if not (out / "journal.jsonl").exists():
        return 0
    return sum(event["type"] == "end" and bool(event["run"]) for event in read_journal(out))


def agent_of(out: Path) -> Session:
    sweep = json.loads((out / "manifest.json").read_text())["sweep"]
    return Session(state_directory(), sweep, state_of(out).session)


def workload_is_gone(out: Path) -> bool:
    """Whether the workload of the last run that began has ended (its zombie counts as gone)."""
    pid = [event["truth"]["pid"] for event in _events(out) if event["type"] == "run"][-1]
    try:
        return (
            " Z " in Path(f"/proc/{pid}/stat").read_text()
            or "hotset" not in Path(f"/proc/{pid}/comm").read_text()
        )
    except FileNotFoundError:
        return True


def whole(out: Path, code: int) -> list[dict[str, Any]]:
    """Everything that must hold of a sweep at its end; its journal."""
    assert code == 5  # `none` against off has no samples
    result = load_sweep(out)
    planned = [run["run"] for run in result.manifest["schedule"]["runs"]]
    assert Counter(run.name for run in result.runs) == Counter(planned)
    assert result.state.finished and not result.analysis.incomplete_blocks
    assert not agent_of(out).folder.exists()  # forgotten on the host
    assert not (state_directory() / "undo.jsonl").exists()
    return list(read_journal(out))


def test_the_controller_is_killed_and_the_agent_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start(describe(tmp_path), out) as child:
        assert wait_until(lambda: ended(out) >= 4, 60)
        child.kill()
    known = ended(out)
    # Nobody follows, and it measures all the same.
    events = agent_of(out).events
    assert wait_until(lambda: events.read_text().count('"type":"end"') > known + 4, 30)
    assert main(["sweep", "status", str(out)]) == 1
    journal = whole(out, main(["sweep", "resume", str(out)]))
    assert [event["type"] for event in journal].count("hello") == 1
    # Each event is there once, in order, although it was asked for twice.
    told = [event["seq"] for event in journal if event.get("by") != "controller"]
    assert told == list(range(len(told)))
    # Of a finished sweep nothing is done again.
    assert main(["sweep", "resume", str(out)]) == 5
    assert list(read_journal(out)) == journal


def test_the_agent_is_killed_and_another_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start(describe(tmp_path), out) as child:
        assert wait_until(lambda: ended(out) >= 4, 60)
        os.kill(int(agent_of(out).pid.read_text()), signal.SIGKILL)
        assert child.stderr is not None
        child.stderr.read()
    journal = whole(out, child.returncode)
    assert [event["session"] for event in journal if event["type"] == "session"] == [0, 1]
    # The amount of work is that of the beginning: found once.
    assert sum("calibrated" in event for event in journal) == 1
    assert (
        len({event["checksum"] for event in journal if event["type"] == "end" and event["run"]})
        == 1
    )


def test_both_are_killed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start(describe(tmp_path), out) as child:
        assert wait_until(lambda: ended(out) >= 7, 60)
        agent = agent_of(out)
        child.kill()
        os.kill(int(agent.pid.read_text()), signal.SIGKILL)
    assert wait_until(lambda: workload_is_gone(out))
    whole(out, main(["sweep", "resume", str(out)]))


def test_stop_resume_and_a_second_writer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with start(describe(tmp_path), out) as child:
        assert wait_until(lambda: ended(out) >= 2, 60)
        assert main(["sweep", "resume", str(out)]) == 2
        assert "another hotkit is at work on it" in capsys.readouterr().err
        assert main(["sweep", "stop", str(out), "--after-block"]) == 0
        assert "told to stop after this block" in capsys.readouterr().out
        assert child.wait(60) == 130
    done = ended(out)
    assert done % 3 == 0 and 0 < done < RUNS
    assert main(["sweep", "status", str(out), "--json"]) == 1
    (part,) = json.loads(capsys.readouterr().out)["parts"]
    assert (part["state"], part["runs"], part["planned_runs"]) == ("stopped", done, RUNS)
    whole(out, main(["sweep", "resume", str(out)]))


def test_ctrl_c_twice_ends_at_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start(describe(tmp_path, work="updates: 100000000000"), out) as child:
        assert wait_until(lambda: any(e["type"] == "run" for e in _events(out)), 60)
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        for line in child.stderr:
            if "stopping after this run" in line:
                break
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        said = child.stderr.read()
        assert child.wait(30) == 130, said
        assert time.monotonic() - began < 15
    assert _events(out)[-1]["stopped"] == "now"
    assert wait_until(lambda: not agent_of(out).alive() and workload_is_gone(out))


def _events(out: Path) -> list[dict[str, Any]]:
    return list(read_journal(out)) if (out / "journal.jsonl").exists() else []


def test_until_narrow_enough(tmp_path: Path) -> None:
    """A wide margin is reached at the least number of blocks; the rest is not measured."""
    out = tmp_path / "out"
    file = describe(
        tmp_path, "gates: false\nuntil: {half_width_percent: 500, most_blocks: 40}", seconds=0.1
    )
    with start(file, out) as child:
        assert child.stderr is not None
        said = child.stderr.read()
    assert child.returncode == 5, said
    result = load_sweep(out)
    # More than the least where this machine is busy, and far from the most.
    assert 6 <= result.analysis.blocks == result.state.planned_blocks < 40
    assert "95 % interval of every slow-down is within +-500 %" in str(result.state.why_enough)
    assert not result.analysis.incomplete_blocks


def test_time_is_up(tmp_path: Path) -> None:
    out = tmp_path / "out"
    file = describe(
        tmp_path, "gates: false\nuntil: {minutes: 0.01, most_blocks: 400}", seconds=0.05
    )
    with start(file, out) as child:
        assert child.stderr is not None
        child.stderr.read()
    result = load_sweep(out)
    assert result.analysis.blocks >= 6 and result.analysis.blocks % 2 == 0
    assert result.state.why_enough == "the time is over (until: minutes)"


def test_a_failed_gate_makes_its_block_begin_anew(tmp_path: Path) -> None:
    """A warning in the kernel's log during a run: what was measured of the block is put aside."""
    kmsg = Path("/dev/kmsg")
    if os.geteuid() != 0 or not kmsg.exists():
        pytest.skip("privilege: writing to the kernel's log takes root and /dev/kmsg")
    out = tmp_path / "out"
    with start(describe(tmp_path, "gates: {steal_percent: false}"), out) as child:
        assert wait_until(lambda: ended(out) >= 4, 60)
        kmsg.write_text("<4>hotkit: a test of gates says something\n")
        assert child.stderr is not None
        said = child.stderr.read()
    journal = whole(out, child.returncode)
    (gate,) = [event for event in journal if event["type"] == "gate"]
    assert "a test of gates says something" in gate["problems"][0], said
    (rerun,) = load_sweep(out).analysis.reruns
    assert (rerun.block, rerun.attempt) == (gate["block"], 0)


def test_a_full_disk_of_the_host(tmp_path: Path) -> None:
    """One sentence, nothing torn; with space again the sweep goes on where it was."""
    if os.geteuid() != 0:
        pytest.skip("privilege: a file system of a test takes root")
    out, small = tmp_path / "out", tmp_path / "small"
    state = state_directory()
    # In a mount namespace of its own: the agent's state on 200 KiB, of which 64 are its reserve.
    script = (
        f"mount -t tmpfs -o size=220k none {state} && exec {sys.executable} -m hotkit sweep"
        f" {describe(tmp_path, seconds=0.05)} --local --out {out}"
    )
    small.mkdir()
    state.mkdir(parents=True, exist_ok=True)
    file = describe(tmp_path, seconds=0.05).read_text().replace("blocks: 6", "blocks: 60")
    (tmp_path / "sweep.yml").write_text(file)
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", script], cwd=ROOT, text=True,
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        assert child.stderr is not None
        said = child.stderr.read()
    assert child.returncode == 1, said
    assert "No space left on device" in said.splitlines()[-1] + said.splitlines()[-2]
    assert "Traceback" not in said
    before = ended(out)
    assert before > 10
    assert main(["sweep", "resume", str(out)]) == 5
    result = load_sweep(out)
    planned = [run["run"] for run in result.manifest["schedule"]["runs"]]
    assert Counter(run.name for run in result.runs) == Counter(planned)


def test_a_full_disk_of_the_controller(tmp_path: Path) -> None:
    """One sentence, the journal intact; the agent has gone on, and nothing is lost."""
    if os.geteuid() != 0:
        pytest.skip("privilege: a file system of a test takes root")
    small = tmp_path / "small"
    small.mkdir()
    file = describe(tmp_path, seconds=0.05)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60k", "none", small], check=True)
    try:
        out = small / "out"
        with start(file, out) as child:
            assert child.stderr is not None
            said = child.stderr.read()
        assert child.returncode == 1, said
        assert "cannot be written: No space left on device" in said and "Traceback" not in said
        events = list(read_journal(out))  # every line is whole
        assert events
        subprocess.run(["mount", "-o", "remount,size=10m", small], check=True)
        whole(out, main(["sweep", "resume", str(out)]))
    finally:
        subprocess.run(["umount", "-l", small], check=True)
