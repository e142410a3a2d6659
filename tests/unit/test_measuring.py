"""How long a silent agent is waited for, and what is kept of the heat that it sends."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import TypeAdapter

from hotkit.agent.guest.life import _UP_S
from hotkit.host.store import Journal
from hotkit.host.workloadspec import WorkloadSpec
from hotkit.measuring import keep_heat, silence_s


def workload(**words) -> WorkloadSpec:
    return TypeAdapter(WorkloadSpec).validate_python(words)


HOTSET = {"kind": "hotset", "size": "8M", "hot": "1M"}
COMMAND = {
    "kind": "command", "start": ["sleep", "9"], "work": ["true"], "ready": {"seconds": 0}
}  # fmt: skip


def test_a_silent_agent_is_waited_for_long_enough_for_its_work():
    assert silence_s(workload(**HOTSET, seconds=2)) == 300 + 60 * 2
    # An amount of work has no length that is known beforehand: a minute is taken.
    assert silence_s(workload(**HOTSET, updates=1000)) == 300 + 60 * 60


def test_a_command_is_waited_for_as_long_as_its_recipe_allows():
    short, longer = workload(**COMMAND, most_s=10), workload(**COMMAND, most_s=110)
    assert silence_s(longer) - silence_s(short) == 2 * 100
    assert silence_s(short) >= 300 + 2 * 10


def test_an_agent_that_starts_a_guest_is_waited_for_as_long_as_it_waits_itself():
    """agent/guest/life.py gives a guest that long to answer, and its logins more."""
    for spec in (workload(**HOTSET, seconds=2), workload(**COMMAND)):
        assert silence_s(spec, guest=True) - silence_s(spec) > 1.5 * _UP_S


def test_heat_is_kept_whole_beside_its_truth_and_named_by_its_run(tmp_path: Path):
    event = {"type": "sample", "run": "b00-001-x", "hot": [{"start": 0}], "examined": 3}
    (tmp_path / "raw").mkdir()
    journal = Journal(tmp_path)
    kept = keep_heat(event, {"pid": 1}, journal)
    again = keep_heat({**event, "attempt": 2}, {"pid": 1}, journal)
    nothing = keep_heat({**event, "hot": []}, {"pid": 1}, journal)
    assert kept["hot"]["file"] == "raw/b00-001-x.heat.json"
    blob = (tmp_path / kept["hot"]["file"]).read_bytes()
    assert hashlib.sha256(blob).hexdigest() == kept["hot"]["sha256"]
    assert json.loads(blob) == {"truth": {"pid": 1}, "hot": [{"start": 0}]}
    assert again["hot"]["file"] == "raw/b00-001-x.2.heat.json"
    assert nothing == {**event, "hot": None}
