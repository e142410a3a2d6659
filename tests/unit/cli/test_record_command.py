"""`hotkit record` from a recording, and what is refused before anything runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from hotkit.cli import main
from hotkit.host.store import MANIFEST
from tests.unit.recordings import SAMPLE, events, write


@pytest.fixture
def seen(tmp_path):
    return write(tmp_path / "seen", events())


def test_report(seen, capsys, tmp_path):
    png, svg = tmp_path / "a.png", tmp_path / "a.svg"
    assert main(["record", "report", str(seen), "--png", str(png), "--svg", str(svg)]) == 0
    said = capsys.readouterr().out
    assert "softdirty (interval_ms 100) [emulated]" in said and "Working set" in said
    assert png.stat().st_size > 10_000 and "<svg" in svg.read_text()


def test_report_as_json(seen, capsys):
    assert main(["record", "report", str(seen), "--json", "--hot", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["hot_at_least"] == 0.01 and found["complete"] is True


def test_watch_plays_a_recording_and_in_a_log_prints_it_once(seen, capsys):
    began = time.monotonic()
    assert main(["record", "watch", str(seen)]) == 0
    assert time.monotonic() - began < 3.9  # the recording took 4 s; nobody watches a log
    out, err = capsys.readouterr()
    assert out.count("blank 0 %") == 1 and "tier1: softdirty" in out and err == ""
    assert main(["record", "report", str(seen)]) == 0
    assert capsys.readouterr().out == out


def test_a_replay_draws_in_a_terminal(seen):
    """Through a real pseudo-terminal: the live view comes first, the report stays."""
    code = (
        "import pty, sys; sys.exit(pty.spawn([sys.executable, '-m', 'hotkit', 'record', 'watch',"
        f" {str(seen)!r}, '--speed', '4']) >> 8)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60, check=False,
        env={"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    said = done.stdout.decode()
    assert done.returncode == 0, said
    assert "replay x 4" in said and "▀" in said and "\x1b[" in said
    # Frames that are not full yet have grey at their right; the report comes last.
    assert said.index("replay x 4") < said.index("Working set")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "{seen}", "--png", "x.jpg"], "x.jpg: does not end in .png"),
        (["report", "{seen}", "--hot", "0"], "0"),
        (["report", "{seen}/nothing"], "does not exist"),
        (["report", "{tmp}"], "manifest.json: cannot be read"),
        (["watch", "{seen}", "--tracker", "none"], "a recording is played as it is"),
        (["watch", "--local", "--speed", "2"], "--speed replays a recording"),
        (["watch", "--local", "--tracker", "pebs"], "no tracker 'pebs'"),
        (["watch", "--local", "--set", "interval_ms"], "not key=value"),
        (["watch", "missing.yml"], "missing.yml"),
    ],
)
def test_bad_input(arguments, words, seen, tmp_path, capsys):
    arguments = [word.format(seen=seen, tmp=tmp_path) for word in arguments]
    assert main(["record", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_no_machine_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert main(["record", "watch", "--limit", "lab-small"]) == 3
    assert "no machine of lab runs (lab-small)" in capsys.readouterr().err
    assert not list(tmp_path.glob("state/hotkit/runs/*"))


def test_a_sweep_is_no_recording(seen, capsys):
    manifest = json.loads((seen / MANIFEST).read_text())
    del manifest["kind"]
    (seen / MANIFEST).write_text(json.dumps(manifest))
    assert main(["record", "report", str(seen)]) == 2
    said = capsys.readouterr().err
    assert "is no recording" in said and "hotkit sweep" in said


def test_a_recording_is_no_sweep(seen, capsys):
    assert main(["sweep", str(seen)]) == 2
    said = capsys.readouterr().err
    assert "is no sweep" in said and f"hotkit record report {seen}" in said


def test_a_tracker_without_heat_and_a_run_cut_off_before_any(tmp_path, capsys):
    quiet = write(tmp_path / "quiet", [{"type": "sample", **SAMPLE}], tracker="none")
    assert main(["record", "report", str(quiet)]) == 5
    assert "tracker none does not tell which memory is hot while it runs" in capsys.readouterr().err
    # mglru: rounds end, and none says a word of an address.
    rounds = write(tmp_path / "rounds", events(looks=(0, 0)), tracker="mglru")
    assert main(["record", "report", str(rounds)]) == 5
    assert "tracker mglru does not tell" in capsys.readouterr().err
    cut = write(tmp_path / "cut", events()[:1])
    assert main(["record", "report", str(cut)]) == 5
    assert "cut off before tracker softdirty told of any memory" in capsys.readouterr().err


def test_a_damaged_part_names_its_event(tmp_path, capsys):
    damaged = events(steps=2)
    damaged[1]["share_zlib_base64"] = "AAAA"
    assert main(["record", "report", str(write(tmp_path / "d", damaged))]) == 1
    assert "event 1: not a part of a recording" in capsys.readouterr().err


def test_help_does_not_pay_for_matplotlib():
    code = "import sys, hotkit.cli.record; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
