"""A finished sweep as the pilot of a planned one: its pace, its noise, whether it may be one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from hotkit.core.design import OFF, Arm, settings_of_arms
from hotkit.core.planned import Pilot
from hotkit.core.sessionfacts import Weight, facts_of
from hotkit.core.stats import noise_of_a_pair
from hotkit.core.sweepplan import Noise, Pace, TimedRun, pace_of
from hotkit.host.store import read_journal
from hotkit.sweep.folder import SweepResult
from hotkit.sweep.group import load_group

_MOST_TOLD = 3


def read_pilot(folder: Path) -> tuple[SweepResult, ...]:
    """The parts of a pilot that have figures. Raises HotkitError: no sweep, or none has (5)."""
    group = load_group(folder)
    return tuple(part.result for part in group.parts if part.result is not None)


def pilot_for(
    parts: Sequence[SweepResult],
    workload: Mapping[str, Any],
    arms: Sequence[Arm],
    hosts: Sequence[str],
    layouts: Sequence[str],
) -> Pilot | None:
    """The part of a pilot that says most about a workload (as a description has it), judged.

    One that did the same work goes first, then one that can be trusted, then one on a host that is
    planned. None without parts.
    """
    found = [_judged(part, workload, arms, hosts, layouts) for part in parts]
    return min(
        found, key=lambda it: (bool(it.refused), len(it.marks), it.host not in hosts), default=None
    )


def _judged(
    part: SweepResult,
    workload: Mapping[str, Any],
    arms: Sequence[Arm],
    hosts: Sequence[str],
    layouts: Sequence[str],
) -> Pilot:
    # No machine is asked, so what is planned is compared as if it ran on the pilot's.
    guest = (part.manifest.get("guest") or {"name": None}) if any(it.scope for it in arms) else None
    planned = {
        **part.manifest,
        "guest": guest,
        "description": {**part.manifest["description"], "workload": workload},
    }
    facts = facts_of([planned, part.manifest], [None, None])
    apart = [fact for fact in facts if fact.weight is Weight.REFUSES and not fact.agrees]
    refused = [
        f"{fact.name} is {fact.values[0]}, in the pilot {fact.values[1]}"
        for fact in apart[:_MOST_TOLD]
    ]
    if len(apart) > _MOST_TOLD:
        refused.append(f"and {len(apart) - _MOST_TOLD} more")
    pilot = Pilot(
        name=str(part.folder),
        host=part.host,
        label=part.label,
        blocks=part.analysis.blocks,
        refused=tuple(refused),
    )
    return pilot if refused else _with_figures(pilot, part, arms, hosts, layouts)


def _with_figures(
    pilot: Pilot,
    part: SweepResult,
    arms: Sequence[Arm],
    hosts: Sequence[str],
    layouts: Sequence[str],
) -> Pilot:
    known = same_arms(part.manifest, arms)
    pace = pace_of(*timed_runs(read_journal(part.folder), part.manifest, known))
    noise = _noise(part, known, len(known) < len(arms))
    marks = _marks(part, arms, hosts, layouts, known, pace, noise)
    return replace(pilot, marks=tuple(marks), pace=pace, noise=noise)


def same_arms(manifest: Mapping[str, Any], arms: Sequence[Arm]) -> frozenset[str]:
    """The names of those arms that the pilot had with the same tracker, settings and workload."""
    settings = settings_of_arms(manifest["schedule"]["runs"])
    runs = {run["arm"]: run for run in manifest["schedule"]["runs"]}
    return frozenset(
        arm.name
        for arm in arms
        if arm.name in settings
        and runs[arm.name]["tracker"] == arm.tracker
        and settings[arm.name] == arm.described
        and runs[arm.name].get("workload", {}) == dict(arm.workload)
    )


def timed_runs(
    events: Iterable[Mapping[str, Any]], manifest: Mapping[str, Any], arms: frozenset[str]
) -> tuple[list[TimedRun], float]:
    """The finished runs of these arms and of off, and the seconds before the first one.

    The time between two runs is what lies between the ends of both, less what the harness did for
    the second. Where events came late (a connection that broke), it is not known.
    """
    planned = {run["run"]: run["arm"] for run in manifest["schedule"]["runs"]}
    known = arms | {OFF}
    runs: list[TimedRun] = []
    hello: float | None = None
    began: float | None = None
    before: float | None = None
    for event in events:
        at = _time(event)
        if event["type"] == "hello":
            before, hello = None, hello or at
        elif event["type"] == "run":
            began = began or at
        if event["type"] != "end" or event.get("run") not in planned:
            continue
        harness_s = event.get("harness_ns", event["duration_ns"]) / 1e9
        between = at - before - harness_s if at is not None and before is not None else None
        if planned[event["run"]] in known:
            runs.append(
                TimedRun(
                    arm=planned[event["run"]],
                    work_s=event["duration_ns"] / 1e9,
                    harness_s=harness_s,
                    between_s=between if between is not None and between >= 0 else None,
                )
            )
        before = at
    return runs, began - hello if began is not None and hello is not None else 0.0


def _time(event: Mapping[str, Any]) -> float | None:
    """When the controller had an event, in seconds."""
    received = event.get("received")
    return datetime.fromisoformat(received).timestamp() if received else None


def _noise(part: SweepResult, known: frozenset[str], others: bool) -> Noise | None:
    """The noise of the pilot; `others`: arms are planned that it had not. None when it has none."""
    analysis = part.analysis
    if analysis.a_a.undefined or analysis.a_a.n < 2:
        return None
    off_off = noise_of_a_pair(analysis.a_a.sd) / analysis.off_mean
    arms = {
        arm.arm: arm.overhead.sd / analysis.off_mean
        for arm in analysis.arms
        if arm.arm in known and not arm.errors and not arm.overhead.undefined
    }
    if others:
        arms[OFF] = off_off
    return Noise(pairs=analysis.a_a.n, off_off=off_off, arms=arms)


def _marks(
    part: SweepResult,
    arms: Sequence[Arm],
    hosts: Sequence[str],
    layouts: Sequence[str],
    known: frozenset[str],
    pace: Pace | None,
    noise: Noise | None,
) -> list[str]:
    """What makes its figures less of a promise, a sentence each."""
    found = []
    if not part.analysis.trusted:
        found.append(f"the pilot is not trustworthy: {part.analysis.untrusted[0]}")
    if set(hosts) != {part.host}:
        found.append(f"measured on {part.host}: another host has a pace and noise of its own")
    layout = (part.manifest.get("part") or {}).get("layout")
    if list(layouts) != ([layout] if layout else []):
        found.append(
            f"measured in {'layout ' + str(layout) if layout else 'no layout of hotkit'}:"
            " memory laid out otherwise has a pace and noise of its own"
        )
    if others := [arm.name for arm in arms if arm.name not in known]:
        found.append(
            f"the pilot had no arm {', '.join(others)} with these settings: taken to last as long"
            " as its slowest run, and to be as noisy as its off runs"
        )
    if noise is None:
        found.append(
            f"its off runs tell no noise: {part.analysis.a_a.undefined or 'one pair only'}"
        )
    if pace is None:
        found.append("its journal tells no pace: it has no finished off run")
    return found
