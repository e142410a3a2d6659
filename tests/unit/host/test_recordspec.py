"""What to record: workload files and `--set key=value`, wrong ones with where and what to do."""

from __future__ import annotations

import pytest

from hotkit.errors import HotkitError
from hotkit.host.recordspec import load_workload, tracker_settings

WORKLOAD = "workload: {kind: hotset, size: 4M, hot: 1M, seconds: 2}\n"
SWEEP = "schema_version: 1\nblocks: 6\narms: [{tracker: none, name: nothing}]\n" + WORKLOAD


def file(tmp_path, text):
    path = tmp_path / "w.yml"
    path.write_text(text)
    return path


def test_the_shipped_workload_is_the_default():
    assert load_workload(None).parameters()["hot_bytes"] == 4 << 20


@pytest.mark.parametrize("text", [SWEEP, "schema_version: 1\n" + WORKLOAD])
def test_a_sweep_description_or_a_workload_alone(tmp_path, text):
    found = load_workload(file(tmp_path, text))
    assert (found.parameters()["size_bytes"], found.seconds) == (4 << 20, 2)
    longer = load_workload(file(tmp_path, text), seconds=7.5)
    assert (longer.parameters()["size_bytes"], longer.seconds) == (4 << 20, 7.5)


def test_seconds_replace_a_number_of_updates(tmp_path):
    text = "schema_version: 1\nworkload: {kind: hotset, size: 4M, hot: 1M, updates: 1000}\n"
    assert load_workload(file(tmp_path, text)).parameters()["updates"] == 1000
    found = load_workload(file(tmp_path, text), seconds=1)
    assert found.seconds == 1 and "updates" not in found.parameters()


def test_a_command_takes_as_long_as_it_takes(tmp_path):
    text = "schema_version: 1\nworkload: {kind: command, work: [sleep, '1'], ready: {seconds: 0}}\n"
    load_workload(file(tmp_path, text))
    with pytest.raises(HotkitError, match=r"w\.yml: a command does what its arguments say"):
        load_workload(file(tmp_path, text), seconds=3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- 1\n", r"w\.yml:1:1: a workload file is a mapping"),
        ("schema_version: 1\nworklod: 3\n", r"w\.yml:2:1: .*worklod.*workload"),
        (WORKLOAD, r"w\.yml:1:1: schema_version must be 1"),
        ("schema_version: 1\n", r"w\.yml:1:1: there is no workload"),
        (
            "schema_version: 1\n" + WORKLOAD.replace("hot:", "hat:"),
            r"w\.yml:2:\d+: hot: Field required",
        ),
        (SWEEP.replace("blocks: 6", "blocks: 2"), r"w\.yml:2:\d+: blocks"),
    ],
)
def test_mistakes_have_a_place(tmp_path, text, words):
    with pytest.raises(HotkitError, match=words):
        load_workload(file(tmp_path, text))


def test_settings_take_the_type_of_their_default():
    found = tracker_settings("softdirty", ["interval_ms=50", "placement=pinned", "cpu=1"])
    assert found == {"interval_ms": 50, "placement": "pinned", "cpu": 1}
    assert tracker_settings("perf", ["kernel=no", "event=a/b=1/"]) == {
        "kernel": False,
        "event": "a/b=1/",
    }
    assert tracker_settings("none", []) == {}


@pytest.mark.parametrize(
    ("tracker", "word", "message", "hint"),
    [
        ("pebs", "x=1", "no tracker 'pebs'", "softdirty"),
        ("softdirty", "interval_ms", "--set interval_ms: not key=value", "interval_ms (ms"),
        ("softdirty", "intervall=3", "softdirty has no setting 'intervall'", "interval_ms (ms"),
        (
            "softdirty",
            "interval_ms=fast",
            "--set interval_ms=fast: 'fast' is not int",
            "ms between",
        ),
        ("softdirty", "interval_ms=0", "--set interval_ms=0: 0 is not at least 1", "ms between"),
        ("softdirty", "placement=far", "'far' is none of shared, spare, pinned", "CPUs"),
        ("perf", "kernel=maybe", "--set kernel=maybe: 'maybe' is not bool", "kernel"),
    ],
)
def test_wrong_settings(tracker, word, message, hint):
    with pytest.raises(HotkitError) as caught:
        tracker_settings(tracker, [word])
    assert message in caught.value.message and hint in caught.value.hint
