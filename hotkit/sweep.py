"""The story of `hotkit sweep`: one host, one schedule, one directory, one answer.

read (description, host) -> decide (schedule) -> act (install, run, journal) -> decide (analysis).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hotkit
from hotkit.agentplace import Place, find_place, install
from hotkit.core.accuracy import HeatRange
from hotkit.core.analysis import Analysis, RunResult, analyse
from hotkit.core.design import Arm, PlannedRun, schedule, settings_of_arms
from hotkit.core.labels import Label, machine_label
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.agentlink import PROTOCOL_VERSION, ask_agent, talk_to_agent
from hotkit.host.run import run
from hotkit.host.runs import new_run_folder
from hotkit.host.store import (
    MANIFEST,
    Journal,
    create_sweep_folder,
    journal_of,
    read_journal,
    read_manifest,
    write_once,
)
from hotkit.host.sweepspec import SweepSpec, load_sweep_spec
from hotkit.host.workload import build_hotset, build_scan
from hotkit.host.workloadspec import CommandSpec, WorkloadSpec
from hotkit.host.zipapp import Built, build_agent
from hotkit.sweepjournal import RunCollector, against_truth, heat_ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the sweep stands: for the live view. `analysis` is of the blocks finished so far."""

    host: str
    step: str
    done: int = 0
    total: int = 0
    block: int | None = None
    blocks: int = 0
    arm: str | None = None
    analysis: Analysis | None = None


Watch = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult:
    """A finished sweep: its directory, what was planned and found, where it was measured."""

    folder: Path
    manifest: Mapping[str, Any]
    runs: tuple[RunResult, ...]
    analysis: Analysis

    @property
    def host(self) -> str:
        return str(self.manifest["host"])

    @property
    def machine(self) -> Mapping[str, Any]:
        """What the agent said about the machine: platform, kernel_release, knobs, ..."""
        machine: Mapping[str, Any] = self.manifest["machine"]
        return machine

    @property
    def label(self) -> Label:
        """metal, virtual or emulated: what every figure of this sweep carries."""
        return machine_label(self.machine)

    @property
    def exit_code(self) -> ExitCode:
        believable = self.analysis.trusted and self.analysis.defined
        return ExitCode.OK if believable else ExitCode.NOT_TRUSTWORTHY


def sweep(
    description: Path | None = None,
    *,
    inventory: str | Path = "lab",
    limit: str | None = None,
    local: bool = False,
    out: Path | None = None,
    watch: Watch = lambda progress: None,
) -> SweepResult:
    """Measure once. `local` measures this machine, without inventory or ssh.

    Everything is in `out` (default: a new directory below the state directory), also when the sweep
    is cut off. Raises HotkitError; KeyboardInterrupt leaves host and journal clean.
    """
    spec = load_sweep_spec(description)
    arms = spec.named_arms()
    runs = schedule(arms, spec.blocks, spec.seed)
    place = find_place(inventory, limit, local)
    watch(Progress(host=place.name, step="building agent and workload"))
    agent, workload, scan = build_agent(), build_hotset(), build_scan()
    folder = create_sweep_folder(out.absolute() if out else new_run_folder("sweep"))
    watch(Progress(host=place.name, step="installing the agent"))
    paths = install(place, (agent, workload, scan), folder)
    watch(Progress(host=place.name, step="asking the agent what works"))
    machine = probe_host(place, paths[0], arms)
    plan = _plan_for_agent(spec, runs)
    write_once(
        folder / MANIFEST,
        _manifest(place, spec, description, plan, machine, (agent, workload, scan)),
    )
    with journal_of(folder, hint=f"what was measured is kept in {folder}") as journal:
        _measure(place, spec, plan, paths, journal, watch)
    return load_sweep(folder)


def load_sweep(folder: Path) -> SweepResult:
    """Analyse a sweep directory anew, from its manifest and journal alone."""
    manifest = read_manifest(folder)
    if "description" not in manifest:
        raise HotkitError(f"{folder}: is no sweep", hint=f"hotkit record report {folder}")
    collector = RunCollector(manifest["schedule"]["runs"])
    for event in read_journal(folder):
        collector.add(event)
    try:
        analysis = _analyse(collector, manifest)
    except ValueError as error:
        raise HotkitError(f"{folder}: {error}", exit_code=ExitCode.NOT_TRUSTWORTHY) from error
    return SweepResult(
        folder=folder, manifest=manifest, runs=tuple(collector.runs), analysis=analysis
    )


def _analyse(found: RunCollector, manifest: Mapping[str, Any]) -> Analysis:
    description = manifest["description"]
    return analyse(
        found.runs,
        reruns=found.reruns,
        gates=found.gates,
        blocks=description["blocks"],
        sesoi_fraction=description["smallest_effect_percent"] / 100,
        settings=settings_of_arms(manifest["schedule"]["runs"]),
    )


def probe_host(place: Place, agent: str, arms: Sequence[Arm]) -> dict[str, Any]:
    """The machine as the agent describes it; an error when a tracker cannot be used there."""
    argv = place.words([place.python, agent, "probe"])
    wanted = [{"tracker": arm.tracker, "settings": dict(arm.settings)} for arm in arms]
    done = run(argv, check=False, timeout=120, input=json.dumps(wanted) + "\n")
    events = ask_agent(done, host=place.name)
    for event in events:
        if event["type"] == "probe" and not event["available"]:
            raise HotkitError(
                f"{place.name}: tracker {event['tracker']}: {event['reason']}",
                hint=event["fix"],
                exit_code=ExitCode.VERDICT_FAILED,
            )
    machine: dict[str, Any] = events[0]["machine"]
    return machine


def _plan_for_agent(spec: SweepSpec, runs: Sequence[PlannedRun]) -> dict[str, Any]:
    work = spec.only_workload
    seconds = work.seconds
    return {
        "v": PROTOCOL_VERSION,
        "workload": {"kind": work.kind, "parameters": work.parameters()},
        "calibrate_ms": round(1000 * seconds) if seconds else None,
        "runs": [
            {
                "run": planned.name,
                "block": planned.block,
                "arm": planned.arm.name,
                "twin": planned.twin,
                "tracker": planned.arm.tracker,
                "settings": dict(planned.arm.settings),
                "workload": dict(planned.arm.workload),
            }
            for planned in runs
        ],
    }


def _manifest(
    place: Place,
    spec: SweepSpec,
    description: Path | None,
    plan: Mapping[str, Any],
    machine: Mapping[str, Any],
    files: Sequence[Built],
) -> dict[str, Any]:
    text = json.dumps(plan, sort_keys=True)
    return {
        "created": now(),
        "hotkit": hotkit.__version__,
        "host": place.name,
        "inventory": str(place.inventory.path) if place.inventory else None,
        "description_file": str(description) if description else "sweep-default.yml (shipped)",
        "description": spec.model_dump(mode="json"),
        "seed": spec.seed,
        "machine": machine,
        "schedule": plan,
        "sha256": {
            "schedule": hashlib.sha256(text.encode()).hexdigest(),
            **dict(zip(("agent", "workload", "scan"), (b.sha256 for b in files), strict=True)),
        },
    }


def _measure(
    place: Place,
    spec: SweepSpec,
    plan: Mapping[str, Any],
    paths: Sequence[str],
    journal: Journal,
    watch: Watch,
) -> None:
    """Carry out the schedule; every event is on disk before it counts."""
    agent, workload, scan = paths
    argv = place.words([place.python, agent, "run", "--binary", workload, "--scan", scan])
    planned = {entry["run"]: entry for entry in plan["runs"]}
    collector = RunCollector(plan["runs"])
    analysis: Analysis | None = None
    truth: dict[str, Any] = {}
    heat: list[HeatRange] = []
    total = len(planned)
    manifest = {"description": spec.model_dump(mode="json"), "schedule": plan}
    silence = silence_s(spec.only_workload)
    step = "finding the amount of work" if plan["calibrate_ms"] else "starting"
    watch(Progress(host=place.name, step=step, total=total))
    with talk_to_agent(
        argv, plan, host=place.name, remote=place.host is not None, silence_s=silence
    ) as events:
        for event in events:
            if event["type"] == "run":
                truth, heat = event["truth"], []
                entry = planned[event["run"]]
                watch(
                    Progress(
                        host=place.name,
                        step="running",
                        done=len(collector.runs),
                        total=total,
                        block=entry["block"],
                        blocks=spec.blocks,
                        arm=entry["arm"],
                        analysis=analysis,
                    )  # fmt: skip
                )
            elif event["type"] == "sample":
                heat = heat_ranges(event)
                event = keep_heat(event, truth, journal)
            elif event["type"] == "end" and event["run"]:
                judged = against_truth(heat, truth, event)
                event = {**event, "accuracy": judged.to_dict() if judged else None}
            journal.append({**event, "received": now()})
            if collector.add(event):
                analysis = _so_far(collector, manifest) or analysis
    watch(
        Progress(host=place.name, step="done", done=total, total=total, blocks=spec.blocks,
                 analysis=analysis)
    )  # fmt: skip


def silence_s(workload: WorkloadSpec) -> float:
    """How long the agent may say nothing: in emulation everything takes longer than planned."""
    if isinstance(workload, CommandSpec):
        return 300 + 2 * workload.most_s + workload.within_s
    return 300 + 60 * (workload.seconds or 60)


def keep_heat(event: dict[str, Any], truth: Mapping[str, Any], journal: Journal) -> dict[str, Any]:
    """The event with its heat moved to a file below raw/, beside the ground truth."""
    blob = json.dumps({"truth": truth, "hot": event["hot"]}, separators=(",", ":")).encode()
    kept = journal.keep_raw(f"{event['run']}.heat.json", blob) if event["hot"] else None
    digest = hashlib.sha256(blob).hexdigest()
    where = {"file": f"raw/{kept.name}", "sha256": digest} if kept else None
    return {**event, "hot": where}


def _so_far(found: RunCollector, manifest: Mapping[str, Any]) -> Analysis | None:
    """The running estimate, once two blocks are there."""
    blocks = {run.block for run in found.runs}
    try:
        return _analyse(found, manifest) if len(blocks) > 2 else None
    except ValueError:
        return None


def now() -> str:
    """The controller's time, for manifest and journal."""
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
