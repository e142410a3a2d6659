"""`hotkit report` on the terminal and as JSON: what it adds to the report of a sweep."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from hotkit.core.counters import counters_moved
from hotkit.core.pareto import front, places
from hotkit.core.stats import Interval
from hotkit.host.sweepspec import load_sweep_spec
from hotkit.report.forest import ForestRow, forest_lines
from hotkit.report.sweepreport import print_report, report_dict
from hotkit.sweep.report import read_sweep
from tests.unit.sweepfolders import FAST, IDLE, SLOW, SOFTDIRTY, make_sweep


def printed(result, width: int = 120) -> str:
    out = io.StringIO()
    print_report(result, Console(file=out, width=width, highlight=False))
    return out.getvalue()


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full") / "sweep"
    return read_sweep(make_sweep(folder, arms=(SOFTDIRTY, IDLE, SLOW, FAST)))


def test_everything_is_said_in_order_with_the_label(sound):
    said = printed(sound)
    parts = [
        "trustworthy [emulated]", "Slow-down against off,", "Overhead per sample (emulated)",
        "Slow-down against off, 95 % intervals (emulated)",
        "ns per PTE examined, 95 % intervals (emulated)", "Accuracy against cost (emulated)",
        "Counters that moved, mean per run, on against off (emulated)", "Environment (emulated)",
        "To run it again (emulated)",
    ]  # fmt: skip
    places_of = [said.index(part) for part in parts]
    assert places_of == sorted(places_of)
    assert "always [madvise] never" in said
    # A command is one line, so that it can be copied, however narrow the terminal.
    narrow = printed(sound, width=60)
    assert "hotkit sweep again.yml --inventory '/srv/my lab' --limit tier1 --out again\n" in narrow


def test_an_untrusted_sweep_has_no_forest_and_no_front(tmp_path):
    result = read_sweep(make_sweep(tmp_path / "s", shift=0.2))
    said = printed(result)
    assert "NOT TRUSTWORTHY" in said.splitlines()[0]
    assert "●" not in said and "Pareto" not in said and "ns per PTE" not in said
    assert report_dict(result)["pareto"] is None


def test_the_front_is_of_those_that_nobody_beats_in_both():
    assert front([(1, 0.5), (2, 0.9), (3, 0.8), (1, 0.5), (0.5, 0.1)]) == (
        True, True, False, True, True,
    )  # fmt: skip
    assert front([]) == ()
    # As accurate and dearer, as cheap and less accurate: beaten.
    assert front([(1, 0.5), (2, 0.5)]) == (True, False)
    assert front([(1, 0.5), (1, 0.4)]) == (True, False)


def test_places_of_a_sweep(sound):
    found = {place.arm: place.on_front for place in places(sound.analysis)}
    # slow costs 2 % and sees 0.6; softdirty 5 %, 0.9; fast 6 %, 0.8; idle 10 %, 0.5.
    assert found == {"slow": True, "softdirty": True, "fast": False, "idle": False}


def test_counters_that_moved_and_no_others(sound):
    moved = counters_moved(sound.runs)
    assert set(moved) == {"softdirty", "idle", "slow", "fast"}
    for changes in moved.values():
        first = changes[0]
        assert (first.counter, first.unit, first.blocks) == ("vmstat.pgfault", "events", 8)
        assert first.change == pytest.approx(1000, abs=5) and first.off < 5
        assert first.interval and first.interval.low < first.change < first.interval.high
        assert "steal_ns" not in [change.counter for change in changes]


def test_forest_shows_zero_margin_and_where_an_interval_goes_on():
    rows = [
        ForestRow(name="a", estimate=1.0, interval=Interval(low=0.5, high=1.5)),
        ForestRow(name="wide", estimate=2.0, interval=Interval(low=-900.0, high=900.0)),
    ]
    first, second, axis = forest_lines(rows, width=60, form=str, margin=0.1)
    assert first.startswith("a     ") and second.startswith("wide  ")
    assert first.index("├") < first.index("●") < first.index("┤")
    assert "│" in first and "┊" in first and first.index("│") < first.index("├")
    assert "◄" in second and "►" in second
    assert max(len(first), len(second), len(axis)) <= 60
    assert first.index("●") < second.index("●")
    assert forest_lines([], width=60, form=str) == []


def test_a_single_estimate_of_zero_can_be_drawn():
    row = ForestRow(name="a", estimate=0.0, interval=Interval(low=0.0, high=0.0))
    assert "●" in forest_lines([row], width=40, form=str)[0]


def test_json_adds_front_counters_environment_and_commands(sound):
    found = report_dict(sound)
    json.dumps(found, allow_nan=False)
    assert found["trusted"] and found["label"]["platform"] == "emulated"
    assert [place["arm"] for place in found["pareto"]] == ["slow", "softdirty", "fast", "idle"]
    assert found["counters"]["idle"][0]["counter"] == "vmstat.pgfault"
    assert found["environment"]["command line"].endswith("memmap=1G$4G")
    again = found["reproduce"]
    assert again["schedule_agrees"] is True and len(again["commands"]) == 3


def test_the_description_of_a_manifest_is_a_description_again(sound, tmp_path):
    """The first command writes it: JSON, which is YAML."""
    file = tmp_path / "again.yml"
    file.write_text(json.dumps(report_dict(sound)["reproduce"]["description"], indent=1))
    spec = load_sweep_spec(file)
    assert (spec.seed, spec.blocks) == (7, 8)
    assert [arm.name for arm in spec.named_arms()] == ["softdirty", "idle", "slow", "fast"]


def test_a_schedule_that_was_changed_is_noticed(tmp_path):
    folder = make_sweep(tmp_path / "s", local=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["schedule"]["calibrate_ms"] = 5
    (folder / "manifest.json").write_text(json.dumps(manifest))
    said = printed(read_sweep(folder))
    assert "RECOMPUTED: NOT THE SAME" in said
    assert "hotkit sweep again.yml --local --out again" in said
