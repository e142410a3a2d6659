"""Sweeps side by side, with figures by hand: every cell and every sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core.comparison import ArmCell, Comparison, arm_cell, compare
from hotkit.core.sessionfacts import facts_of
from hotkit.core.stats_session import over
from tests.unit.groupparts import part


def session(boot, slowdowns=None, **more):
    found = part(boot, {"soft": (10 + boot) / 100} if slowdowns is None else slowdowns, **more)
    return replace(found.session, name=f"s{boot}")


def changed(one, **fields):
    """The session with another only arm."""
    (arm,) = one.analysis.arms
    return replace(one, analysis=replace(one.analysis, arms=(replace(arm, **fields),)))


def test_sessions_that_refuse_have_no_arms():
    both = [session(0), session(1, platform="metal", kernel_release="6.12", clocksource=None)]
    manifests = [one.manifest for one in both]
    assert compare(both) == Comparison(
        names=("s0", "s1"),
        facts=facts_of(manifests, [None, None]),
        arms=(),
        refused=(
            "platform differs: emulated, virtual and metal costs are different things",
        ),
        blocked=("kernel differs", "clocksource was not recorded everywhere"),
        level="boot",
    )  # fmt: skip


def test_the_work_that_runs_share_is_a_fact():
    both = [replace(session(0), work="c"), replace(session(1), work="d")]
    (fact,) = [one for one in compare(both).facts if one.name.startswith("work done")]
    assert fact.values == ("c", "d")


def test_a_session_that_is_not_trusted_counts_for_nothing():
    doubted = session(1, doubts=("x", "y"))
    assert compare([session(0), doubted]).refused == (
        "1 of 2 sessions can be trusted: two are the least",
    )
    found = compare([session(0), doubted, session(2)])
    assert (found.refused, found.arms[0].slowdown) == ((), over("boot", [0.1, 0.12]))


@pytest.mark.parametrize(
    ("boots", "level"),
    [(("a", "b", "c"), "boot"), (("a", "b", "a"), "session"), (("a", None, "c"), "session"),
     ((None, None, None), "session")],
)  # fmt: skip
def test_what_one_estimate_stands_for(boots, level):
    found = compare([session(number, boot_id=boot) for number, boot in enumerate(boots)])
    assert found.level == level
    assert found.arms[0].slowdown == over(level, [0.1, 0.11, 0.12])


def test_arms_come_as_the_first_session_that_has_them_has_them():
    found = compare(
        [session(0, {"b": 0.1, "a": 0.2}), session(1, {"a": 0.3, "c": 0.1, "b": 0.2})]
    )  # fmt: skip
    assert [arm.arm for arm in found.arms] == ["b", "a", "c"]
    assert [arm.compared for arm in found.arms] == [True, True, False]
    last = found.arms[2]
    assert last.cells[0] == ArmCell(reason="no such arm")
    assert (last.marks, last.slowdown, last.per_examined) == ((), None, None)


OTHER = {"tracker": "damon"}


def test_what_makes_an_arm_another_one():
    sessions = [session(0), session(1, unit="x", settings={"interval_ms": 9}), session(2)]
    marked = compare([changed(sessions[1], **OTHER), sessions[0], sessions[2]]).arms[0]
    assert marked.marks == ("trackers differ", "settings differ", "units differ")
    assert marked.compared and (marked.slowdown, marked.per_examined) == (None, None)
    (arm,) = compare([session(0), changed(session(1), **OTHER), session(2)]).arms
    assert arm.marks == ("trackers differ",)
    # One of a kind each: nothing stands beside anything.
    found = compare([session(0), session(1, unit="x")])
    assert found.refused == ("no arm has figures of one tracker and unit in two of the sessions",)
    assert found.arms == ()


def test_a_session_without_samples_has_part_in_the_slow_down_alone():
    found = compare([session(0), session(1, per_sample=None), session(2)])
    (arm,) = found.arms
    assert arm.slowdown == over("boot", [0.1, 0.11, 0.12])
    assert arm.per_examined == over("boot", [cell.per_examined.estimate for cell in arm.cells[::2]])
    assert arm.cells[1].per_examined is None and arm.cells[1].slowdown.estimate == 0.11


def test_one_cell():
    settings = {"interval_ms": 50, "a": "b"}
    one = changed(session(0, settings=settings), scope="guest")
    (arm,) = one.analysis.arms
    known = ArmCell(
        settings="a=b, interval_ms=50", tracker="softdirty", unit="PTE examined", scope="guest"
    )
    assert arm_cell("soft", one) == replace(
        known, slowdown=arm.slowdown, per_examined=arm.per_examined.differential
    )
    wrong = changed(one, errors=("flush: none",))
    assert arm_cell("soft", wrong) == replace(known, reason="no result: flush: none")
    doubted = replace(one, analysis=replace(wrong.analysis, untrusted=("x",)))
    assert arm_cell("soft", doubted) == replace(known, reason="withheld: not trustworthy")
    empty = session(0, {"soft": None}, settings=settings)
    assert arm_cell("soft", empty) == replace(known, scope="", reason="no samples")
