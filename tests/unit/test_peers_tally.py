"""The comparison with peers: what is counted as what, the load's trace, and the ledger of time."""

from __future__ import annotations

import pytest

from tests.peers import load, session, tally
from tests.unit.peercases import CASES


def test_false_alarms_are_counted_whichever_way_they_point():
    found = tally.tally(CASES, "identical", "hyperfine, Welch")
    assert (found.asked, found.called_different, found.backwards) == (3, 3, 1)
    assert tally.tally(CASES, "identical", "hyperfine, x ± y").called_different == 0


def test_a_refusal_is_neither_an_alarm_nor_a_find():
    alarms = tally.tally(CASES, "identical", "hotkit")
    assert (alarms.asked, alarms.called_different, alarms.refused) == (3, 0, 1)
    finds = tally.tally(CASES, "more work", "hotkit")
    assert (finds.asked, finds.different, finds.refused) == (3, 2, 1)


def test_a_difference_of_the_wrong_sign_is_not_found():
    found = tally.tally(CASES, "more work", "hyperfine, Welch", load="heavy")
    assert (found.asked, found.different, found.backwards) == (2, 1, 1)


def test_loads_and_effects_are_told_apart():
    assert tally.tally(CASES, "more work", "pyperf", load="none").different == 1
    assert tally.tally(CASES, "more work", "pyperf", effect_percent=2.0).different == 0


def test_the_interval_of_a_share():
    """Clopper and Pearson: none of 20 is at most 1 - 0.025^(1/20)."""
    low, high = tally.Tally(asked=20, different=0, backwards=0, refused=0).bounds(0)
    assert (low, high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 20)))


def test_errors_are_against_the_truth_of_each_question():
    """Of no load: 1 against 0 and 1 against 1."""
    assert tally.off_by(CASES, "hotkit", "none") == 0.5
    # |1 - 0|, |-9 - 1|, |-3 - 0| and |1 - 2|.
    assert tally.off_by(CASES, "hyperfine", "heavy") == 2.0


def test_time_is_added_up_of_sessions_that_ended_well():
    found = tally.spent(CASES, "pyperf")
    assert (found.answers, found.wall_s, found.wall_s_each, found.warned) == (6, 120.0, 20.0, 6)
    assert found.others_cpus is None


def test_the_first_twelve_sessions_have_every_load_with_every_effect():
    for first in range(0, session.SESSIONS, 12):
        pairs = [session.plan(number) for number in range(first, first + 12)]
        assert len(set(pairs)) == 9 and {pairs.count(pair) for pair in set(pairs)} == {1, 2}
        assert all(pairs.count(pair) == 2 for pair in pairs if pair[1] == 1.0)


def test_the_ledger_gives_each_tool_the_same_time():
    """Runs of 0.2 s here and 0.5 s there: from the second time on the times are the same."""
    ledger = session.Ledger(run_s=0.1)
    for tool, each in (("hotkit", 0.2), ("pyperf", 0.5)):
        for _ in range(3):
            runs = ledger.runs(tool, 18.0)
            ledger.spent(tool, runs * each, runs)
        assert ledger.runs(tool, 18.0) * each == pytest.approx(18.0)


@pytest.mark.parametrize("kind", ["light", "heavy"])
def test_a_load_is_that_of_its_seed_and_comes_and_goes(kind):
    plan = load.phases(kind, 7, 0)
    assert plan == load.phases(kind, 7, 0)
    assert plan != load.phases(kind, 8, 0) and plan != load.phases(kind, 7, 1)
    low, high = load.DUTY[kind]
    shortest, longest = load.LASTS_S
    end = 0.0
    for start, until, share in plan:
        assert shortest <= start - end <= longest and shortest <= until - start <= longest
        assert low / 2 <= share <= high
        end = until
    assert end >= load.HORIZON_S


def test_no_load_is_none():
    assert load.phases("none", 7, 0) == []
