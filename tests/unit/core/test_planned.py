"""A sweep that has not run: its parts, what they take together, whether the pilot said anything."""

from __future__ import annotations

import pytest

from hotkit.core.labels import label_of
from hotkit.core.planned import Pilot, PlannedPart, SweepPlan, Total, WorkloadPlan
from hotkit.core.sweepplan import Lasts, Wishes
from hotkit.errors import ExitCode


def lasts(likely):
    return Lasts(least_s=10, likely_s=likely, most_s=40, likely_blocks=None)


def workload(name, duration, pilot=None):
    return WorkloadPlan(
        name=name, kind="hotset", arms=(), runs=(), lasts=duration, unknown=None, rough=None,
        wishes=Wishes(blocks=2, most_blocks=2, arms=1, smallest_effect=0.01), pilot=pilot,
        sight=None,
    )  # fmt: skip


def sweep(*workloads, pilot=None, hosts=("a", "b"), layouts=("l1", "l2"), boots=3):
    parts = [
        PlannedPart(name=f"{host}-{boot}-{one.name}", host=host, layout=None, boot=boot,
                    workload=one.name)
        for host in hosts for boot in range(2) for one in workloads
    ]  # fmt: skip
    return SweepPlan(
        description="d", seed=1, hosts=hosts, layouts=layouts, boots=boots, parts=tuple(parts),
        workloads=workloads, pilot=pilot,
    )  # fmt: skip


def test_hosts_work_side_by_side():
    plan = sweep(workload("x", lasts(20)), workload("y", lasts(30)))
    assert [part.name for part in plan.parts_of_a_host] == ["a-0-x", "a-0-y", "a-1-x", "a-1-y"]
    assert plan.boots_of_a_host == 6
    assert plan.total == Total(least_s=40, likely_s=100, most_s=160)


def test_a_workload_is_found_by_its_name():
    plan = sweep(workload("x", lasts(20)), workload("y", lasts(30)), workload("z", lasts(40)))
    assert [plan.workload(name).name for name in "yzx"] == ["y", "z", "x"]


def test_what_cannot_be_told_of_one_cannot_be_told_of_all():
    plan = sweep(workload("x", lasts(20)), workload("y", lasts(None)))
    assert plan.total == Total(least_s=40, likely_s=None, most_s=160)
    assert sweep(workload("x", lasts(20)), workload("y", None)).total is None


def pilot(*refused):
    return Pilot(name="p", host="a", label=label_of("emulated"), blocks=4, refused=refused)


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        (sweep(workload("x", None)), ExitCode.OK),
        (sweep(workload("x", None, pilot()), pilot="dir"), ExitCode.OK),
        (sweep(workload("x", None, pilot()), workload("y", None), pilot="dir"), ExitCode.OK),
        (sweep(workload("x", None, pilot("it drifts")), pilot="dir"), ExitCode.NOT_TRUSTWORTHY),
        (sweep(workload("x", None), pilot="dir"), ExitCode.NOT_TRUSTWORTHY),
    ],
)
def test_a_pilot_that_says_nothing_of_any_workload(plan, code):
    assert plan.exit_code is code
