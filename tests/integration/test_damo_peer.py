"""The real damo: it reads what we write, we read what it writes, and where it is wrong we are not.

damo needs no kernel with DAMON to read a record. The version is pinned (pyproject.toml): what it
answers stands here beside our answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from hotkit.cli import main
from hotkit.core.record import grid
from hotkit.core.regionmap import recording_of
from hotkit.core.regions import Intervals, accessed_bytes, frequency_hz
from hotkit.host.foreignrecord import read_foreign
from hotkit.report.damorecord import damo_json, packed
from tests.unit.damorecords import DATA, record, records, region, same, snapshot, trace_line, write
from tests.unit.recordings import events
from tests.unit.recordings import write as write_ours

DAMO = Path(sys.executable).with_name("damo")
K = 4096


def damo(*words: object) -> str:
    done = subprocess.run(
        [DAMO, *map(str, words)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def working_sets(path: Path) -> list[int]:
    """In bytes, of each snapshot of the record's only target, as damo tells them."""
    said = damo(
        "report", "wss", "-i", path, "--exclude_samples", 0, "--all_wss", "--raw_number",
        "--sortby", "time",
    )  # fmt: skip
    return [int(line.split()[1]) for line in said.splitlines() if not line.startswith("#")]


def heats(path: Path, *more: object) -> list[float]:
    """What damo draws, in Hz or samples."""
    said = damo("report", "heatmap", "-i", path, "--output", "raw", "--resol", 5, 2, *more)
    return [float(line.split()[2]) for line in said.splitlines() if line and line[0].isdigit()]


def convert(path: Path, form: str, to: Path) -> Path:
    damo("convert_record_format", "--record_file", path, "--format", form, "--output_file", to)
    return to


def busy(tmp_path: Path) -> Path:
    """Two dozen snapshots of regions that change, some cold, two thirds of them hot."""
    luck = np.random.default_rng(1)
    parts = []
    for number in range(24):
        cuts = np.sort(luck.choice(np.arange(1, 400), size=19, replace=False)) * K
        edges = [0x7F00_0000_0000 + int(cut) for cut in (0, *cuts, 400 * K)]
        counts = luck.choice([0, 1, 5, 20], size=20).tolist()
        ages = luck.integers(0, 30, size=20).tolist()
        rows = zip(edges[:-1], edges[1:], counts, ages, strict=True)
        parts.append(snapshot(number, *(region(*row) for row in rows)))
    return write(tmp_path / "busy.data", record(*parts))


def test_the_same_working_sets_and_heat_map_from_the_same_file(tmp_path):
    path = busy(tmp_path)
    (ours,) = read_foreign(path).targets
    assert accessed_bytes(ours).tolist() == working_sets(path)
    recording = recording_of(ours, bins=400)
    # 24 snapshots and 400 pages in cells of whole ones: there is nothing to round.
    drawn = grid(recording, recording.share, rows=2, columns=6)
    said = damo("report", "heatmap", "-i", path, "--output", "raw", "--resol", 6, 2)
    theirs = [float(line.split()[2]) for line in said.splitlines() if line and line[0].isdigit()]
    # damo draws what was before the record as well, by the age of its first regions.
    begin, end = int(ours.since_ns[0]), int(ours.at_ns[-1])
    theirs = [
        float(line.split()[2])
        for line in damo(
            "report", "heatmap", "-i", path, "--output", "raw", "--resol", 6, 2,
            "--time_range", begin, end,
        ).splitlines() if line and line[0].isdigit()
    ]  # fmt: skip
    assert drawn.T.ravel() * 200 == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("form", ["json_compressed", "json", "perf_script"])
def test_what_damo_writes_is_what_we_read(tmp_path, form):
    path = busy(tmp_path)
    (wanted,) = read_foreign(path).targets
    known = Intervals(sample_us=5000, aggr_us=100_000)
    (found,) = read_foreign(convert(path, form, tmp_path / "x"), intervals=known).targets
    for name in ("start", "end", "accesses", "age", "first"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name
    assert list(found.at_ns // 1000) == list(wanted.at_ns // 1000)


def test_there_and_back_gives_the_same_regions(tmp_path):
    """damo -> hotkit -> damo, by the command, from each of its formats."""
    path = busy(tmp_path)
    wanted = convert(path, "perf_script", tmp_path / "wanted").read_text()
    for form in ("json_compressed", "json", "perf_script"):
        source = convert(path, form, tmp_path / form)
        kept, out = tmp_path / f"{form}.kept", tmp_path / f"{form}.out"
        assert main(["record", "import", str(source), "--out", str(kept)]) == 0
        assert main(["record", "export", str(kept), "-o", str(out)]) == 0
        assert convert(out, "perf_script", tmp_path / f"{form}.again").read_text() == wanted


@given(one=records())
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damo_writes_again_what_it_read_of_ours(tmp_path, one):
    blob = b"".join(packed(damo_json([one])))
    path, again = tmp_path / "ours", tmp_path / "again"
    path.write_bytes(blob)
    (found,) = read_foreign(convert(path, "json_compressed", again)).targets
    if one.passed is None or max(one.passed) < 1024:  # of larger ones damo writes three digits
        assert same(found, one)


def test_damo_reads_a_recording_of_ours(tmp_path, capsys):
    ours, out = write_ours(tmp_path / "ours", events()), tmp_path / "out"
    assert main(["record", "export", str(ours), "-o", str(out)]) == 0
    (found,) = read_foreign(out).targets
    assert working_sets(out) == accessed_bytes(found).tolist()
    capsys.readouterr()
    assert "access_frequency" in damo("report", "heatmap", "-i", out)


def test_fault_an_inflated_heat_map(tmp_path):
    """A region that was found accessed 200 times a second, as often as it was looked at.

    damo 3.0.0 drew 1100 Hz: it counted the time back to a region's age once in each snapshot. That
    is mended; what two entries of a file say of the same memory and time still adds up.
    """
    (ours,) = read_foreign(DATA / "constant.json_compressed").targets
    recording = recording_of(ours)
    assert set(frequency_hz(ours)) == {200} and ours.most_hz == 200
    assert np.all(grid(recording, recording.share, rows=2, columns=5) == 1)
    old = (DATA / "constant-heatmap-damo-3.0.0.txt").read_text().splitlines()
    assert {float(line.split()[2]) for line in old} == {1100}
    assert set(heats(DATA / "constant.json_compressed")) == {200}

    part = record(*(snapshot(n, region(K, 9 * K, 20, n)) for n in range(50)))
    twice = write(tmp_path / "twice", part, part)
    assert max(heats(twice)) == pytest.approx(400)
    (ours,) = read_foreign(twice).targets
    recording = recording_of(ours)
    assert np.all(grid(recording, recording.share, rows=2, columns=5) == 1)


def test_fault_a_tuned_interval_is_lost(tmp_path):
    known = Intervals(sample_us=5000, aggr_us=100_000)
    (ours,) = read_foreign(DATA / "tuned.txt", intervals=known).targets
    assert list(ours.sample_us) == [5000, 5000, 80000, 80000]
    (theirs,) = json.loads(convert(DATA / "tuned.txt", "json", tmp_path / "x").read_text())
    assert [one["sample_interval_us"] for one in theirs["snapshots"]] == [None] * 4
    # What we write of it damo reads; what it then writes it takes for a thousand times as much.
    path = tmp_path / "ours"
    path.write_bytes(b"".join(packed(damo_json([ours]))))
    (theirs,) = json.loads(convert(path, "json", tmp_path / "y").read_text())
    assert [one["sample_interval_us"] for one in theirs["snapshots"]] == [
        str(us * 1000) for us in (5000, 5000, 80000, 80000)
    ]
    (again,) = read_foreign(tmp_path / "y").targets
    assert list(again.sample_us[1:2]) == [5000] and again.sample_us[3] == 80000
    hottest = max(heats(path, "--time_range", int(ours.since_ns[3]), int(ours.at_ns[3])))
    assert hottest == pytest.approx(frequency_hz(ours)[6]) == 6.25
    wrong = convert(path, "json_compressed", tmp_path / "z")
    assert max(heats(wrong, "--time_range", int(ours.since_ns[3]), int(ours.at_ns[3]))) < 0.01


def test_fault_targets_of_two_kdamonds_are_mixed(tmp_path):
    ours = read_foreign(DATA / "interleaved.txt").targets
    assert [one.regions for one in ours] == [6, 4]
    assert [list(np.diff(one.first)) for one in ours] == [[3, 3], [2, 2]]
    theirs = json.loads(convert(DATA / "interleaved.txt", "json", tmp_path / "x").read_text())
    # One target, whose snapshots hold regions of both.
    (mixed,) = theirs
    starts = [[one["start"] for one in part["regions"]] for part in mixed["snapshots"]]
    assert any({"4,096", "1,048,576"} <= set(part) for part in starts)


def test_fault_plain_json_is_refused(tmp_path):
    plain = convert(busy(tmp_path), "json", tmp_path / "plain.json")
    (ours,) = read_foreign(plain).targets
    assert ours.snapshots == 24
    kind = subprocess.run(["file", "-b", plain], capture_output=True, text=True, check=True).stdout
    said = subprocess.run(
        [DAMO, "report", "wss", "-i", plain], capture_output=True, text=True, check=False
    )
    if kind.strip() == "JSON data":  # an older or newer `file`: then damo knows what it is
        assert said.returncode == 0
    else:
        assert said.returncode != 0 or "no snapshot" in said.stdout or not said.stdout


def test_a_single_snapshot_of_a_trace(tmp_path):
    """damo makes up a second one, to say how long the first took; it is nobody's memory."""
    path = write(tmp_path / "one", record(snapshot(0, region(K, 2 * K, 3), took_ms=250)))
    trace = convert(path, "perf_script", tmp_path / "trace")
    assert "0-0: -1 -1" in trace.read_text()
    (found,) = read_foreign(trace).targets
    assert (found.snapshots, found.regions) == (1, 1)
    assert int(found.at_ns[0] - found.since_ns[0]) == 250_000_000
    assert trace_line(1, K, 2 * K, 3).split(": ", 1)[1].split(":")[0] in trace.read_text()
