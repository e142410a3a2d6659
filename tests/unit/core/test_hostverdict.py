"""The verdict on a host: its sentence, its JSON, and what many of them end in."""

from __future__ import annotations

import pytest

from hotkit.core.check import Verdict, judged, unknown
from hotkit.core.diagnosis import Cause
from hotkit.core.hostverdict import HostVerdict, Outcome, exit_code, verdict_from_results
from hotkit.core.labels import label_of
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


def test_what_the_suite_wrote_comes_back():
    written = {
        "outcome": "fail", "layout": {"id": "1f", "profile": "4C16G"}, "kernel_release": "6.1.0",
        "boot_id": "b", "cmdline": "quiet", "platform": "emulated", "nested": False,
        "checks": [GOOD.to_dict(), WRONG.to_dict()], "causes": [CAUSE.to_dict()],
    }  # fmt: skip
    found = verdict_from_results("m1", written)
    assert found.checks == (GOOD, WRONG) and found.causes == (CAUSE,)
    assert found.label == label_of("emulated")
    document = found.to_dict()
    assert document["layout_id"] == "1f" and document["profile"] == "4C16G"
    assert document["platform"] == "emulated" and document["memory"] is None
    assert [item["verdict"] for item in document["checks"]] == [Verdict.PASS, Verdict.FAIL]
    assert document["problem"] is None


def test_a_host_that_was_not_checked():
    assert "ended before it reached" in verdict_from_results("m1", None).sentence
    found = verdict_from_results("m1", {"outcome": "unreachable", "problem": "m1: no route"})
    assert (found.outcome, found.sentence) == (Outcome.UNREACHABLE, "m1: no route")
    assert found.to_dict()["platform"] is None


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
