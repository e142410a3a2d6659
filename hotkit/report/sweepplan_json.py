"""The `--json` document of `hotkit sweep plan`: times in seconds, effects as fractions."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from typing import Any

from hotkit.core.planned import Pilot, SweepPlan, WorkloadPlan
from hotkit.core.sweepplan import Sight, Spread


def to_dict(plan: SweepPlan) -> dict[str, Any]:
    """Everything that the terminal shows, and the whole schedule."""
    return {
        "schema_version": 1,
        "description": plan.description,
        "seed": plan.seed,
        "hosts": list(plan.hosts),
        "layouts": list(plan.layouts),
        "boots": plan.boots,
        "guest": plan.guest,
        "boots_of_a_host": plan.boots_of_a_host,
        "parts": [asdict(part) for part in plan.parts],
        "workloads": {work.name: _workload(work) for work in plan.workloads},
        "duration_of_a_host_s": asdict(plan.total) if plan.total else None,
        "pilot": plan.pilot,
    }


def _workload(work: WorkloadPlan) -> dict[str, Any]:
    wishes = work.wishes
    return {
        "kind": work.kind,
        "arms": [
            {"name": arm.name, "tracker": arm.tracker, "settings": dict(arm.settings),
             "workload": dict(arm.workload), "scope": arm.scope or None}
            for arm in work.arms
        ],
        "blocks": wishes.blocks,
        "most_blocks": wishes.most_blocks,
        "schedule": [
            [run.arm.name for run in runs] for _, runs in groupby(work.runs, lambda run: run.block)
        ],
        "duration_s": asdict(work.lasts) if work.lasts else None,
        "duration_unknown": work.unknown,
        "duration_rough": work.rough,
        "pilot": _pilot(work.pilot) if work.pilot else None,
        "sight": _sight(work.sight) if work.sight else None,
    }  # fmt: skip


def _pilot(pilot: Pilot) -> dict[str, Any]:
    pace = pilot.pace
    return {
        "name": pilot.name,
        "host": pilot.host,
        "label": pilot.label.to_dict(),
        "blocks": pilot.blocks,
        "refused": list(pilot.refused),
        "marks": list(pilot.marks),
        "pace": None
        if pace is None
        else {
            "harness_s": dict(pace.harness_s),
            "work_s": dict(pace.work_s),
            "between_s": pace.between_s,
            "start_s": pace.start_s,
        },
    }


def _sight(seen: Sight) -> dict[str, Any]:
    return {
        "pairs": seen.noise.pairs,
        "noise_fraction": _spread(seen.off_off),
        "noise_of_arms_fraction": dict(seen.noise.arms),
        "smallest_effect_fraction": _spread(seen.mde),
        "smallest_effect_fraction_at_most_blocks": _spread(seen.mde_most),
        "blocks_needed": _spread(seen.needed),
        "until_half_width_blocks": _spread(seen.half_width),
        "until_equivalent_blocks": _spread(seen.equivalent),
        "until_different_blocks": _spread(seen.different),
    }


def _spread(found: Spread | None) -> dict[str, float | None] | None:
    return None if found is None else asdict(found)
