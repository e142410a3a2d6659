"""What a dead agent left is put back by whoever asks next, a probe too."""

import json
import subprocess
import sys
from pathlib import Path

from hotkit.agent.undo import state_directory
from hotkit.host.zipapp import build_agent


def left_behind(knob: Path) -> Path:
    """The undo file of an agent that was killed together with its guard."""
    folder = state_directory()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    lines = [{"schema_version": 1, "boot_id": boot}, {"write": str(knob), "text": "found"}]
    file = folder / "undo.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_a_probe_puts_it_back(tmp_path):
    knob = tmp_path / "knob"
    knob.write_text("other")  # as long: a knob is not truncated
    file = left_behind(knob)
    words = [sys.executable, build_agent().path, "probe"]
    done = subprocess.run(
        words, input='[{"tracker": "none"}]\n', capture_output=True, text=True, check=True
    )
    hello, _ = map(json.loads, done.stdout.splitlines())
    assert hello["restored"] == [f"{knob} is found again"]
    assert knob.read_text() == "found" and not file.exists()
    # And once only.
    again = subprocess.run(words, input="[]\n", capture_output=True, text=True, check=True)
    assert json.loads(again.stdout.splitlines()[0])["restored"] == []
