"""Sweep directories without a machine: a real manifest and journal, times and counts made up."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hotkit.core.design import OFF, Arm, schedule

SOFTDIRTY = {"tracker": "softdirty", "name": None, "settings": {"interval_ms": 50}}
IDLE = {"tracker": "idlepage", "name": "idle", "settings": {"interval_ms": 50}}
SLOW = {"tracker": "damon", "name": "slow", "settings": {"sample_us": 20000}}
FAST = {"tracker": "damon", "name": "fast", "settings": {"sample_us": 5000}}

UNITS = {
    "softdirty": {"examined": "PTE examined", "positive": "soft-dirty page"},
    "idlepage": {"examined": "page asked about", "positive": "page not idle"},
    "damon": {"examined": "region check", "positive": "check that found an access"},
}
# What each arm costs (fraction of the off time), counts (per run) and sees (accuracy.top).
COST = {"softdirty": 0.05, "idle": 0.10, "slow": 0.02, "fast": 0.06}
SAMPLES = {"softdirty": 100_000, "idle": 50_000, "slow": 1_000, "fast": 4_000}
TOP = {"softdirty": 0.9, "idle": 0.5, "slow": 0.6, "fast": 0.8}
WORKLOAD = {
    "kind": "hotset", "size": 8 << 20, "hot": 1 << 20, "weight": 9, "threads": 1,
    "granularity": 8, "updates": 1_000_000,
}  # fmt: skip
MACHINE = {
    "hostname": "tier1", "kernel_release": "6.1.0-test", "arch": "x86_64", "python": "3.11.2",
    "boot_id": "b0", "cmdline": "BOOT_IMAGE=/vmlinuz root=UUID=1 memmap=1G$4G", "cpus": [0, 1],
    "page_bytes": 4096, "memory_bytes": 1 << 30, "clocksource": "tsc",
    "knobs": {"thp": "always [madvise] never", "aslr": "2"},
    "platform": "emulated", "nested": False, "platform_evidence": "CPU model <TCG>",
}  # fmt: skip


def make_sweep(
    folder: Path,
    *,
    arms: tuple[dict[str, Any], ...] = (SOFTDIRTY, IDLE),
    blocks: int = 8,
    seed: int = 7,
    noise: float = 0.002,
    shift: float = 0.0,
    scale: float = 1.0,
    created: str = "2026-11-26T01:00:00.000+00:00",
    cut_after: int | None = None,
    workload: dict[str, Any] | None = None,
    local: bool = False,
    units: dict[str, dict[str, str]] | None = None,
    host: str = "tier1",
    part: dict[str, Any] | None = None,
    guest: dict[str, Any] | None = None,
    as_told: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]] | None = None,
    **machine: Any,
) -> Path:
    """Write one; `shift` sets the two off runs apart, `scale` multiplies what the arms cost,
    `cut_after` runs the journal ends. Two sweeps of one seed have the same times. With a `guest`
    the arms have a scope; `as_told(run, event)` is what becomes of each event."""
    folder.mkdir(parents=True)
    (folder / "raw").mkdir()
    named = [
        Arm(
            name=arm["name"] or arm["tracker"],
            tracker=arm["tracker"],
            settings=tuple(arm["settings"].items()),
            scope=arm.get("scope", ""),
        )
        for arm in arms
    ]
    work = WORKLOAD | (workload or {})
    plan = {
        "v": 1,
        "workload": {"kind": work["kind"]},
        "calibrate_ms": None,
        "runs": [
            {
                "run": run.name, "block": run.block, "arm": run.arm.name, "twin": run.twin,
                "tracker": run.arm.tracker, "settings": dict(run.arm.settings),
                **({"scope": run.arm.scope} if run.arm.scope else {}),
            }
            for run in schedule(named, blocks, seed)
        ],
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()
    manifest = {
        "schema_version": 1, "created": created, "hotkit": "0.1.0", "host": host,
        "inventory": None if local else "/srv/my lab", "description_file": "sweep.yml",
        "description": {
            "schema_version": 1, "blocks": blocks, "seed": seed, "smallest_effect_percent": 1,
            "workload": work, "arms": list(arms),
        },
        "seed": seed, "machine": MACHINE | machine, "schedule": plan,
        "sha256": {"schedule": digest, "agent": "a" * 64, "workload": "b" * 64, "scan": "c" * 64},
    }  # fmt: skip
    if part is not None:
        manifest["part"] = part
    if guest is not None:
        manifest["guest"] = guest
        manifest["description"]["guest"] = guest["name"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    source = random.Random(seed)
    names = {**UNITS, **(units or {})}
    seq = itertools.count()
    with (folder / "journal.jsonl").open("w") as journal:
        for number, run in enumerate(plan["runs"]):
            if number == cut_after:
                break
            for event in _events(run, source, noise, shift, scale, names):
                event = as_told(run, event) if as_told else event
                line = {"v": 1, "seq": next(seq), **event, "run": run["run"]}
                journal.write(json.dumps(line) + "\n")
    return folder


def make_group(
    folder: Path,
    *,
    hosts: tuple[str, ...] = ("tier1",),
    layouts: tuple[str | None, ...] = (None,),
    boots: int = 1,
    workloads: tuple[str, ...] = ("hotset",),
    change: dict[str, dict[str, Any] | None] | None = None,
    **all_parts: Any,
) -> Path:
    """Write a sweep of several parts, each with a seed and a boot id of its own.

    `change`: by the name of a part, what make_sweep gets for it; None: it has not begun. A boot's
    trackers cost a per cent more or less than the last one's (of what they cost). The first 55
    seeds are such that the A/A comparison passes.
    """
    folder.mkdir(parents=True)
    parts = [
        {
            "name": "-".join(filter(None, (host, layout, workload, layout and f"boot{boot}"))),
            "host": host, "layout": layout, "boot": boot, "workload": workload,
        }
        for host, layout, boot, workload in itertools.product(
            hosts, layouts, range(boots), workloads
        )
    ]  # fmt: skip
    document = {
        "schema_version": 1, "created": "2026-11-26T01:00:00.000+00:00", "hotkit": "0.1.0",
        "description_file": "sweep.yml", "inventory": "/srv/my lab", "parts": parts,
        "description": {
            "schema_version": 1, "blocks": 8, "seed": 7, "smallest_effect_percent": 1,
            "workloads": dict.fromkeys(workloads, WORKLOAD), "boots": boots,
        },
    }  # fmt: skip
    (folder / "sweep.json").write_text(json.dumps(document))
    for number, part in enumerate(parts):
        given = (change or {}).get(part["name"], {})
        if given is None:
            continue
        own = {
            "seed": 142 + number, "scale": 1 + 0.01 * (part["boot"] % 3), "part": part,
            "host": part["host"], "boot_id": f"{part['host']}-{part['layout']}-{part['boot']}",
            "workload": {"weight": 9 + workloads.index(part["workload"])},
        }  # fmt: skip
        make_sweep(folder / "parts" / part["name"], **own | all_parts | given)
    return folder


def _events(run, source, noise, shift, scale, units):
    arm, on = run["arm"], run["arm"] != OFF
    time = 1 + noise * source.gauss(0, 1) + shift * (run["twin"] == 0)
    samples = SAMPLES.get(arm, 2_000) + source.randrange(20) if on else 0
    yield {"type": "run", "tracker": run["tracker"], "settings": run["settings"], "truth": {}}
    yield {
        "type": "sample", "examined": samples, "positive": samples // 10, "lost": 0,
        "self_cpu_ns": 10_000_000 * on, "units": units.get(run["tracker"], {}),
        "moves_pages": False,
    }  # fmt: skip
    yield {
        "type": "counter",
        "deltas": {
            "steal_ns": 0,
            "vmstat.pgfault": source.randrange(5) + 1000 * on,
            "vmstat.numa_hit": 100_000 + source.randrange(1000),
        },
    }
    seen = {
        "pages": 2048, "hot_pages": 256, "found": 1.0, "precision": 0.5, "recall": 0.7, "f1": 0.6,
        "top": TOP.get(arm), "rank": 0.4,
    }  # fmt: skip
    yield {
        "type": "end", "duration_ns": round(1e9 * (time + scale * COST.get(arm, 0.0) * on)),
        "checksum": "c", "accuracy": seen if on else None,
    }  # fmt: skip
