"""hotkit, hyperfine and pyperf asked the same under load: a short form of the campaign peers.

How often each is right takes many sessions, and chance is in every one: docs/peers.md. What holds
in one session is held here: four times the work is found, and all of the answers are there.
"""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest

from tests.peers import load, session, tally

pytestmark = pytest.mark.soak

RUN_S = 0.03
BUDGET_S = 2.5


@pytest.fixture(scope="module")
def found():
    """One session: a heavy load, and four times the work for the second question."""
    units = session.units_of(RUN_S)
    return session.session(11, "heavy", 300.0, units, BUDGET_S, session.Ledger(RUN_S))


def test_all_three_answer_both_questions(found):
    assert found["ok"], found.get("error")
    assert found["label"] in ("metal", "virtual", "emulated")
    assert len(set(found["order"])) == 6
    assert found["units_more"] == 4 * found["units"]
    for question in session.QUESTIONS:
        assert set(found["answers"][question]) == {"hotkit", "hyperfine", "pyperf"}
        for tool, said in found["answers"][question].items():
            assert said["verdict"] in ("different", "alike", "refused"), tool
            assert said["verdict"] != "refused" or (tool == "hotkit" and said["doubts"])
            assert 0 < said["timed_s"] < said["wall_s"], tool
            assert said["timed_runs"] >= (18 if tool == "hotkit" else 4), tool
            json.dumps(said)


@pytest.mark.parametrize("tool", ["hotkit", "hyperfine", "pyperf"])
def test_four_times_the_work_is_found(found, tool):
    """By each. hotkit refuses one sound session in twenty: then its p has found it all the same."""
    said = found["answers"]["more work"][tool]
    assert said["change_percent"] > 100
    assert said["verdict"] == "different" or (said["verdict"] == "refused" and said["p"] < 0.05)


def test_the_session_can_be_tallied(found):
    for rule in tally.RULES:
        asked = [tally.tally([found], question, rule).asked for question in session.QUESTIONS]
        assert asked == [1, 1]


def test_the_work_is_the_same_in_every_run_and_grows_with_its_units():
    def output(units):
        return subprocess.run([session.program(), units], capture_output=True, text=True).stdout

    assert output("2000") == output("2000") != output("2001")
    bad = subprocess.run([session.program(), "many"], capture_output=True, text=True)
    assert bad.returncode == 2 and "number of units" in bad.stderr


def test_the_load_takes_cpu_time_and_leaves_nothing_behind():
    """Of this seed the second burner takes 0.4 of its CPU from the first second to the fifth."""
    before = children_s()
    with load.background("heavy", 6):
        time.sleep(3.5)
    assert children_s() - before > 0.2
    before = children_s()
    with load.background("none", 6):
        pass
    assert children_s() == before


def children_s():
    """CPU time of the children that are gone."""
    times = os.times()
    return times.children_user + times.children_system
