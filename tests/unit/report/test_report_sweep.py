"""The report of a sweep: verdict first, label everywhere, no figure without its unit."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hotkit.core.accuracy import Accuracy
from hotkit.core.analysis import Analysis, RunResult, analyse
from hotkit.core.labels import Label, label_of
from hotkit.report.sweep import print_sweep, progress_view, to_dict
from hotkit.report.sweep_tables import nanoseconds, p_value, percent, seconds
from hotkit.sweep.progress import Progress

UNITS = {"examined": "PTE examined", "positive": "soft-dirty page"}
NOISE = [(1, -1, 0), (-2, 1, 1), (0, 2, -1), (2, -1, 1), (-1, 0, -2), (1, 0, 1)]


@dataclass
class Result:
    analysis: Analysis
    label: Label = label_of("emulated", evidence="CPU model TCG")
    host: str = "lab-small"
    folder: Path = Path("results/first")
    manifest: dict[str, Any] = field(default_factory=lambda: {"seed": 7, "sha256": {}})
    machine: dict[str, Any] = field(default_factory=lambda: {"kernel_release": "6.1.0"})


SEEN = Accuracy(
    pages=100, hot_pages=10, found=0.9, precision=0.5, recall=0.75, f1=0.6, top=0.8, rank=0.7
)


def session(
    *,
    effect: float,
    noise: float = 0.001,
    shift: float = 0.0,
    samples: int = 1000,
    errors=(),
    unseen: int | None = None,
):
    runs = []
    for block, (a, b, x) in enumerate(NOISE):
        for arm, twin, time in (("off", 0, a), ("off", 1, b), ("softdirty", None, x)):
            on = twin is None
            runs.append(
                RunResult(
                    name=f"{block}{arm}{twin}",
                    block=block,
                    arm=arm,
                    twin=twin,
                    checksum="c",
                    tracker="softdirty" if on else "none",
                    units=UNITS,
                    duration=1 + noise * time + effect * on + shift * (twin == 0),
                    examined=samples * on * (block != unseen),
                    positive=samples // 10 * on,
                    self_cpu=0.01 * on,
                    accuracy=SEEN if on else None,
                    errors=errors if on else (),
                )  # fmt: skip
            )
    return Result(analyse(runs, blocks=6, sesoi_fraction=0.01))


def printed(result: Result, width: int = 120) -> str:
    out = io.StringIO()
    print_sweep(result, Console(file=out, width=width))
    return out.getvalue()


def test_a_sound_report():
    said = printed(session(effect=0.1))
    head, _, body = said.partition("Slow-down")
    assert "trustworthy" in head and "NOT" not in head
    assert "EMULATED: shows that a tracker works" in head
    # The label is in the title of the verdict and of each table.
    assert said.count("emulated") >= 4
    assert "ns per PTE examined" in body and "ns per soft-dirty page" in body
    assert "Against ground truth: 10 hot of 100 pages" in body
    assert "0.500" in body and "0.750" in body and "0.900" in body
    assert "results/first" in body and "seed 7" in body
    assert "not distinguishable" not in body


def test_zero_that_cannot_be_excluded_is_said_with_bound_mde_and_blocks():
    said = " ".join(printed(session(effect=0.0, noise=0.01)).split())
    assert "not distinguishable from 0" in said
    assert "upper bound" in said
    assert "the smallest effect that this sweep could see is" in said
    assert "blocks would show 1 %" in said


def test_a_negative_estimate_is_printed_as_it_is():
    result = session(effect=-0.05)
    assert "-5." in printed(result)
    assert to_dict(result)["arms"][0]["per_examined"]["differential_ns"]["estimate"] < 0


def test_an_untrusted_session_opens_so_and_shows_no_overhead_per_sample():
    said = printed(session(effect=0.1, shift=0.2))
    assert "NOT TRUSTWORTHY" in said.splitlines()[0]
    assert "ns per PTE examined" not in said
    assert "withheld" in said


def test_undefined_is_named():
    said = printed(session(effect=0.1, samples=0))
    assert "UNDEFINED" in said.splitlines()[0]
    assert "no samples" in said


@pytest.mark.parametrize("samples", [0, 1000])
def test_json_carries_label_and_units_and_is_strict(samples):
    found = to_dict(session(effect=0.1, samples=samples))
    assert found["schema_version"] == 1
    assert found["label"]["platform"] == "emulated"
    assert found["arms"][0]["per_examined"]["unit"] == "ns per PTE examined"
    json.dumps(found, allow_nan=False)


def test_live_view_shows_where_it_stands():
    progress = Progress(
        host="h", step="running", done=4, total=18, block=1, blocks=6, arm="off",
        analysis=session(effect=0.1).analysis,
    )  # fmt: skip
    out = io.StringIO()
    Console(file=out, width=100).print(progress_view(progress, 12.3))
    said = out.getvalue()
    assert "block 2/6" in said and "arm off" in said and "12 s" in said
    assert "softdirty so far: +9.98 % +9.84 % .. +10.12 %" in said and "A/A" in said


def test_figures():
    assert [seconds(0.5), seconds(0.0123), seconds(-0.2)] == ["0.500 s", "12.30 ms", "-0.200 s"]
    assert [nanoseconds(250e-9), nanoseconds(1.5e-5), nanoseconds(3.21e-9)] == [
        "250", "15,000", "3.21",
    ]  # fmt: skip
    assert percent(-0.0421) == "-4.21 %"


def test_an_arm_that_is_not_what_it_is_called_is_no_result():
    said = printed(session(effect=0.1, errors=("flush: primary, but no flush",)))
    assert "UNDEFINED" in said and "no result: flush: primary, but no flush" in said
    assert "ns per PTE examined" not in said
    (arm,) = to_dict(session(effect=0.1, errors=("x",)))["arms"]
    assert arm == {"arm": "softdirty", "tracker": "softdirty", "runs": 6, "errors": ["x"]}


def doses(*, fast: int = 4000):
    """Two settings of one tracker that differ in samples; 0.05 s fixed and 1e-5 s per sample."""
    runs = []
    for block, (a, b, x) in enumerate(NOISE):
        for arm, twin, noise, samples in (
            ("off", 0, a, 0), ("off", 1, b, 0), ("slow", None, x, 1000), ("fast", None, -x, fast),
        ):  # fmt: skip
            on = twin is None
            far = 0.5 if (block, arm) == (3, "fast") else 0.0
            runs.append(
                RunResult(
                    name=f"{block}{arm}{twin}",
                    block=block,
                    arm=arm,
                    twin=twin,
                    checksum="c",
                    tracker="damon" if on else "none",
                    units={"examined": "region check"},
                    duration=1 + 1e-3 * noise + far + (0.05 + 1e-5 * samples) * on,
                    examined=samples,
                )  # fmt: skip
            )
    return Result(analyse(runs, blocks=6, sesoi_fraction=0.01))


def test_fixed_and_per_sample_cost_drift_far_blocks_and_words_are_said():
    said = " ".join(printed(doses()).split())
    assert "Fixed and per-sample cost (emulated)" in said and "slow, fast" in said
    assert "assume a straight line" in said
    assert "drift: off runs" in said and "first 1 block(s) against the rest" in said
    assert "p (Holm)" in said and "against 1 %" in said
    assert "slow: different: there is a slow-down" in said
    assert "fast: block(s) 3 lie far from the rest (modified z above 3.5" in said
    assert "every figure above includes them; without them +9." in said
    assert "slow: block(s)" not in said


def test_settings_that_sample_alike_have_a_reason_and_no_table():
    said = " ".join(printed(doses(fast=1000)).split())
    assert "Fixed and per-sample cost (" not in said
    assert "damon (slow, fast): constant samples" in said


def test_the_word_is_whole_on_a_narrow_terminal():
    table = printed(doses(), width=78).partition("Slow-down")[2].partition("drift:")[0]
    assert "different" in table and "inconclusive" in table and "\u2026" not in table
    # Nothing is cut off at the right: every row of the table ends with its frame.
    assert all(row[-1] in "┓┃┩│┘" for row in table.splitlines()[1:-1])


def test_an_untrusted_session_claims_nothing():
    said = printed(session(effect=0.1, shift=0.2))
    for word in ("different", "equivalent", "inconclusive"):
        assert word not in said
    assert "drift: off runs" in said


def test_json_has_holm_equivalence_drift_and_doses():
    found = to_dict(doses())
    json.dumps(found, allow_nan=False)
    slow, fast = found["arms"]
    assert slow["p_holm"] == pytest.approx(2 * slow["p_t"])
    assert slow["equivalence"]["answer"] == "different"
    assert slow["equivalence"]["margin_fraction"] == 0.01
    assert slow["without_far_blocks"] is None
    assert fast["without_far_blocks"]["blocks"] == [3]
    assert found["drift"]["change_interval"][0] < found["drift"]["change_fraction"]
    (dose,) = found["dose_response"]
    assert (dose["arms"], dose["unit"]) == (["slow", "fast"], "ns per region check")
    assert dose["mean_samples"] == [1000.0, 4000.0]
    assert dose["per_sample_ns"]["estimate"] > 0
    (alike,) = to_dict(doses(fast=1000))["dose_response"]
    assert alike["fixed_s"] is None and "constant samples" in alike["undefined"]


def test_no_p_value_is_zero():
    assert [p_value(0.0), p_value(0.0009), p_value(0.001)] == ["< 0.001", "< 0.001", "= 0.001"]


def test_runs_that_saw_nothing_are_told():
    result = session(effect=0.1, unseen=2)
    said = " ".join(printed(result).split())
    assert "softdirty: examined nothing in 1 of 6 runs (block(s) 2), which every figure" in said
    assert to_dict(result)["arms"][0]["unseen_blocks"] == [2]
    assert "examined nothing" not in printed(session(effect=0.1))
