"""Blocks that were run again: every report and export shows them, with their reasons."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from hotkit.report.export import FORMATS
from hotkit.report.sweep import print_sweep
from hotkit.report.sweephtml import html
from hotkit.report.sweepreport import report_dict
from hotkit.sweep.report import read_sweep
from tests.unit.sweepfolders import SOFTDIRTY, make_sweep

# In the words of a knob, to see that nothing of it becomes markup.
REASON = "knob thp is '[always] madvise', and was 'always [madvise]' when the session began"
# With it the two off runs look alike.
SEED = 8
UNCHECKED = {"throttled": "no cpu*/thermal_throttle"}


def spoil(folder: Path, blocks: int) -> Path:
    """The first blocks failed a gate at their last run; all runs of that took thrice as long."""
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    plan = json.loads((folder / "manifest.json").read_text())["schedule"]["runs"]
    block_of = {run["run"]: run["block"] for run in plan}
    bounds = {"throttled": 0, "knobs": True, "swap_pages": False}
    found = [{"v": 1, "type": "gates", "unchecked": UNCHECKED, "bounds": bounds}]
    for block in sorted(set(block_of.values())):
        # hello and the like stay where they are: before the first run.
        members = [it for it in lines if block_of.get(it.get("run"), -block - 1) == block]
        if block < blocks:
            last = next(run for run in reversed(plan) if run["block"] == block)
            found += [_thrice(it) for it in members]
            found.append(
                {"v": 1, "type": "gate", "run": last["run"], "block": block, "attempt": 0,
                 "when": "after", "problems": [REASON]}
            )  # fmt: skip
            members = [{**it, "attempt": 1} for it in members]
        found += members
    # Numbered anew where the events of an agent are numbered.
    told = [{**it, "seq": number} for number, it in enumerate(found)]
    (folder / "journal.jsonl").write_text("".join(json.dumps(it) + "\n" for it in told))
    return folder


def _thrice(event):
    slow = 3 * event.get("duration_ns", 0)
    return {**event, "duration_ns": slow} if slow else event


def make(folder: Path, blocks: int):
    return read_sweep(spoil(make_sweep(folder, arms=(SOFTDIRTY,), seed=SEED), blocks))


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return make(tmp_path_factory.mktemp("gates") / "s", 2)


@pytest.fixture(scope="module")
def all_well(tmp_path_factory):
    return read_sweep(
        make_sweep(tmp_path_factory.mktemp("gates") / "s", arms=(SOFTDIRTY,), seed=SEED)
    )


def printed(result) -> str:
    out = io.StringIO()
    print_sweep(result, Console(file=out, width=200, highlight=False))
    return out.getvalue()


def test_the_figures_are_those_of_the_last_attempts(two, all_well):
    """They have the times of the sweep in which nothing was run again."""
    assert len(two.runs) == len(all_well.runs) == 24
    assert two.analysis.arms == all_well.analysis.arms and two.analysis.trusted
    assert [run.attempt for run in two.runs] == [int(run.block < 2) for run in two.runs]


def test_the_terminal_shows_blocks_reasons_and_gates(two):
    said = printed(two)
    assert "Blocks that were run again (emulated)" in said
    for words in (
        f"after it: {REASON}",
        "gates: 6 runs of blocks that were run again are in the journal and in no figure",
        "gates: failed by arm of the run: ",
        "gates: not checked on this machine: throttled (no cpu*/thermal_throttle)",
        "gates: switched off in the description: swap_pages",
    ):
        assert words in said


def test_nothing_is_said_when_there_is_nothing(all_well):
    assert "gates:" not in printed(all_well) and "run again (" not in printed(all_well)
    assert 'id="gates"' not in html(all_well)
    assert "again (" not in FORMATS["markdown"](all_well).decode()
    found = report_dict(all_well)
    assert (found["reruns"], found["gates"]) == ([], None)


def test_a_terminal_is_not_flooded(tmp_path):
    result = make(tmp_path / "s", 8)
    shown = [line for line in printed(result).splitlines() if "after it: knob thp" in line]
    assert len(shown) == 8
    folder = spoil(make_sweep(tmp_path / "long", arms=(SOFTDIRTY,), blocks=20), 12)
    said = printed(read_sweep(folder))
    assert said.count("after it: knob thp") == 8 and "and 4 more: hotkit report --json" in said
    assert html(read_sweep(folder)).count("after it: knob thp") == 12


def test_many_are_a_reason_not_to_trust(tmp_path):
    result = make(tmp_path / "s", 3)
    assert "NOT TRUSTWORTHY" in printed(result).splitlines()[0]
    assert "3 of 8 blocks failed a gate and were run again, more than 25 %" in printed(result)
    assert result.exit_code == 5


def test_html_has_a_section(two):
    page = html(two)
    section = page[page.index('<section id="gates"') :]
    section = section[: section.index("</section>")]
    assert "Blocks that were run again (emulated)" in section
    assert "[always] madvise" in section and "no cpu*/thermal_throttle" in section


def test_json_has_all_of_it(two):
    found = report_dict(two)
    assert [(it["block"], it["attempt"], it["runs_abandoned"]) for it in found["reruns"]] == [
        (0, 0, 3), (1, 0, 3),
    ]  # fmt: skip
    assert found["reruns"][0]["reasons"][0].endswith(REASON)
    assert found["reruns"][0]["arms"][0] in ("off", "softdirty")
    assert found["gates"]["unchecked"] == UNCHECKED
    assert found["gates"]["bounds"]["throttled"] == 0


def test_csv_has_attempt_and_reasons(two):
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](two).decode(), newline="")))
    for row in rows:
        again = int(row["block"]) < 2
        assert row["attempt"] == str(int(again))
        assert row["block_rerun_reasons"].startswith("attempt 0: b0") == again
        assert (REASON in row["block_rerun_reasons"]) == again


def test_markdown_and_latex(two):
    said = FORMATS["markdown"](two).decode()
    table = said[said.index("Blocks that were run again (emulated)") :].splitlines()
    assert table[2:4] == ["| block | attempt | runs put aside | why |", "|---:|---:|---:|:---|"]
    assert table[4].startswith("| 0 | 0 | 3 | b0")
    assert "- gates: not checked on this machine: throttled (no cpu\\*/thermal\\_throttle)" in said
    comments = [row for row in FORMATS["latex"](two).decode().splitlines() if row.startswith("%")]
    assert any(row.startswith("% block 1, attempt 0: b01-") for row in comments)
    assert any("not checked on this machine" in row for row in comments)
