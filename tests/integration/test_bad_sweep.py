"""A sweep whose load drives its off runs apart: refused first of all, and nothing is ranked.

A load that knows nothing of the schedule cannot do that, however it drifts: the order of runs is
random. So this one follows the journal of the sweep (badload.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hotkit.agent.trackers.base import complete
from hotkit.agent.trackers.uffd_wp import UffdWp
from hotkit.agent.undo import Undo
from hotkit.cli import main

ROOT = Path(__file__).resolve().parents[2]
LOAD = Path(__file__).with_name("badload.py")
RECORDED = ROOT / "tests/data/sweeps/off-runs-apart"
# What claims something, ranks, or divides by samples.
CLAIMS = (
    "ns per", "Overhead per sample (", "Pareto front", "Fixed and per-sample cost (", "equivalent",
    "different:", "inconclusive", "●",
)  # fmt: skip


def assert_refused(said: str) -> None:
    """The report of hotkit sweep or hotkit report, as printed."""
    assert "NOT TRUSTWORTHY" in said.splitlines()[0]
    assert "- the two off runs of the blocks differ by +" in said.splitlines()[1]
    assert "nothing here may be ranked" in said
    for words in CLAIMS:
        assert words not in said


def assert_refused_json(found: dict) -> None:
    assert found["trusted"] is False
    assert found["doubts"][0].startswith("the two off runs of the blocks differ by")
    assert found["a_a"]["p_t"] < 0.05 and found["a_a"]["interval_s"][0] > 0


def test_the_sweep_is_refused(tmp_path, capsys):
    """Live, on this machine: the load burns during the off runs with the label 0 only."""
    works = UffdWp(Undo(tmp_path)).probe(complete(UffdWp, {})).available
    arm = "{tracker: uffd-wp, settings: {interval_ms: 50}}" if works else "{tracker: none, name: n}"
    file, out = tmp_path / "bad.yml", tmp_path / "out"
    file.write_text(
        "schema_version: 1\nblocks: 10\nseed: 11\ngates: false\n"
        "workload: {kind: hotset, size: 4M, hot: 1M, seconds: 0.3}\n"
        f"arms: [{arm}]\n"
    )
    argv = [sys.executable, "-m", "hotkit", "sweep", file, "--local", "--out", out]
    # Ends with its standard input, and its burners with it.
    with subprocess.Popen([sys.executable, LOAD, out], stdin=subprocess.PIPE) as load:
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300)
        load.stdin.close()
    assert done.returncode == 5, done.stderr
    assert_refused(done.stdout)
    # And so it stays, however it is asked for.
    assert main(["report", str(out), "--json"]) == 5
    found = json.loads(capsys.readouterr().out)
    assert_refused_json(found)
    assert found["pareto"] is None


def test_the_recorded_sweep_is_refused_in_every_form(tmp_path, capsys):
    """The journal of such a sweep (its README says which): the same words without a machine."""
    page, figures = tmp_path / "bad.html", tmp_path / "bad.svg"
    argv = ["report", str(RECORDED), "--html", str(page), "--svg", str(figures)]
    assert main(argv) == 5
    assert_refused(capsys.readouterr().out)
    text = page.read_text()
    assert text.index("NOT TRUSTWORTHY") < text.index("<section")
    assert "Withheld: the session is not trustworthy" in text and "ns per" not in text
    assert main(["sweep", str(RECORDED), "--json"]) == 5
    assert_refused_json(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "json", "benchstat"])
def test_its_exports_say_so_too(form, capsys):
    assert main(["export", str(RECORDED), "--format", form]) == 5
    said = capsys.readouterr()
    assert "NOT TRUSTWORTHY: the two off runs" in said.err
    if form in ("markdown", "latex"):
        assert "NOT TRUSTWORTHY" in said.out and "withheld" in said.out
        assert not any(words in said.out for words in CLAIMS)


def test_without_the_blocks_labels_it_would_look_sound(capsys):
    """The tracker's runs lie between the off runs, so only the A/A comparison shows it.

    What a tool without it would say of the same times is wrong by far more than a tracker costs.
    """
    assert main(["sweep", str(RECORDED), "--json"]) == 5
    found = json.loads(capsys.readouterr().out)
    (arm,) = found["arms"]
    # The off time is the mean of both labels: the tracker would seem to make the work faster.
    assert arm["slowdown"]["estimate"] < -0.1
