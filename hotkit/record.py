"""The story of `hotkit record`: one run of a workload, and what a tracker saw of it as it ran.

read (workload, host) -> act (install, run, journal every part) -> decide (core/record.py).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hotkit
from hotkit.agentplace import Place, find_place, install
from hotkit.core.design import Arm
from hotkit.core.labels import Label, machine_label
from hotkit.core.record import Recording
from hotkit.host.agentlink import PROTOCOL_VERSION, talk_to_agent
from hotkit.host.recordspec import load_workload
from hotkit.host.runs import new_run_folder
from hotkit.host.store import (
    MANIFEST,
    Journal,
    create_sweep_folder,
    journal_of,
    write_once,
)
from hotkit.host.workload import build_hotset, build_scan
from hotkit.host.workloadspec import WorkloadSpec
from hotkit.host.zipapp import Built, build_agent
from hotkit.measuring import keep_heat, now, probe_host, silence_s
from hotkit.parse.recording import RecordingBuilder
from hotkit.recordimport import KIND
from hotkit.recordreading import add_event, load_recording
from hotkit.recordresult import RecordResult

RUN = "record"
BINS, EVERY_MS = 256, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What there is to see at a moment, for a live view; `recording` is what came so far.

    `wanted_s` is how long the work takes without the tracker, when that is known.
    """

    host: str
    step: str
    tracker: str
    settings: Mapping[str, Any]
    label: Label | None = None
    recording: Recording | None = None
    wanted_s: float | None = None


Show = Callable[[Scene], None]


def record(
    workload_file: Path | None = None,
    *,
    tracker: str,
    settings: Mapping[str, Any],
    inventory: str | Path = "lab",
    limit: str | None = None,
    local: bool = False,
    seconds: float | None = None,
    bins: int = BINS,
    every_ms: int = EVERY_MS,
    out: Path | None = None,
    show: Show = lambda scene: None,
) -> RecordResult:
    """Run the workload once under a tracker (its `settings` complete or not) and record its heat.

    Everything is in `out` (default: a new directory below the state directory), also when the run
    is cut off. Raises HotkitError: with exit code 5 when the tracker reports no heat.
    """
    spec = load_workload(workload_file, seconds)
    arm = Arm(name=tracker, tracker=tracker, settings=tuple(sorted(settings.items())))
    place = find_place(inventory, limit, local)

    def step(words: str) -> None:
        show(Scene(host=place.name, step=words, tracker=tracker, settings=settings))

    step("building agent and workload")
    files = (build_agent(), build_hotset(), build_scan())
    folder = create_sweep_folder(out.absolute() if out else new_run_folder("record"))
    step("installing the agent")
    paths = install(place, files, folder)
    step("asking the agent whether the tracker works")
    machine = probe_host(place, paths, (arm,)).machine
    plan = _plan(spec, arm, bins, every_ms)
    manifest = _manifest(place, spec, workload_file, plan, machine, files)
    write_once(folder / MANIFEST, manifest)
    agent, workload, scan = paths
    argv = place.words([place.python, agent, "run", "--binary", workload, "--scan", scan])
    scene = Scene(
        host=place.name, step="starting", tracker=tracker, settings=settings,
        label=machine_label(machine), wanted_s=spec.seconds,
    )  # fmt: skip
    shows = f"hotkit record report {folder} shows what was recorded"
    with journal_of(folder, hint=shows) as journal:
        _follow(argv, plan, scene, place.host is not None, silence_s(spec), journal, show)
    return load_recording(folder)


def replay(result: RecordResult, speed: float) -> Iterator[Scene]:
    """The scenes of a recording, `speed` times as fast as it was recorded; sleeps in between."""
    whole = result.recording
    for steps in range(1, whole.steps + 1):
        so_far = Recording(
            bins=whole.bins,
            since_ns=whole.since_ns[:steps],
            at_ns=whole.at_ns[:steps],
            share=whole.share[:, :steps],
            phases=whole.phases,
        )
        time.sleep(float(so_far.step_s[-1]) / speed)
        yield Scene(
            host=result.host, step=f"replay x {speed:g}", tracker=result.tracker,
            settings=result.settings, label=result.label, recording=so_far,
            wanted_s=whole.duration_s,
        )  # fmt: skip


def _follow(
    argv: list[str],
    plan: Mapping[str, Any],
    scene: Scene,
    remote: bool,
    silence: float,
    journal: Journal,
    show: Show,
) -> None:
    """Carry out the run; every event is on disk before it is shown."""
    builder = RecordingBuilder()
    truth: Mapping[str, Any] = {}
    settings = scene.settings
    step = "finding the amount of work" if plan["calibrate_ms"] else "starting"

    def scene_now() -> Scene:
        return Scene(
            host=scene.host, step=step, tracker=scene.tracker, settings=settings,
            label=scene.label, recording=builder.recording(), wanted_s=scene.wanted_s,
        )  # fmt: skip

    show(scene_now())
    with talk_to_agent(argv, plan, host=scene.host, remote=remote, silence_s=silence) as events:
        for event in events:
            if event["type"] == "run":
                truth, settings, step = event["truth"], event["settings"], "running"
            elif event["type"] == "sample" and not event.get("part"):
                event, step = keep_heat(event, truth, journal), "done"
            journal.append({**event, "received": now()})
            if add_event(builder, event, journal.path):
                show(scene_now())
    show(scene_now())


def _plan(spec: WorkloadSpec, arm: Arm, bins: int, every_ms: int) -> dict[str, Any]:
    return {
        "v": PROTOCOL_VERSION,
        "workload": {"kind": spec.kind, "parameters": spec.parameters()},
        "calibrate_ms": round(1000 * spec.seconds) if spec.seconds else None,
        "record": {"bins": bins, "every_ms": every_ms},
        "runs": [{"run": RUN, "tracker": arm.tracker, "settings": dict(arm.settings)}],
    }


def _manifest(
    place: Place,
    spec: WorkloadSpec,
    workload_file: Path | None,
    plan: Mapping[str, Any],
    machine: Mapping[str, Any],
    files: tuple[Built, Built, Built],
) -> dict[str, Any]:
    text = json.dumps(plan, sort_keys=True)
    return {
        "kind": KIND,
        "created": now(),
        "hotkit": hotkit.__version__,
        "host": place.name,
        "inventory": str(place.inventory.path) if place.inventory else None,
        "workload_file": str(workload_file) if workload_file else "sweep-default.yml (shipped)",
        "workload": spec.model_dump(mode="json"),
        "machine": machine,
        "schedule": plan,
        "sha256": {
            "schedule": hashlib.sha256(text.encode()).hexdigest(),
            **dict(zip(("agent", "workload", "scan"), (f.sha256 for f in files), strict=True)),
        },
    }
