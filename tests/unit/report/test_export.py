"""Exports: what goes out comes back the same, with its label; the peers' tools load it."""

from __future__ import annotations

import csv
import io
import json
import re
import statistics
import sys

import pandas as pd
import pyperf
import pytest

from hotkit.errors import HotkitError
from hotkit.report.export import FORMATS
from hotkit.report.exporttables import _tex, escape_markdown
from hotkit.sweep.report import read_sweep
from tests.unit.sweepfolders import FAST, IDLE, SLOW, SOFTDIRTY, make_sweep


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "sweep"
    return read_sweep(make_sweep(folder, arms=(SOFTDIRTY, IDLE, SLOW, FAST)))


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory):
    return read_sweep(make_sweep(tmp_path_factory.mktemp("export") / "sweep", shift=0.2))


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """The arm softdirty moved pages, so it has no result."""
    folder = make_sweep(tmp_path_factory.mktemp("export") / "sweep")
    journal = folder / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for event in lines:
        if event["type"] == "counter" and "softdirty" in event["run"]:
            event["deltas"]["vmstat.pgpromote_success"] = 3
    journal.write_text("".join(json.dumps(event) + "\n" for event in lines))
    return read_sweep(folder)


def text(form, result) -> str:
    return FORMATS[form](result).decode()


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "parquet"])
def test_every_export_carries_the_label_and_is_the_same_twice(sound, form):
    said = text(form, sound)
    assert "emulated" in said
    assert text(form, sound) == said


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "parquet"])
def test_every_export_of_an_untrusted_session_says_so(untrusted, form):
    said = text(form, untrusted)
    flags = ("NOT TRUSTWORTHY", "NO: nothing here may be ranked", '"trusted": false', ",false,7,")
    assert any(flag in said for flag in flags)
    if form in ("markdown", "latex"):
        assert "withheld" in said
        for word in ("ns per", "different", "equivalent", "inconclusive"):
            assert word not in said


def test_csv_comes_back_exactly(sound):
    found = list(csv.DictReader(io.StringIO(text("csv", sound), newline="")))
    assert len(found) == len(sound.runs) == 8 * 6
    for row, run in zip(found, sound.runs, strict=True):
        assert (row["run"], row["arm"], row["block"]) == (run.name, run.arm, str(run.block))
        assert float(row["duration_s"]) == run.duration
        assert int(row["examined_count"]) == run.examined
        assert int(row["counter_vmstat.pgfault_events"]) == run.deltas["vmstat.pgfault"]
        assert row["off_twin"] == ("" if run.twin is None else str(run.twin))
        assert row["block_complete"] == "true" and row["platform"] == "emulated"
        assert row["accuracy_top"] == (str(run.accuracy.top) if run.accuracy else "")
    # The analysis again, from the rows alone.
    off = [float(row["duration_s"]) for row in found if row["arm"] == "off"]
    assert statistics.fmean(off) == pytest.approx(sound.analysis.off_mean, rel=1e-12)
    fast = next(row for row in found if row["arm"] == "fast")
    assert json.loads(fast["settings"]) == {"sample_us": 5000}
    assert fast["examined_unit"] == "region check"


def test_parquet_holds_what_csv_holds(sound):
    frame = pd.read_parquet(io.BytesIO(FORMATS["parquet"](sound)))
    header = text("csv", sound).splitlines()[0].split(",")
    assert list(frame.columns) == header
    assert list(frame["duration_s"]) == [run.duration for run in sound.runs]
    assert set(frame["platform"]) == {"emulated"} and not frame["nested"].any()
    # Whole numbers stay whole, though only the off runs have a twin.
    assert str(frame["off_twin"].dtype) == "Int64"
    assert frame["off_twin"].notna().sum() == 16


def test_parquet_without_pyarrow_is_one_sentence(sound, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(HotkitError, match="parquet needs pyarrow") as caught:
        FORMATS["parquet"](sound)
    assert "hotkit[parquet]" in caught.value.hint


def test_a_block_that_was_cut_off_is_marked(tmp_path):
    result = read_sweep(make_sweep(tmp_path / "s", cut_after=7 * 4 + 1))
    found = list(csv.DictReader(io.StringIO(text("csv", result), newline="")))
    assert [row["block_complete"] for row in found] == ["true"] * 28 + ["false"]


def test_json_has_report_and_runs(sound):
    found = json.loads(text("json", sound))
    assert len(found["runs"]) == 48 and found["trusted"] is True
    assert found["runs"][0]["platform"] == found["label"]["platform"] == "emulated"


def test_hyperfine_has_one_result_per_arm_in_the_order_of_the_session(sound):
    found = json.loads(text("hyperfine", sound))
    by_arm = {result["parameters"]["arm"]: result for result in found["results"]}
    assert set(by_arm) == {"off", "softdirty", "idle", "slow", "fast"}
    for arm, result in by_arm.items():
        times = [run.duration for run in sound.runs if run.arm == arm]
        assert result["times"] == times
        assert result["mean"] == pytest.approx(statistics.fmean(times))
        assert (result["min"], result["max"]) == (min(times), max(times))
        assert len(result["exit_codes"]) == len(times) == (16 if arm == "off" else 8)
        # hyperfine's parameters are texts.
        assert all(isinstance(value, str) for value in result["parameters"].values())
        assert (result["parameters"]["label"], result["parameters"]["seed"]) == ("emulated", "7")
    assert "unpaired" in found["hotkit"]["note"]


def test_pyperf_loads_it(sound, tmp_path):
    file = tmp_path / "sweep.json"
    file.write_text(text("pyperf", sound))
    suite = pyperf.BenchmarkSuite.load(str(file))
    assert suite.get_benchmark_names() == [
        "off", *dict.fromkeys(run.arm for run in sound.runs if run.arm != "off")
    ]  # fmt: skip
    for name in suite.get_benchmark_names():
        bench = suite.get_benchmark(name)
        times = [run.duration for run in sound.runs if run.arm == name]
        assert list(bench.get_values()) == times
        assert bench.mean() == pytest.approx(statistics.fmean(times))
        metadata = bench.get_metadata()
        assert metadata["unit"] == "second" and metadata["hotkit_label"] == "emulated"
        assert "unpaired" in metadata["hotkit_note"]


def test_pyperf_takes_no_time_of_zero(sound):
    from dataclasses import replace

    runs = (replace(sound.runs[0], duration=0.0), *sound.runs[1:])
    with pytest.raises(HotkitError, match="a run of 0 s"):
        FORMATS["pyperf"](replace(sound, runs=runs))


def test_benchstat_text_has_the_form_of_go(sound):
    lines = text("benchstat", sound).splitlines()
    head = [line for line in lines if not line.startswith("Benchmark")]
    # golang.org/design/14313-benchmark-format: a key begins with a lower-case letter, has no space.
    assert all(re.fullmatch(r"[a-z][^\sA-Z]*: .*\S", line) for line in head)
    assert {"goarch: amd64", "label: emulated", "trusted: yes"} <= set(head)
    runs = [line for line in lines if line.startswith("Benchmark")]
    form = r"BenchmarkHotset/arm=(\S+)-2 1 (\d+) ns/op( \d+ examined/op)?"
    found = [re.fullmatch(form, line) for line in runs]
    assert all(found) and len(runs) == 48
    off = [int(match[2]) for match in found if match and match[1] == "off"]
    assert off == [round(1e9 * run.duration) for run in sound.runs if run.arm == "off"]


@pytest.mark.parametrize("form", ["hyperfine", "pyperf", "benchstat"])
def test_an_arm_without_result_is_left_out_by_name(broken, form):
    said = text(form, broken)
    assert "softdirty (3 pages were promoted" in said
    assert "b00-001-softdirty" not in said and "arm=softdirty" not in said
    assert said.count('"softdirty"') == 0


def test_markdown_rows_have_as_many_cells_as_the_header(sound):
    said = text("markdown", sound)
    assert said.startswith("**sweep on tier1: trustworthy [emulated]**\n")
    blocks = re.findall(r"(?:^\|.*\n)+", said, re.MULTILINE)
    assert len(blocks) == 4
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert said.count("(emulated)") == 4
    estimate = sound.analysis.arms[0].slowdown.estimate
    assert f"{100 * estimate:+.2f} %" in said


def test_latex_is_balanced_and_booktabs(sound):
    said = text("latex", sound)
    assert said.count(r"\begin{table}") == said.count(r"\end{table}") == 4
    assert said.count(r"\toprule") == said.count(r"\bottomrule") == 4
    for shape, body in re.findall(
        r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", said, re.DOTALL
    ):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(shape)}
        assert not re.search(r"(?<!\\)%", body)
    assert all("(emulated)" in caption for caption in re.findall(r"\\caption\{.*\}", said))


def test_latex_of_an_untrusted_session_says_so_in_each_caption(untrusted):
    captions = re.findall(r"\\caption\{(.*)\}", text("latex", untrusted))
    assert captions and all(caption.startswith("NOT TRUSTWORTHY: ") for caption in captions)


def test_escapes():
    assert _tex(r"a_b 5 % & {x} -1.2 .. 3 <\ $") == (
        r"a\_b 5 \% \& \{x\} $-$1.2 to 3 $<$\textbackslash{} \$"
    )
    assert _tex("b-2 idle-flush") == "b-2 idle-flush"
    assert escape_markdown("a|b_c <x>") == r"a\|b\_c \<x\>"
