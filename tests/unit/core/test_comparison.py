"""Sweeps side by side: what refuses, what forbids merging, what is merged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core.analysis import analyse
from hotkit.core.comparison import Session, arm_cell, compare
from tests.unit.core.test_analysis import session as runs_of

WORKLOAD = {"kind": "hotset", "size": "32M"}
MACHINE = {
    "platform": "metal", "nested": False, "kernel_release": "6.1", "arch": "x86_64", "cpus": 4,
    "cmdline": "quiet", "memory_bytes": 1 << 34, "clocksource": "tsc", "knobs": {"thp": "never"},
}  # fmt: skip
SCHEDULE = {"runs": [{"arm": "off", "settings": {}}, {"arm": "soft", "settings": {"every_ms": 5}}]}


def session(name, effect=0.1, *, boot="b", machine=(), workload=(), trusted=True, **more):
    manifest = {
        "machine": {**MACHINE, "boot_id": f"{boot}-{name}" if boot else "same", **dict(machine)},
        "description": {"workload": {**WORKLOAD, **dict(workload)}, "blocks": 6},
        "host": "m1", "seed": 1, "created": "2026", "hotkit": "1", "schedule": SCHEDULE,
        "sha256": {"agent": "a" * 64, "workload": "w" * 64, "scan": "s" * 64},
    }  # fmt: skip
    found = analyse(
        runs_of(effect=effect, twin_shift=0 if trusted else 0.05, **more),
        blocks=6, sesoi_fraction=0.01,
    )  # fmt: skip
    return Session(name=name, manifest=manifest, analysis=found, work="c")


THREE = [session("a", 0.10), session("b", 0.12), session("c", 0.11)]


def test_sessions_of_several_boots_are_merged():
    found = compare(THREE)
    assert (found.refused, found.blocked, found.level) == ((), (), "boot")
    (arm,) = found.arms
    assert [cell.settings for cell in arm.cells] == ["every_ms=5"] * 3
    slowdowns = [cell.slowdown.estimate for cell in arm.cells]
    assert arm.slowdown.n == 3 and arm.slowdown.mean == pytest.approx(sum(slowdowns) / 3)
    assert arm.slowdown.interval.low < arm.slowdown.mean < arm.slowdown.interval.high
    assert arm.per_examined.n == 3


def test_a_boot_that_two_share_is_no_boot_of_its_own():
    assert compare([session("a", boot=""), session("b", boot="")]).level == "session"
    # One that is not trusted does not count for that.
    silent = session("c", machine={"boot_id": None}, trusted=False)
    assert compare([*THREE, silent]).level == "boot"


def test_one_session_is_no_comparison():
    with pytest.raises(ValueError, match=r"1 session\(s\): a comparison needs two"):
        compare(THREE[:1])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"machine": {"platform": "emulated"}}, "platform differs: emulated, virtual and metal"),
        ({"workload": {"size": "64M"}}, "workload size differs: what a tracker costs one piece"),
        ({"machine": {"platform": None}}, "platform differs"),  # not recorded: not shown to agree
    ],
)
def test_what_refuses(change, why):
    found = compare([*THREE, session("d", **change)])
    assert found.refused[0].startswith(why) and found.arms == ()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"machine": {"kernel_release": "6.12"}}, "kernel differs"),
        ({"machine": {"clocksource": None}}, "clocksource was not recorded everywhere"),
        ({"machine": {"knobs": {"thp": "always"}}}, "knob thp differs"),
        ({"workload": {"seed": 3}}, "workload seed was not recorded everywhere"),
    ],
)
def test_what_may_stand_side_by_side_and_is_never_merged(change, why):
    found = compare([*THREE, session("d", **change)])
    assert found.blocked == (why,) and not found.refused
    (arm,) = found.arms
    assert len(arm.cells) == 4 and arm.slowdown is None


def test_two_sessions_that_can_be_trusted_are_the_least():
    found = compare([THREE[0], session("b", trusted=False)])
    assert found.refused == ("1 of 2 sessions can be trusted: two are the least",)
    found = compare([*THREE, session("d", trusted=False)])
    assert found.arms[0].cells[3].reason == "withheld: not trustworthy"
    assert found.arms[0].slowdown.n == 3


def test_an_arm_that_is_another_one_elsewhere_is_not_merged():
    other = session("d")
    faster = {"runs": [{"arm": "soft", "settings": {"every_ms": 1}}]}
    other = replace(other, manifest={**other.manifest, "schedule": faster})
    found = compare([*THREE, other])
    assert found.arms[0].marks == ("settings differ",) and found.arms[0].slowdown is None


def test_arms_without_figures():
    bad = session("d", errors=("flush: none",))
    cell = arm_cell("soft", bad)
    assert (cell.reason, cell.slowdown, cell.tracker) == (
        "no result: flush: none", None, "softdirty",
    )  # fmt: skip
    assert arm_cell("perf", bad).reason == "no such arm"
    found = compare([bad, session("e", errors=("x",))])
    assert found.refused == ("no arm has figures of one tracker and unit in two of the sessions",)
    assert found.arms == ()
    # Of the other sessions it takes nothing away.
    assert compare([*THREE, bad]).arms[0].slowdown.n == 3
