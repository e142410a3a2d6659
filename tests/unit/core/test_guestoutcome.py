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
    found = WELL.to_dict()
    assert found["platform"] == "emulated" and found["nested"] and found["state"] == "running"
    assert (found["kernel_release"], found["since_s"], found["pid"]) == ("6.1.0-hotkit", 12.5, 328)
    assert found["host_answered"] and found["host_runs"]
    found = ASLEEP.to_dict()
    assert found["platform"] is None and found["state"] is None
    assert not found["host_answered"] and not found["host_runs"]
    assert found["advice"] == "hotkit lab up lab-x"


def test_a_guest_that_told_nothing_of_itself_has_no_label():
    found = told(
        "tier1", G1, {key: EVENT[key] for key in EVENT if key != "since_s"} | {"machine": None}
    )
    assert found.label is None and found.since_s is None and found.well
