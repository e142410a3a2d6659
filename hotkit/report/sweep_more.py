"""More of a sweep's report: accuracy against cost, counters, environment, how to repeat it.

Like those of sweep_tables.py each has its label in the title and units in headers or cells.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.table import Table
from rich.text import Text

from hotkit.core.analysis import ArmResult, RunResult
from hotkit.core.counters import CounterChange
from hotkit.core.pareto import Place
from hotkit.core.sweepstate import SweepState
from hotkit.core.units import format_size
from hotkit.report.forest import ForestRow, forest_lines
from hotkit.report.sweep_guest import guest_facts
from hotkit.report.sweep_tables import (
    Result,
    add_where,
    in_guest,
    nanoseconds,
    percent,
    span,
    where,
    with_figures,
    with_scope,
)


class FullResult(Result, Protocol):
    """What is needed of a SweepResult, with its runs."""

    @property
    def runs(self) -> Sequence[RunResult]: ...
    @property
    def moved(self) -> Mapping[str, Sequence[CounterChange]]: ...
    @property
    def schedule_sha256(self) -> str | None: ...


def slowdown_forest(result: Result, width: int) -> list[str]:
    """Slow-downs on one axis, lines of text; none of an untrusted session: an axis ranks."""
    if not result.analysis.trusted:
        return []
    rows = [
        ForestRow(
            name=with_scope(arm), estimate=arm.slowdown.estimate, interval=arm.slowdown.interval
        )
        for arm in with_figures(result.analysis)
        if arm.slowdown.estimate is not None and arm.slowdown.interval is not None
    ]
    return forest_lines(rows, width=width, form=percent, margin=result.analysis.sesoi_fraction)


def sample_forests(result: Result, width: int) -> list[tuple[str, list[str]]]:
    """(unit, lines) for each unit of a sample: units never share an axis."""
    if not result.analysis.trusted:
        return []
    return [
        (
            unit,
            forest_lines(
                [
                    ForestRow(
                        name=with_scope(arm), estimate=ratio.estimate, interval=ratio.interval
                    )
                    for arm in arms
                    if (ratio := arm.per_examined.differential).estimate is not None
                    and ratio.interval is not None
                ],
                width=width,
                form=lambda value: f"{nanoseconds(value)} ns",
            ),
        )
        for unit, arms in by_unit(with_figures(result.analysis)).items()
    ]


def by_unit(arms: Sequence[ArmResult]) -> dict[str, list[ArmResult]]:
    """The arms that have an overhead per sample, by what a sample of theirs is."""
    found: dict[str, list[ArmResult]] = {}
    for arm in arms:
        if arm.per_examined.differential.interval is not None:
            found.setdefault(arm.per_examined.unit, []).append(arm)
    return found


def pareto_table(result: Result, places: Sequence[Place]) -> Table | None:
    """Accuracy against cost, the cheapest first; None when no arm has both."""
    if not places:
        return None
    table = Table(title=f"Accuracy against cost ({result.label})", title_justify="left")
    there = in_guest(result.analysis)
    table.add_column("arm")
    add_where(table, there)
    for name in ("slow-down", "95 %", "top (precision of the hottest pages)"):
        table.add_column(name, justify="right")
    table.add_column("Pareto front")
    arms = {arm.arm: arm for arm in result.analysis.arms}
    for place in places:
        arm = arms[place.arm]
        table.add_row(
            place.arm,
            *where(arm.scope, there),
            percent(place.cost),
            span(arm.slowdown.interval, percent),
            f"{place.gain:.3f}",
            "* on it" if place.on_front else "beaten",
        )
    return table


def pareto_lines(places: Sequence[Place]) -> list[str]:
    """What the front is, and what it is not."""
    if not places:
        return []
    return [
        "Pareto front: no other arm of this sweep is both cheaper and more accurate, by point"
        " estimates; arms whose intervals overlap may change places in another session"
    ]


def counters_table(result: Result, moved: Mapping[str, Sequence[CounterChange]]) -> Table | None:
    """The counters that changed most with each tracker; None when none did."""
    if not any(moved.values()):
        return None
    table = Table(
        title=f"Counters that moved, mean per run, on against off ({result.label})",
        title_justify="left",
    )
    there = in_guest(result.analysis)
    scopes = {arm.arm: arm.scope for arm in result.analysis.arms}
    table.add_column("arm", overflow="fold")
    add_where(table, there)
    for name in ("counter", "unit", "off", "on", "95 % of the change"):
        left = name in ("counter", "unit")
        table.add_column(name, justify="left" if left else "right", overflow="fold")
    for arm, changes in moved.items():
        for row, it in enumerate(changes):
            table.add_row(
                "" if row else arm,
                *(("",) if row and there else where(scopes.get(arm, ""), there)),
                it.counter,
                it.unit,
                count(it.off),
                count(it.on),
                f"always {count(it.change)}" if it.interval is None else span(it.interval, count),
            )
    return table


COUNTERS_NOTE = (
    "counters whose 95 % paired interval excludes 0, not corrected for their number: they show"
    " where to look, of a hundred counters five move by chance"
)


def environment(result: Result) -> dict[str, str]:
    """The machine in words, by what each is; what an old manifest does not know is left out."""
    machine = result.machine
    found = {
        "label": str(result.label),
        "evidence": result.label.evidence,
        "host": result.host,
        "hostname": machine.get("hostname"),
        "kernel": machine.get("kernel_release"),
        "architecture": machine.get("arch"),
        "CPUs online": _cpus(machine.get("cpus")),
        "memory": format_size(machine["memory_bytes"]) if "memory_bytes" in machine else None,
        "page": format_size(machine["page_bytes"]) if "page_bytes" in machine else None,
        "clocksource": machine.get("clocksource"),
        "command line": machine.get("cmdline"),
        "boot id": machine.get("boot_id"),
        "agent's Python": machine.get("python"),
        "measured": result.manifest.get("created"),
        "hotkit": result.manifest.get("hotkit"),
    }
    found |= {f"knob {name}": value for name, value in machine.get("knobs", {}).items()}
    found |= guest_facts(result.manifest)
    found |= _on_its_way(result.state)
    return {name: str(value) for name, value in found.items() if value not in (None, "")}


def _on_its_way(state: SweepState) -> dict[str, str | None]:
    """What happened while it was measured, as far as there is something to say."""
    agents, boots = state.session + 1, len(state.boots)
    return {
        "made quiet": "; ".join(state.quiesced),
        "agents": f"{agents}: it was cut off and gone on with" if agents > 1 else None,
        "boots": f"{boots}: no block is of two" if boots > 1 else None,
        "ended": state.why_enough,
    }


def environment_table(result: Result) -> Table:
    """Where it was measured."""
    table = Table(title=f"Environment ({result.label})", title_justify="left")
    table.add_column("what", no_wrap=True)
    table.add_column("value", overflow="fold")
    for name, value in environment(result).items():
        # As text: "[madvise]" of a knob is no markup.
        table.add_row(name, Text(value))
    return table


def reproduce(result: FullResult) -> dict[str, Any]:
    """Commands and hashes with which a reader who was not there runs the sweep again.

    `schedule_recomputed` is the SHA-256 of the schedule that the manifest holds: it must be the
    one that the manifest states.
    """
    manifest = result.manifest
    stated = dict(manifest.get("sha256", {}))
    recomputed = result.schedule_sha256
    where = ["--local"]
    if manifest.get("inventory"):
        where = ["--inventory", str(manifest["inventory"]), "--limit", result.host]
    path = str(result.folder)
    # JSON is YAML: the description goes through unchanged, its numbers too.
    extract = (
        'import json, sys; json.dump(json.load(open(sys.argv[1]))["description"],'
        " sys.stdout, indent=1)"
    )
    return {
        "hotkit": manifest.get("hotkit"),
        "seed": manifest.get("seed"),
        "description_file": manifest.get("description_file"),
        "description": manifest.get("description"),
        "commands": [
            shlex.join(["python3", "-c", extract, f"{path}/manifest.json"]) + " > again.yml",
            shlex.join(["hotkit", "sweep", "again.yml", *where, "--out", "again"]),
            shlex.join(["hotkit", "compare", path, "again"]),
        ],
        "sha256": stated,
        "schedule_recomputed": recomputed,
        "schedule_agrees": None if recomputed is None else recomputed == stated.get("schedule"),
    }


def hash_lines(found: Mapping[str, Any]) -> list[str]:
    """Seed and hashes as lines, with whether the schedule is still the one that was hashed."""
    lines = [f"hotkit {found['hotkit']}, seed {found['seed']}"]
    for name, digest in found["sha256"].items():
        said = ""
        if name == "schedule" and found["schedule_agrees"] is not None:
            said = (
                "  (recomputed: the same)"
                if found["schedule_agrees"]
                else "  (RECOMPUTED: NOT THE SAME)"
            )
        lines.append(f"{name:<9} SHA-256 {digest}{said}")
    return lines


REPRODUCE_NOTE = (
    "the same hotkit, description and seed give the same schedule (compare sha256.schedule of both"
    " manifests); times differ from session to session, that is what the interval is for"
)


def count(value: float) -> str:
    """A mean count: whole where it is large, one decimal where it is small."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:,.1f}"


def _cpus(cpus: Sequence[int] | None) -> str | None:
    if not cpus:
        return None
    return f"{len(cpus)} ({', '.join(map(str, cpus[:16]))}{', ...' if len(cpus) > 16 else ''})"
