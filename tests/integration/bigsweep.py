"""A sweep of as many runs as wanted, each with the journal lines that a real run writes.

`real` is the directory of a small sweep that was measured on this machine; its lines are repeated
with the names, times and counts of the new runs. So the size and the keys of a line are those of
today's agent and kernel, not ours.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotkit.core.design import OFF, Arm, schedule
from hotkit.host.store import JOURNAL, MANIFEST
from hotkit.sweep.run import sweep
from tests.unit.sweepfolders import COST, FAST, SAMPLES, SLOW, SOFTDIRTY, TOP, UNITS

ARMS = (SOFTDIRTY, SLOW, FAST)
RUNS_PER_BLOCK = 2 + len(ARMS)
# Of each arm so many different sets of counters, taken in turn.
_VARIANTS = 64
# What stands in a template for what is of one run alone.
_NAME, _SEQ, _DURATION_NS = "@NAME@", 123456789, 987654321


def measure_small(out: Path) -> Path:
    """A real sweep of 18 short runs, measured here: what `multiply` repeats."""
    description = out.with_suffix(".yml")
    description.write_text(
        "schema_version: 1\nblocks: 6\nseed: 3\nquiesce: false\ngates: false\n"
        "workload: {kind: hotset, size: 4M, hot: 1M, seconds: 0.02}\n"
        "arms: [{tracker: none, name: nothing}]\n"
    )
    sweep(description, local=True, out=out)
    return out


def multiply(real: Path, out: Path, runs: int, *, seed: int = 5) -> Path:
    """Write the sweep; `runs` is rounded down to whole blocks (of off twice and three arms)."""
    (out / "raw").mkdir(parents=True)
    # Times have a source of their own: the same ones whatever this machine's counters are.
    source, noise = random.Random(seed), random.Random(seed)
    manifest = json.loads((real / MANIFEST).read_text())
    events = [json.loads(line) for line in (real / JOURNAL).read_bytes().splitlines()]
    (name,) = {run["arm"] for run in manifest["schedule"]["runs"]} - {OFF}
    of_on, of_off = (_one_run(events, manifest, arm) for arm in (name, OFF))
    session = [event for event in events if event.get("run") is None]
    plan = _plan(manifest, runs, seed)
    manifest |= {
        "schedule": plan,
        "description": manifest["description"]
        | {"blocks": runs // RUNS_PER_BLOCK, "seed": seed, "arms": list(ARMS)},
        "seed": seed,
    }
    text = json.dumps(plan, sort_keys=True)
    manifest["sha256"]["schedule"] = hashlib.sha256(text.encode()).hexdigest()
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")

    templates = {
        arm: [_template(of_off if arm == OFF else of_on, arm, source) for _ in range(_VARIANTS)]
        for arm in (OFF, *(arm["name"] or arm["tracker"] for arm in ARMS))
    }
    with (out / JOURNAL).open("w") as journal:
        for event in session[:-1]:
            journal.write(json.dumps(event, separators=(",", ":")) + "\n")
        seq = len(session) - 1
        for number, run in enumerate(plan["runs"]):
            arm = run["arm"]
            time_s = 1 + 0.002 * noise.gauss(0, 1) + COST.get(arm, 0.0)
            for line in templates[arm][number % _VARIANTS]:
                line = line.replace(_NAME, run["run"]).replace(str(_SEQ), str(seq), 1)
                journal.write(line.replace(str(_DURATION_NS), str(round(1e9 * time_s))))
                seq += 1
        journal.write(json.dumps({**session[-1], "seq": seq}, separators=(",", ":")) + "\n")
    return out


def _plan(manifest: Mapping[str, Any], runs: int, seed: int) -> dict[str, Any]:
    """The schedule in the form of the real one: its runs have the same keys."""
    arms = [
        Arm(
            name=arm["name"] or arm["tracker"],
            tracker=arm["tracker"],
            settings=tuple(arm["settings"].items()),
        )
        for arm in ARMS
    ]
    like = manifest["schedule"]["runs"][0]
    return {
        **manifest["schedule"],
        "runs": [
            {
                **like, "run": run.name, "block": run.block, "arm": run.arm.name, "twin": run.twin,
                "tracker": run.arm.tracker, "settings": dict(run.arm.settings),
            }
            for run in schedule(arms, runs // RUNS_PER_BLOCK, seed)
        ],
    }  # fmt: skip


def _one_run(
    events: list[dict[str, Any]], manifest: Mapping[str, Any], arm: str
) -> list[dict[str, Any]]:
    """The events of the last run of an arm."""
    name = [run["run"] for run in manifest["schedule"]["runs"] if run["arm"] == arm][-1]
    return [event for event in events if event.get("run") == name]


def _template(events: list[dict[str, Any]], arm: str, source: random.Random) -> list[str]:
    """The lines of a run of this arm, with holes for what is of one run alone."""
    on = arm != OFF
    tracker = next((it["tracker"] for it in ARMS if (it["name"] or it["tracker"]) == arm), "none")
    lines = []
    for event in events:
        event = {**event, "run": _NAME, "seq": _SEQ}
        if event["type"] == "run":
            event |= {"tracker": tracker}
        elif event["type"] == "sample" and on:
            examined = SAMPLES[arm] + source.randrange(20)
            event |= {
                "units": UNITS[tracker], "self_cpu_ns": 10_000_000, "cpus": [1],
                "examined": examined, "positive": examined // 10,
                "hot": {"file": f"raw/{_NAME}.heat.json", "sha256": "d" * 64},
            }  # fmt: skip
        elif event["type"] == "counter":
            event["deltas"] = {
                key: value if not value else source.randrange(value, 3 * value + 2)
                for key, value in event["deltas"].items()
            } | {"vmstat.pgfault": source.randrange(5) + 1000 * on, "swap": 0, "steal_ns": 0}
        elif event["type"] == "end":
            event |= {"duration_ns": _DURATION_NS, "checksum": "c" * 16}
            if on:
                event["accuracy"] = {
                    "pages": 2048, "hot_pages": 256, "found": 1.0, "precision": 0.5,
                    "recall": 0.7, "f1": 0.6, "top": TOP[arm], "rank": 0.4,
                }  # fmt: skip
        lines.append(json.dumps(event, separators=(",", ":")) + "\n")
    return lines
