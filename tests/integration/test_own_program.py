"""docs/your-workload.md: its example runs, and is seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hotkit.cli import main
from hotkit.host.sweepspec import load_sweep_spec

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/own-program.yml"


def test_the_example_is_a_description() -> None:
    spec = load_sweep_spec(EXAMPLE)
    assert [arm.tracker for arm in spec.arms] == ["softdirty"]


def test_it_runs_under_a_tracker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With one that works everywhere: page faults, by perf."""
    out, faults = tmp_path / "seen", ["--tracker", "perf", "--set", "event=page-faults"]
    assert main(["record", "watch", str(EXAMPLE), "--local", "--out", str(out), *faults]) == 0
    assert "Working set" in capsys.readouterr().out
    lines = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    (end,) = [line for line in lines if line["type"] == "end" and line["run"]]
    assert end["output"] == "populated" and end["duration_ns"] > 100_000_000
