"""A plan from a real pilot: its duration is the one that the agent's own clock measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hotkit.cli import main
from hotkit.host.store import read_journal
from hotkit.sweep.report import read_sweep


def test_the_duration_is_that_of_the_pilot(tmp_path: Path, capsys):
    file, pilot = tmp_path / "my.yml", tmp_path / "pilot"
    file.write_text(
        "schema_version: 1\nblocks: 6\nquiesce: false\ngates: false\n"
        "workload: {kind: hotset, size: 4M, hot: 1M, seconds: 0.1}\n"
        "arms: [{tracker: none, name: nothing}]\n"
    )
    # `none` counts no sample: a figure is undefined, and all was measured.
    assert main(["sweep", "run", str(file), "--local", "--out", str(pilot)]) == 5
    capsys.readouterr()
    (elapsed_s,) = [event["elapsed_ns"] / 1e9 for event in read_journal(pilot)
                    if event["type"] == "end" and event["run"] is None]  # fmt: skip

    assert main(["sweep", "plan", str(file), "--local", "--pilot", str(pilot), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (work,) = found["workloads"].values()
    pace = work["pilot"]["pace"]
    planned_s = work["duration_s"]["likely_s"] - pace["start_s"]
    assert planned_s == pytest.approx(elapsed_s, rel=0.2)
    assert pace["harness_s"]["off"] > pace["work_s"]["off"] > 0
    # One sound pilot in twenty has A/A pairs that differ, more on a busy computer: then, and only
    # then, the plan says so.
    doubts = read_sweep(pilot).analysis.untrusted
    assert work["pilot"]["refused"] == []
    assert work["pilot"]["marks"] == [f"the pilot is not trustworthy: {it}" for it in doubts[:1]]
    assert work["sight"]["pairs"] == 6
