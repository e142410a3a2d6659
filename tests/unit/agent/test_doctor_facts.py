"""The facts that the agent gathers for `hotkit doctor`: left-overs, and that all is JSON."""

from __future__ import annotations

import fcntl
import json

import pytest

from hotkit.agent import doctor
from hotkit.core.doctor import judge
from hotkit.core.labels import Label, Platform


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "state_directory", lambda: tmp_path)
    return tmp_path


def test_nothing_left_over(state):
    assert doctor.undo_file() is None


def test_a_dead_agents_undo_file_and_that_of_a_living_one(state):
    (state / "undo.jsonl").write_text('{"boot_id": "x"}\n{"rmdir": "/a"}\n{"rmdir": "/b"}\n')
    path = str(state / "undo.jsonl")
    assert doctor.undo_file() == {"path": path, "entries": 2, "held": False}
    with (state / "measuring.lock").open("w") as lock:
        assert doctor.undo_file() == {"path": path, "entries": 2, "held": False}
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert doctor.undo_file() == {"path": path, "entries": 2, "held": True}


def test_what_a_dead_agents_session_left_counts_and_what_is_kept_does_not(state):
    (state / "kept.jsonl").write_text('{"boot_id": "x"}\n{"write": "/a", "text": "1"}\n')
    assert doctor.undo_file() is None
    (state / "quiesce.jsonl").write_text('{"boot_id": "x"}\n{"write": "/a", "text": "1"}\n')
    path = str(state / "quiesce.jsonl")
    assert doctor.undo_file() == {"path": path, "entries": 1, "held": False}
    (state / "undo.jsonl").write_text('{"boot_id": "x"}\n{"rmdir": "/a"}\n')
    assert doctor.undo_file() == {
        "path": str(state / "undo.jsonl"), "entries": 2, "held": False
    }  # fmt: skip


def test_real_facts_are_json_and_can_be_judged(state):
    facts = json.loads(json.dumps(doctor.facts()))
    found = {item.code for item in judge(facts, Label(platform=Platform.VIRTUAL))}
    assert {"root", "python", "container", "debugfs", "tracefs", "lockdown", "pmu"} <= found
    assert facts["nodes"] and all(node["total"] > 0 for node in facts["nodes"].values())
    assert facts["cpu_ns"]["all"] > facts["cpu_ns"]["steal"] >= 0
