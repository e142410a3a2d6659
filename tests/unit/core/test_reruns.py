"""When so many blocks were run again that a session may not be believed."""

from __future__ import annotations

import pytest

from hotkit.core.analysis import RunResult, analyse
from hotkit.core.reruns import Rerun, SessionGates, failures_by_arm, rerun_doubt


def rerun(block, attempt=0, arms=("off",)):
    return Rerun(block=block, attempt=attempt, reasons=("x",), runs_abandoned=1, arms=arms)


@pytest.mark.parametrize(
    ("reruns", "doubted"),
    [
        ([], None),
        # A quarter is not more than a quarter.
        ([rerun(0), rerun(1)], None),
        ([rerun(0), rerun(1), rerun(2)], "3 of 8 blocks failed a gate"),
        # A block that failed three times is one block.
        ([rerun(0, attempt) for attempt in range(3)], None),
        # A reboot says nothing about the runs that count.
        ([rerun(block, arms=()) for block in range(8)], None),
        # A block of which no run counts was begun, too.
        ([rerun(8), rerun(9), rerun(10)], "3 of 11 blocks failed a gate"),
    ],
)
def test_more_than_a_quarter(reruns, doubted):
    found = rerun_doubt(reruns, range(8))
    assert (found is None) if doubted is None else found.startswith(doubted)


def test_where_the_gates_failed():
    reruns = [rerun(0, arms=("damon",)), rerun(1), rerun(2, arms=("damon",)), rerun(3, arms=())]
    assert failures_by_arm(reruns) == (("damon", 2), ("off", 1))
    assert failures_by_arm([]) == ()


def test_gates_that_are_off():
    assert SessionGates(bounds={"a": False, "b": 0, "c": 5}).off == ("a",)


def test_an_analysis_keeps_them_and_doubts_only_when_they_are_many():
    runs = [
        RunResult(
            name=f"b{block}-{arm}{twin}",
            block=block,
            arm=arm,
            twin=twin,
            # Off runs that differ by turns: no A/A doubt.
            duration=1 + 0.001 * (block % 3) * (1 if twin == block % 2 else -1),
            tracker="none",
            checksum="c",
            examined=0 if arm == "off" else 100 + block,
            attempt=int(block == 1),
        )
        for block in range(6)
        for arm, twin in (("off", 0), ("off", 1), ("on", None))
    ]
    gates = SessionGates(unchecked={"throttled": "no such file"})
    found = analyse(runs, blocks=6, sesoi_fraction=0.01, reruns=[rerun(1)], gates=gates)
    assert found.trusted and found.reruns == (rerun(1),) and found.gates == gates
    found = analyse(runs, blocks=6, sesoi_fraction=0.01, reruns=[rerun(1), rerun(2)])
    assert found.untrusted == (
        "2 of 6 blocks failed a gate and were run again, more than 25 %: the machine was not quiet",
    )
