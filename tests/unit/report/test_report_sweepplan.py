"""The printed plan: figures with their unit and uncertainty, readable in 80 columns."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from hotkit.core.design import Arm, schedule
from hotkit.core.labels import label_of
from hotkit.core.planned import Pilot, PlannedPart, SweepPlan, WorkloadPlan
from hotkit.core.sweepplan import Lasts, Noise, Pace, Wishes, lasts, sight
from hotkit.report.sweepplan import print_plan

ARMS = (Arm(name="damon-5000", tracker="damon"), Arm(name="damon-20000", tracker="damon"))
WISHES = Wishes(blocks=9, most_blocks=40, arms=2, smallest_effect=0.01, half_width=0.002)
PACE = Pace(harness_s={"off": 2.5}, work_s={"off": 2.0}, between_s=0.01)


def planned(
    *, boots: int = 1, pilot: Pilot | None = None, found: Lasts | None = None, wishes=WISHES
) -> SweepPlan:
    noise = pilot.noise if pilot else None
    return SweepPlan(
        description="my.yml",
        seed=3,
        hosts=("tier1", "tier2"),
        layouts=("near", "far"),
        boots=boots,
        parts=tuple(
            PlannedPart(name=f"{host}{boot}", host=host, layout=layout, boot=boot, workload="w")
            for host in ("tier1", "tier2")
            for boot in range(boots)
            for layout in ("near", "far")
        ),
        workloads=(
            WorkloadPlan(
                name="w", kind="zipf", arms=ARMS, wishes=wishes,
                runs=schedule(ARMS, wishes.most_blocks, 3), lasts=found,
                unknown=None if found else "nobody knows", rough=None, pilot=pilot,
                sight=sight(noise, wishes) if noise else None,
            ),
        ),
        pilot="results/first" if pilot else None,
    )  # fmt: skip


def pilot_with(noise: Noise | None, **more) -> Pilot:
    label = label_of("metal", evidence="no hypervisor flag")
    return Pilot(name="results/first", host="tier1", label=label, blocks=8, pace=PACE,
                 noise=noise, **more)  # fmt: skip


def printed(plan: SweepPlan, width: int = 100, *, full: bool = False) -> str:
    out = io.StringIO()
    print_plan(plan, Console(file=out, width=width), full=full)
    return out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (4.25, "4.25 s"),
        (59.99, "60 s"),
        (61, "1 min 01 s"),
        (3599.6, "1 h 00 min"),
        (2 * 86400 + 3600, "2 d 1 h 00 min"),
    ],
)
def test_durations(seconds, words):
    found = Lasts(least_s=seconds, likely_s=seconds, most_s=seconds, likely_blocks=9)
    assert f"w: {words} a part" in printed(planned(pilot=pilot_with(None), found=found))


def test_parts_beyond_a_dozen_are_shown_when_all_are_wanted():
    plan = planned(boots=10)
    said = printed(plan)
    assert "Parts of each host: the first 12 of 20" in said and "│ 12 │" in said
    assert "│ 13 │" not in said and "--full shows every part" in said
    whole = printed(plan, full=True)
    assert "│ 20 │ far" in whole and "│    39 │" in whole and "--full" not in whole
    assert "20 boots of each host, a provision and a reboot each" in said


def test_an_odd_last_block_turns_nothing_round():
    plan = planned(wishes=Wishes(blocks=7, most_blocks=7, arms=2, smallest_effect=0.01))
    rows = [line for line in printed(plan, full=True).splitlines() if "off, " in line]
    assert ["turned round" in row for row in rows] == [False, True] * 3 + [False]
    assert "until" not in printed(plan)


def test_what_it_will_see():
    pilot = pilot_with(Noise(pairs=8, off_off=0.004, arms={"off": 0.004}), marks=("older kernel",))
    seen = sight(pilot.noise, WISHES)
    found = lasts(PACE.block_s([arm.name for arm in ARMS]), 0.0, WISHES, seen)
    said = " ".join(printed(planned(pilot=pilot, found=found)).split())
    assert "pilot results/first on tier1 [metal], 8 blocks" in said
    assert "noise of a block's slow-down 0.4 % (0.26 to 0.81), from 8 off/off pairs" in said
    assert f"9 blocks show a slow-down of {100 * seen.mde.value:.2g} %" in said
    assert "to show 1 % (smallest_effect_percent): 4 blocks (3 to 8)" in said
    assert "sd 0.4 % (that of off/off pairs)" in said
    assert "until: half width 0.2 %: 18 blocks (10 to 68)" in said
    assert "until: 18 blocks expected" in said and "as if no arm cost anything" not in said
    assert "note: older kernel" in said and "says anything about hardware" not in said
    assert "2 s of an off run are timed, 0.5 s are the harness's, 0.01 s lie between" in said


def test_what_until_will_not_reach():
    pilot = pilot_with(Noise(pairs=8, off_off=2.0, arms={}))
    wishes = Wishes(blocks=8, most_blocks=40, arms=2, smallest_effect=1e-4, verdict=True)
    said = " ".join(printed(planned(pilot=pilot, wishes=wishes)).split())
    assert "more than 100,000 blocks (more than 100,000 to more than 100,000)" in said
    assert "(not before the last look)" in said
    assert "slow-down of" in said and "e+" not in said


def test_a_refused_pilot_and_a_narrow_terminal():
    label = label_of("emulated")
    refused = Pilot(name="old", host="tier1", label=label, blocks=8, refused=("size is 1, not 2",))
    said = printed(planned(pilot=refused), width=80)
    assert "w: old is no pilot for it: size is 1, not 2" in said
    assert "w: unknown: nobody knows" in said
    assert all(len(line.rstrip()) <= 80 for line in said.splitlines() if "│" in line)
