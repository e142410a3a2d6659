"""Sweeps of several parts on disk: what is read, what is missing and why, what is refused."""

import json
import shutil

import pytest

from hotkit.core.stats_session import over
from hotkit.errors import ExitCode, HotkitError
from hotkit.sweep.group import load_group
from tests.unit.sweepfolders import make_group, make_sweep

PARTS = ["tier1-4C16G-hotset-boot0", "tier1-4C16G-hotset-boot1", "tier1-4C16G-hotset-boot2"]


def group(tmp_path, **given):
    return make_group(tmp_path / "sweep", **{"layouts": ("4C16G",), "boots": 3} | given)


def test_three_boots(tmp_path):
    found = load_group(group(tmp_path))
    assert [part.name for part in found.parts] == PARTS
    assert found.only is None and found.exit_code is ExitCode.OK
    (column,) = found.columns
    assert [part.name for part in column.counted] == PARTS and column.left_out == ()
    for arm in column.arms:
        estimates = [
            one.slowdown.estimate
            for part in found.parts
            for one in part.result.analysis.arms
            if one.arm == arm.arm
        ]
        assert arm.slowdown == over("boot", estimates)


def test_a_flat_directory_is_a_group_of_one(tmp_path):
    found = load_group(make_sweep(tmp_path / "sweep"))
    (part,) = found.parts
    assert part.part == {
        "name": "tier1-hotset", "host": "tier1", "layout": None, "boot": 0, "workload": "hotset"
    }  # fmt: skip
    assert found.only is part.result and found.exit_code is ExitCode.OK
    assert found.columns[0].arms[0].only is not None


def test_a_part_by_itself_knows_where_it_belongs(tmp_path):
    found = load_group(group(tmp_path) / "parts" / PARTS[1])
    assert found.only and dict(found.parts[0].part)["boot"] == 1


def test_parts_that_are_not_there_or_not_done(tmp_path):
    folder = group(tmp_path, change={PARTS[1]: None, PARTS[2]: {"cut_after": 3}})
    found = load_group(folder)
    assert [part.reason for part in found.parts] == [
        None, "not begun", "no block is complete: nothing to compare"
    ]  # fmt: skip
    assert found.exit_code is ExitCode.NOT_TRUSTWORTHY
    assert [one.reason for one in found.columns[0].left_out] == [
        "not begun", "no block is complete: nothing to compare"
    ]  # fmt: skip


def test_a_part_under_way_is_not_trustworthy_yet(tmp_path):
    found = load_group(group(tmp_path, change={PARTS[2]: {"cut_after": 20}}))
    assert not found.trusted and found.parts[2].result is not None
    assert "complete blocks" in found.parts[2].result.analysis.untrusted[0]


def test_a_damaged_part_is_told_and_the_others_are_read(tmp_path):
    folder = group(tmp_path)
    (folder / "parts" / PARTS[0] / "manifest.json").write_text("{")
    shutil.rmtree(folder / "parts" / PARTS[1])
    shutil.copytree(folder / "parts" / PARTS[2], folder / "parts" / PARTS[1])
    found = load_group(folder)
    assert "not JSON" in found.parts[0].reason
    assert found.parts[1].reason == f"its manifest is that of part {PARTS[2]}"
    assert found.parts[2].trusted


def test_undefined_is_said_by_the_exit_code(tmp_path):
    folder = group(tmp_path)
    journal = folder / "parts" / PARTS[0] / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for event in lines:
        if event["type"] == "sample":
            event["examined"] = event["positive"] = 0
    journal.write_text("".join(json.dumps(event) + "\n" for event in lines))
    found = load_group(folder)
    assert found.trusted and not found.defined
    assert found.exit_code is ExitCode.NOT_TRUSTWORTHY
    # Its slow-down is as good as any; a cost per sample it has none.
    arm = found.columns[0].arms[0]
    assert (arm.slowdown.n, arm.per_examined.n) == (3, 2)


def changed(**given):
    return lambda document: document.update(given)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(schema_version=2), "schema_version is 2, not 1"),
        (changed(parts=[]), "names no parts"),
        (changed(parts=[7]), "a part lacks name, host, layout, boot, workload"),
        (lambda document: document["parts"][0].pop("boot"), "a part lacks boot"),
        (lambda document: document["parts"][0].update(name="../x"), "'../x' is no name of a part"),
        (lambda document: document["parts"][0].update(name=".."), "'..' is no name of a part"),
        (lambda document: document["parts"][0].update(name=PARTS[1]), f"are called {PARTS[1]}"),
    ],
)
def test_what_is_wrong_with_sweep_json(tmp_path, change, said):
    folder = group(tmp_path)
    document = json.loads((folder / "sweep.json").read_text())
    change(document)
    (folder / "sweep.json").write_text(json.dumps(document))
    with pytest.raises(HotkitError) as caught:
        load_group(folder)
    assert said in caught.value.message and "sweep.json" in caught.value.message
    assert caught.value.exit_code is ExitCode.BAD_INPUT


@pytest.mark.parametrize("text", ["[]", "{", '{"parts": 3}'])
def test_what_is_no_such_document(tmp_path, text):
    folder = group(tmp_path)
    (folder / "sweep.json").write_text(text)
    with pytest.raises(HotkitError, match=r"sweep\.json"):
        load_group(folder)
