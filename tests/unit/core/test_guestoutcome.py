"""What `hotkit guest` makes of what agents told: exit codes, and the JSON of a guest."""

import pytest

from hotkit.core.guestoutcome import asleep, exit_code, told, untold
from hotkit.core.guestspec import guests_from
from hotkit.errors import ExitCode

(G1,) = guests_from([{"name": "g1", "disk": "/srv/g1.img"}])
MACHINE = {
    "platform": "emulated", "nested": True, "platform_evidence": "TCG",
    "kernel_release": "6.1.0-hotkit",
}  # fmt: skip
EVENT = {
    "name": "g1", "act": "status", "changed": False, "state": "running", "said": [],
    "problems": [], "pid": 328, "ssh": True, "machine": MACHINE, "since_s": 12.5,
}  # fmt: skip
WELL = told("tier1", G1, EVENT)
DIED = told("tier1", G1, EVENT | {"state": "died", "problems": ["guest g1 died"], "pid": None})
SILENT = untold("tier2", G1, "no route", answered=False)
ASLEEP = asleep("lab-x", G1)


@pytest.mark.parametrize(
    ("outcomes", "act", "code"),
    [
        ([WELL], "status", ExitCode.OK),
        ([WELL, DIED], "status", ExitCode.VERDICT_FAILED),
        ([told("tier1", G1, EVENT | {"state": "hangs"})], "status", ExitCode.VERDICT_FAILED),
        ([told("tier1", G1, EVENT | {"state": "down"})], "status", ExitCode.OK),
        ([DIED, SILENT], "status", ExitCode.UNREACHABLE),
        ([untold("tier1", G1, "no QEMU")], "up", ExitCode.VERDICT_FAILED),
        ([WELL, SILENT], "status", ExitCode.UNREACHABLE),
        ([WELL, DIED, ASLEEP], "down", ExitCode.VERDICT_FAILED),
        # A machine of the lab that is not started is no failure, but nobody's answer is none.
        ([WELL, ASLEEP], "status", ExitCode.OK),
        ([WELL, ASLEEP], "down", ExitCode.OK),
        ([WELL, ASLEEP], "up", ExitCode.UNREACHABLE),
        ([ASLEEP], "status", ExitCode.UNREACHABLE),
    ],
)
def test_exit_codes(outcomes, act, code):
    assert exit_code(outcomes, act) is code


def test_json_of_a_guest():
    well = told("tier1", G1, EVENT).to_dict()
    assert well == {
        "host": "tier1", "guest": "g1", "about": "QEMU, 512 MiB, 1 CPU, backing 4k",
        "host_runs": True, "host_answered": True, "state": "running", "changed": False,
        "said": [], "problems": [], "advice": None, "pid": 328, "ssh": True, "since_s": 12.5,
        "platform": "emulated", "nested": True, "platform_evidence": "TCG",
        "kernel_release": "6.1.0-hotkit",
    }  # fmt: skip
    told_nothing = {
        "state": None, "pid": None, "ssh": False, "since_s": None, "platform": None, "nested": None,
        "platform_evidence": None, "kernel_release": None,
    }  # fmt: skip
    assert asleep("lab-x", G1).to_dict() == well | told_nothing | {
        "host": "lab-x", "host_runs": False, "host_answered": False,
        "problems": ["its host does not run"], "advice": "hotkit lab up lab-x",
    }  # fmt: skip
    silent = untold("tier2", G1, "no route", answered=False)
    assert silent.to_dict() == well | told_nothing | {
        "host": "tier2", "host_answered": False, "problems": ["no route"],
    }  # fmt: skip
    found = untold("tier2", G1, "no QEMU", "install it")
    assert found.to_dict() == well | told_nothing | {
        "host": "tier2", "problems": ["no QEMU"], "advice": "install it",
    }  # fmt: skip


def test_what_the_agent_did_and_said_is_kept():
    event = EVENT | {"changed": 1, "said": ["started", "answers"], "problems": ["slow"], "ssh": 0}
    found = told("tier1", G1, event).to_dict()
    assert (found["said"], found["problems"]) == (["started", "answers"], ["slow"])
    assert found["changed"] is True and found["ssh"] is False


def test_a_guest_that_told_nothing_of_itself_has_no_label():
    found = told(
        "tier1", G1, {key: EVENT[key] for key in EVENT if key != "since_s"} | {"machine": None}
    )
    assert found.label is None and found.since_s is None and found.well
