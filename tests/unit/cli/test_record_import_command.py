"""`hotkit record import`, `export`, `diff`, and `report` of another tool's file."""

from __future__ import annotations

import json
import shutil

import pytest

from hotkit.cli import main
from hotkit.recordreading import load_recording
from tests.unit.damorecords import DATA, record, region, snapshot, write
from tests.unit.recordings import events
from tests.unit.recordings import write as write_ours

K = 4096


@pytest.fixture
def two(tmp_path):
    """Two targets: the second has more memory."""
    parts = [snapshot(n, region(K, 3 * K, 20), region(3 * K, 9 * K, 0)) for n in range(4)]
    small = record(snapshot(0, region(K, 2 * K, 5)))
    return write(tmp_path / "damon.data", small, record(*parts, target_id=1))


def told(capsys, *arguments, code=0):
    assert main(["record", *map(str, arguments)]) == code
    return capsys.readouterr().out


def test_import_says_what_it_found_and_report_reads_it(two, tmp_path, capsys):
    out = tmp_path / "out"
    said = told(capsys, "import", two, "--out", out)
    assert (
        "Read from: damo record, json_compressed; target 1, 4 snapshots, 8 regions, 0.4 s" in said
    )
    assert "Other targets, by --target: 1 is target 0" in said and f"record report {out}" in said
    assert {path.name for path in out.iterdir()} == {"manifest.json", "journal.jsonl", "raw"}
    seen = told(capsys, "report", out)
    assert "damon.data: damon (aggr_us 100000, sample_us 5000) [machine not known]" in seen
    assert "regions accessed" in seen and "0x1000-0x3000" in seen and "200" in seen
    assert "EMULATED" not in seen and "CUT OFF" not in seen
    assert "160 (checks of a region), 80 (checks of a region that found it accessed)" in seen


def test_report_of_a_file_is_that_of_its_import(two, tmp_path, capsys):
    told(capsys, "import", two, "--out", tmp_path / "out", "--platform", "virtual")
    kept = json.loads(told(capsys, "report", tmp_path / "out", "--json"))
    seen = json.loads(told(capsys, "report", two, "--json"))
    assert kept["label"]["platform"] == "virtual" and seen["label"]["platform"] == "unknown"
    for name in ("working_set_bytes", "hot_ranges", "imported", "steps", "bins", "settings"):
        assert kept[name] == seen[name]
    assert kept["imported"]["accessed_regions_bytes"]["50"] == 2 * K
    assert kept["hot_ranges"] == [{"start": K, "end": 3 * K, "share": 1.0}]
    assert kept["imported"]["most_hz"] == 200
    first = json.loads(told(capsys, "report", two, "--json", "--target", "1"))
    assert first["imported"]["target"] == 1 and first["size_bytes"] == K


def test_figures_of_an_import(two, tmp_path, capsys):
    svg = tmp_path / "a.svg"
    told(capsys, "report", two, "--svg", svg)
    assert "machine not known" in svg.read_text()


def test_watch_prints_an_import_once(two, tmp_path, capsys):
    told(capsys, "import", two, "--out", tmp_path / "out")
    said = told(capsys, "watch", tmp_path / "out", "--target", "1")
    assert "blank 0 %" in said and "target 0, 1 snapshots" in said


def test_what_a_format_does_not_tell_is_said(tmp_path, capsys):
    said = told(capsys, "import", DATA / "damo-lab.perf_script", "--out", tmp_path / "a")
    assert "Note: a trace does not tell DAMON's intervals" in said
    named = ("--intervals", "5000,100000", "--format", "damon-trace")
    said = told(capsys, "import", DATA / "damo-lab.perf_script", "--out", tmp_path / "b", *named)
    assert "Note" not in said
    assert load_recording(tmp_path / "b").settings == {"sample_us": "5000", "aggr_us": "100000"}


def test_steps_of_samples(tmp_path, capsys):
    file = DATA.parent / "perf" / "script-mem-loads.txt"
    seen = json.loads(told(capsys, "report", file, "--json", "--every", "600"))
    assert seen["imported"]["snapshots"] == 1 and seen["tracker"] == "perf"
    assert seen["imported"]["relative"] is True and seen["imported"]["most_hz"] is None


def test_export_comes_back(two, tmp_path, capsys):
    data = tmp_path / "again.data"
    said = told(capsys, "export", two, "-o", data)
    assert f"Written to {data}: 2 targets, 9 regions" in said
    assert json.loads(told(capsys, "report", data, "--json"))["imported"]["regions"] == 8
    told(capsys, "export", two, "--format", "damo-json", "--target", "1", "-o", tmp_path / "a.json")
    (only,) = json.loads((tmp_path / "a.json").read_text())
    assert (only["target_id"], len(only["snapshots"])) == (0, 1)


def test_export_of_our_own_recording(tmp_path, capsys):
    ours, data = write_ours(tmp_path / "ours", events()), tmp_path / "ours.data"
    told(capsys, "export", ours, "-o", data)
    before = json.loads(told(capsys, "report", ours, "--json"))
    after = json.loads(told(capsys, "report", data, "--json"))
    assert after["imported"]["snapshots"] == before["steps"]
    assert after["looked_fraction"] == 1 and after["size_bytes"] == before["size_bytes"]
    for key, size in before["working_set_bytes"].items():
        assert after["working_set_bytes"][key] == pytest.approx(size, rel=0.05)
    assert [(one["start"], one["end"]) for one in after["hot_ranges"]] == [
        (one["start"], one["end"]) for one in before["hot_ranges"]
    ]


def test_diff_of_a_file_and_a_directory(two, tmp_path, capsys):
    parts = [snapshot(n, region(K, 3 * K, 0), region(3 * K, 9 * K, 20)) for n in range(4)]
    other = write(tmp_path / "other.data", record(*parts))
    told(capsys, "import", two, "--out", tmp_path / "out")
    said = told(capsys, "diff", tmp_path / "out", other)
    assert "A  damon.data: damon" in said and "B  other.data: damon" in said
    assert "Looked at in both: 32 KiB" in said and "colder" in said and "hotter" in said
    found = json.loads(told(capsys, "diff", tmp_path / "out", other, "--json"))
    assert (found["hot_before"], found["hot_after"], found["hot_both"]) == (2 * K, 6 * K, 0)
    assert found["alike"] == 0 and len(found["changes"]) == 2 and found["not_alike"] == []


def test_diff_says_what_else_differs(two, tmp_path, capsys):
    ours = write_ours(tmp_path / "ours", events())
    said = told(capsys, "diff", ours, two)
    assert "Not alike: tracker: A softdirty, B damon" in said
    assert "Not alike: platform: A emulated, B machine not known" in said
    assert "Compared by the offset" in said
    found = json.loads(told(capsys, "diff", two, two, "--json", "--targets", "1,2"))
    assert (found["by"], found["common"], found["only_after"]) == ("address", K, 7 * K)


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["import", "{data}", "--out", "{tmp}"], "exists and is not empty", 2),
        (["import", "{tmp}/no", "--out", "{tmp}/o"], "does not exist", 2),
        (["import", "{data}", "--out", "{tmp}/o", "--format", "memtierd"], "damon.data: line 1", 2),
        (["import", "{data}", "--out", "{tmp}/o", "--intervals", "5"], "not two numbers", 2),
        (["import", "{data}", "--out", "{tmp}/o", "--intervals", "9,5"], "not longer than", 2),
        (["report", "{data}", "--target", "3"], "there is no target 3", 2),
        (["report", "{data}", "--target", "0"], "0", 2),
        (["export", "{data}", "-o", "{data}"], "exists already, nothing is overwritten", 2),
        (["export", "{data}", "-o", "{tmp}/no/x"], "cannot be written", 2),
        (["diff", "{data}", "{data}", "--targets", "1"], "not two numbers", 2),
        (["watch", "--local", "--target", "1"], "--target chooses from an imported recording", 2),
    ],
)
def test_bad_input(arguments, words, code, two, tmp_path, capsys):
    given = [word.format(data=two, tmp=tmp_path) for word in arguments]
    assert main(["record", *given]) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_two_recordings_without_memory_in_common(two, tmp_path, capsys):
    other = write(tmp_path / "b.data", record(snapshot(0, region(99 * K, 100 * K, 1))))
    assert main(["record", "diff", str(two), str(other), "--by", "address"]) == 5
    assert "there is no memory that both looked at" in capsys.readouterr().err


def test_an_import_that_was_damaged(two, tmp_path, capsys):
    told(capsys, "import", two, "--out", tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "raw")
    assert main(["record", "report", str(tmp_path / "out")]) == 2
    assert "regions.npz: cannot be read" in capsys.readouterr().err
