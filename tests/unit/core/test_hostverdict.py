"""The verdict on a host: its sentence, its JSON, and what many of them end in."""

from __future__ import annotations

import pytest

from hotkit.core.check import Verdict, judged, unknown
from hotkit.core.diagnosis import Cause
from hotkit.core.hostverdict import HostVerdict, Outcome, exit_code, verdict_from_results
from hotkit.core.labels import label_of
from hotkit.core.memorypair import MemoryPair
from hotkit.errors import ExitCode

GOOD = judged("cpus", "0-3", "0-3", True, "4 CPUs are online")
WRONG = judged("entry", "a", "b", False, "the entry is another one")
DOUBT = unknown("iomem", "x", "", "addresses are hidden")
CAUSE = Cause(kind="stock-entry", sentence="It fell back.", advice="look at the console")


def verdict(outcome, *checks, causes=()):
    return HostVerdict(host="m1", outcome=outcome, checks=checks, causes=causes)


def test_sentences():
    assert verdict(Outcome.PASS, GOOD).sentence == "m1: 1 of 1 checks passed."
    bad = verdict(Outcome.FAIL, GOOD, WRONG, DOUBT)
    assert bad.sentence == "m1: 2 of 3 checks failed. the entry is another one"
    known = verdict(Outcome.FAIL, GOOD, WRONG, causes=(CAUSE,))
    assert known.sentence == "m1: 1 of 2 checks failed. It fell back."
    assert (verdict(Outcome.PASS, GOOD).ok, bad.ok) == (True, False)


PAIR = MemoryPair(
    host="m1", boot_id="b", layout_id="1f", profile="4C16G", kernel_release="6.1.0",
    cmdline="quiet", platform="emulated", nested=True, uptime_s=60.0, fit="exact",
    memtotal={0: (1000, 1000)}, used=(5, 4),
)  # fmt: skip
WRITTEN = {
    "outcome": "fail", "layout": {"id": "1f", "profile": "4C16G"}, "kernel_release": "6.1.0",
    "boot_id": "b", "cmdline": "quiet", "platform": "emulated", "nested": True,
    "checks": [GOOD.to_dict(), WRONG.to_dict()], "causes": [CAUSE.to_dict()],
    "memory": PAIR.to_dict(),
}  # fmt: skip


def test_what_the_suite_wrote_comes_back():
    found = verdict_from_results("m1", WRITTEN)
    assert found == HostVerdict(
        host="m1", outcome=Outcome.FAIL, layout_id="1f", profile="4C16G", kernel_release="6.1.0",
        boot_id="b", cmdline="quiet", label=label_of("emulated", nested=True),
        checks=(GOOD, WRONG), causes=(CAUSE,), memory=PAIR,
    )  # fmt: skip
    layout = {"layout_id": "1f", "profile": "4C16G"}
    assert found.to_dict() == {
        "host": "m1", "problem": None, "sentence": "m1: 1 of 2 checks failed. It fell back.",
        **layout, **{key: said for key, said in WRITTEN.items() if key != "layout"},
    }  # fmt: skip
    assert [item["verdict"] for item in found.to_dict()["checks"]] == [Verdict.PASS, Verdict.FAIL]


@pytest.mark.parametrize("memory", [{"memory": None}, {}])
def test_without_a_forecast_there_is_no_pair(memory):
    known = {key: said for key, said in WRITTEN.items() if key != "memory"}
    assert verdict_from_results("m1", known | memory).memory is None


def test_a_host_that_was_not_checked():
    problem = "m1: the suite ended before it reached this host"
    nothing = {
        "layout_id": None, "profile": None, "kernel_release": None, "boot_id": None,
        "cmdline": None, "platform": None, "nested": None, "checks": [], "causes": [],
        "memory": None,
    }  # fmt: skip
    assert verdict_from_results("m1", None).to_dict() == nothing | {
        "host": "m1", "outcome": "problem", "problem": problem, "sentence": problem,
    }  # fmt: skip
    for outcome in ("unreachable", "problem"):
        found = verdict_from_results("m1", {"outcome": outcome, "problem": "m1: no route"})
        assert found.to_dict() == nothing | {
            "host": "m1", "outcome": outcome, "problem": "m1: no route", "sentence": "m1: no route",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ("pass pass", ExitCode.OK),
        ("pass unreachable", ExitCode.UNREACHABLE),
        ("unreachable fail", ExitCode.VERDICT_FAILED),
        ("problem pass", ExitCode.VERDICT_FAILED),
        ("", ExitCode.OK),
    ],
)
def test_what_they_end_in(outcomes, code):
    verdicts = [verdict(Outcome(word)) for word in outcomes.split()]
    assert exit_code(verdicts) is code
