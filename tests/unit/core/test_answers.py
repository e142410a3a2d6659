"""Hosts asked at once: who answered, what stands in JSON, what a doctor's visit ends in."""

from __future__ import annotations

import pytest

from hotkit.core.answer import Answer, all_answered
from hotkit.core.examination import Examination, GuestFindings, HostFindings, VmFindings
from hotkit.core.gravity import fine, problem, warning
from hotkit.core.labels import label_of
from hotkit.core.trackermatrix import HostTrackers, Verdict, verdicts_of
from hotkit.errors import ExitCode

MACHINE = {
    "platform": "virtual", "nested": True, "platform_evidence": "KVM", "kernel_release": "6.1.0",
}  # fmt: skip
THERE = Answer(host="a", machine=MACHINE)
SILENT = Answer(host="b", problem="no route", advice="plug it in")
DOWN = Answer(host="c", running=False)


def test_what_every_json_of_a_host_carries():
    assert THERE.to_dict() == {
        "host": "a", "running": True, "answered": True, "problem": None, "advice": None,
        "platform": "virtual", "nested": True, "platform_evidence": "KVM",
        "kernel_release": "6.1.0",
    }  # fmt: skip
    said = SILENT.to_dict()
    assert (said["answered"], said["problem"], said["advice"]) == (False, "no route", "plug it in")
    assert said["platform"] is said["nested"] is said["kernel_release"] is None


@pytest.mark.parametrize(
    ("answers", "all_of_them"),
    [
        ([THERE], True),
        ([THERE, DOWN], True),  # a machine of the lab that nobody started is no failure
        ([THERE, SILENT], False),
        ([DOWN], False),
        ([], False),
    ],
)
def test_whether_all_answered(answers, all_of_them):
    assert all_answered(answers) is all_of_them


def test_a_column_of_the_matrix_has_the_order_of_the_names():
    events = [
        {"tracker": "perf", "available": False, "reason": "no PMU", "fix": "metal"},
        {"tracker": "damon", "available": True, "reason": None, "fix": None},
        {"tracker": "new", "available": True, "reason": None, "fix": None},
    ]
    verdicts = verdicts_of(events, ["damon", "idle", "perf"])
    assert list(verdicts) == ["damon", "perf"]
    assert verdicts["perf"] == Verdict(available=False, reason="no PMU", fix="metal")
    document = HostTrackers(answer=THERE, verdicts=verdicts).to_dict()
    assert document["host"] == "a"
    assert document["trackers"] == {
        "damon": {"available": True, "reason": None, "fix": None},
        "perf": {"available": False, "reason": "no PMU", "fix": "metal"},
    }


BAD, ODD, WELL = problem("a", "bad", "mend it"), warning("b", "odd", "look"), fine("c", "well")


def visit(*, controller=(), host=(), vms=None, answer=THERE):
    found = HostFindings(answer=answer, findings=host, vms=vms)
    return Examination(controller=controller, hosts=(found,))


def of_a_guest(*findings):
    guest = GuestFindings(name="g1", state="running", label=label_of("virtual"), findings=findings)
    return VmFindings(findings=(ODD,), guests=(guest,))


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (visit(host=(ODD, WELL)), ExitCode.OK),
        (visit(vms=of_a_guest(WELL)), ExitCode.OK),
        (visit(host=(BAD,)), ExitCode.VERDICT_FAILED),
        (visit(controller=(BAD,)), ExitCode.VERDICT_FAILED),
        (visit(vms=of_a_guest(BAD)), ExitCode.VERDICT_FAILED),
        (visit(vms=VmFindings(findings=(BAD,), guests=())), ExitCode.VERDICT_FAILED),
        (visit(answer=SILENT, controller=(BAD,)), ExitCode.UNREACHABLE),
    ],
)
def test_how_a_visit_ends(found, code):
    assert found.exit_code is code


def test_a_visit_as_json():
    (host,) = visit(host=(WELL,), vms=of_a_guest(BAD)).hosts
    document = host.to_dict()
    well = {"gravity": "fine", "code": "c", "sentence": "well", "fix": None}
    assert document["findings"] == [well]
    (guest,) = document["guests"]["each"]
    assert (guest["guest"], guest["state"], guest["platform"]) == ("g1", "running", "virtual")
    assert guest["findings"][0]["gravity"] == "problem"
    assert document["guests"]["findings"][0]["code"] == "b"
    (unasked,) = visit(host=(WELL,)).hosts
    assert "guests" not in unasked.to_dict()
    silent = GuestFindings(name="g", state="down", label=None, findings=()).to_dict()
    assert silent["platform"] is silent["nested"] is None


def test_what_scripts_read_of_a_guest_is_all_there():
    (host,) = visit(vms=of_a_guest(WELL)).hosts
    assert host.to_dict()["guests"] == {
        "findings": [{"gravity": "warning", "code": "b", "sentence": "odd", "fix": "look"}],
        "each": [
            {
                "guest": "g1", "state": "running", "platform": "virtual", "nested": False,
                "findings": [{"gravity": "fine", "code": "c", "sentence": "well", "fix": None}],
            }
        ],
    }  # fmt: skip
