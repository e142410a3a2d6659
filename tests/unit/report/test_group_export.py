"""Exports of several parts: rows of all parts, tables of what they say together."""

from __future__ import annotations

import csv
import io
import json

import pandas as pd
import pytest

from hotkit.errors import ExitCode, HotkitError
from hotkit.report.export import FORMATS
from hotkit.report.groupexport import export_group
from hotkit.report.sweep_tables import percent
from hotkit.sweep.group import load_group
from tests.unit.sweepfolders import make_group


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    """Three boots of two layouts; one part has a counter that others lack, one is not there."""
    folder = make_group(
        tmp_path_factory.mktemp("export") / "sweep", layouts=("4C16G", "36C_x"), boots=3,
        change={"tier1-36C_x-hotset-boot1": None},
    )  # fmt: skip
    journal = folder / "parts" / "tier1-4C16G-hotset-boot1" / "journal.jsonl"
    journal.write_text(journal.read_text().replace("vmstat.numa_hit", "vmstat.other"))
    return load_group(folder)


def text(group, form) -> str:
    return export_group(group, form).decode()


def test_rows_tell_which_part_they_are_of(group):
    found = list(csv.DictReader(io.StringIO(text(group, "csv"), newline="")))
    results = [part.result for part in group.parts if part.result]
    assert len(found) == sum(len(result.runs) for result in results) == 5 * 8 * 4
    kinds = {(row["host"], row["layout"], row["boot"], row["workload"]) for row in found}
    assert kinds == {
        ("tier1", layout, boot, "hotset")
        for layout, boot in [*(("4C16G", str(n)) for n in range(3)), ("36C_x", "0"), ("36C_x", "2")]
    }
    times = [run.duration for result in results for run in result.runs]
    assert [float(row["duration_s"]) for row in found] == times
    other = [row for row in found if row["counter_vmstat.other_events"]]
    assert {(row["layout"], row["boot"]) for row in other} == {("4C16G", "1")}
    assert {row["counter_vmstat.numa_hit_events"] for row in other} == {""}


def test_parquet_has_the_same(group):
    frame = pd.read_parquet(io.BytesIO(export_group(group, "parquet")))
    assert len(frame) == 5 * 8 * 4
    assert set(frame["boot"]) == {0, 1, 2} and set(frame["layout"]) == {"4C16G", "36C_x"}


def test_json_is_the_report_and_the_rows(group):
    found = json.loads(text(group, "json"))
    assert len(found["runs"]) == 5 * 8 * 4 and len(found["combined"]) == 2
    assert found["parts"][4]["reason"] == "not begun"


def test_tables_say_what_they_are_of(group):
    mean = percent(group.columns[0].arms[0].slowdown.mean)
    markdown, latex = text(group, "markdown"), text(group, "latex")
    assert "**sweep of 6 parts: NOT TRUSTWORTHY [emulated]**" in markdown
    assert f"| {mean}; +" in markdown and "3 boots; different |" in markdown
    assert "left out: tier1-36C\\_x-hotset-boot1: not begun" in markdown
    assert latex.count(r"\caption{5 of 6 parts are trustworthy: ") == latex.count(r"\begin{table}")
    labels = [line for line in latex.splitlines() if "label{" in line]
    assert len(labels) == len(set(labels)) == 3 + 3 + 1
    assert mean.replace("%", r"\%") in latex and "36C\\_x / hotset" in latex


@pytest.mark.parametrize("form", ["hyperfine", "pyperf", "benchstat"])
def test_raw_times_are_of_one_part(group, form):
    with pytest.raises(HotkitError) as caught:
        export_group(group, form)
    assert f"{form} holds the times of one part" in caught.value.message
    assert f"parts/NAME --format {form}" in caught.value.hint
    assert form in FORMATS  # of a part by itself there is one


def test_nothing_measured_is_said(tmp_path):
    none = {f"tier1-{workload}": None for workload in ("hotset", "zipf")}
    found = load_group(make_group(tmp_path / "s", workloads=("hotset", "zipf"), change=none))
    with pytest.raises(HotkitError, match="no part has a complete block") as caught:
        export_group(found, "csv")
    assert caught.value.exit_code is ExitCode.NOT_TRUSTWORTHY
    assert "nothing measured" in text(found, "markdown")
