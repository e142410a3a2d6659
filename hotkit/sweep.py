"""The story of `hotkit sweep`: hosts side by side, on each host one part after the other.

read (description, hosts) -> decide (parts, schedules) -> act (install, run, journal). What was
found is read from the directories again (hotkit/sweepfolder.py, hotkit/sweepgroup.py).
"""

from __future__ import annotations

import hashlib
import json
import secrets
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hotkit
from hotkit.agentplace import Place, find_places, install, place_of
from hotkit.core.design import PlannedRun, schedule
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.agentlink import PROTOCOL_VERSION
from hotkit.host.runs import new_run_folder
from hotkit.host.store import (
    GROUP,
    MANIFEST,
    PARTS,
    create_sweep_folder,
    read_journal,
    read_manifest,
    write_once,
)
from hotkit.host.sweepspec import SweepSpec, load_sweep_spec
from hotkit.host.workload import build_hotset, build_scan
from hotkit.host.zipapp import Built, build_agent
from hotkit.measuring import now, probe_host
from hotkit.sweeplayout import boot_into, layout_name
from hotkit.sweeppart import Part
from hotkit.sweepprogress import Progress, StopSign, Watch

# What Ctrl-C asks for, the first, second and third time.
_STOPS = ("run", "now", "leave")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartKey:
    """One part: a workload, measured in one boot of one layout (None: as it is) of one host."""

    host: str
    layout: str | None
    boot: int
    workload: str

    @property
    def name(self) -> str:
        boot = f"boot{self.boot}" if self.layout else None
        return "-".join(word for word in (self.host, self.layout, self.workload, boot) if word)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name, "host": self.host, "layout": self.layout, "boot": self.boot,
            "workload": self.workload,
        }  # fmt: skip


@dataclass(slots=True)
class _Job:
    """What is the same for all parts of a sweep."""

    folder: Path
    spec: SweepSpec
    description_file: str
    inventory: str | None
    watch: Watch
    stop: StopSign = field(default_factory=StopSign)
    active: dict[str, Part] = field(default_factory=dict)
    failures: dict[str, HotkitError] = field(default_factory=dict)
    bug: Exception | None = None

    def layout(self, name: str) -> str:
        """The profile, or its file, that a part's layout is the name of."""
        return next(one for one in self.spec.layouts if layout_name(one) == name)


def sweep(
    description: Path | None = None,
    *,
    inventory: str | Path = "lab",
    limit: str | None = None,
    local: bool = False,
    out: Path | None = None,
    watch: Watch = lambda progress: None,
) -> Path:
    """Measure; returns the sweep's directory: `out`, or a new one below the state directory.

    Over all running hosts of the inventory within `limit`; `local` measures this machine, without
    inventory or ssh. Hosts are rebooted into the layouts that the description names: the caller
    has asked somebody. Everything is in the directory, also when the sweep is cut off: `resume`
    goes on. Raises HotkitError, with exit code 130 after Ctrl-C (once: after the runs under way;
    twice: at once; three times: the agents are left to themselves).
    """
    spec = load_sweep_spec(description)
    places = find_places(inventory, limit, local)
    if spec.layouts and local:
        raise HotkitError(
            "layouts: this machine is not booted into another layout by itself",
            hint="name an inventory, or leave layouts out to measure it as it is",
        )
    known = places[0].inventory
    job = _Job(
        folder=create_sweep_folder(out.absolute() if out else new_run_folder("sweep")),
        spec=spec,
        description_file=str(description) if description else "sweep-default.yml (shipped)",
        inventory=str(known.path) if known else None,
        watch=watch,
    )
    keys = parts_of(spec, [place.name for place in places])
    if len(keys) > 1:
        write_once(
            job.folder / GROUP,
            {
                "created": now(),
                "hotkit": hotkit.__version__,
                "description_file": job.description_file,
                "description": spec.model_dump(mode="json"),
                "inventory": job.inventory,
                "parts": [key.to_dict() for key in keys],
            },
        )
    _carry_out(job, {place: [k for k in keys if k.host == place.name] for place in places})
    return job.folder


def resume(folder: Path, *, watch: Watch = lambda progress: None) -> Path:
    """Go on with a sweep that was cut off, whatever cut it off; returns its directory.

    Of a sweep that is finished nothing is done again. Raises HotkitError as `sweep` does.
    """
    folder = folder.absolute()
    known = read_manifest(folder, GROUP) if (folder / GROUP).exists() else None
    document = known or read_manifest(folder)
    if "description" not in document:
        raise HotkitError(f"{folder}: is no sweep")
    spec = SweepSpec.model_validate(document["description"])
    parts = known["parts"] if known else [document["part"]]
    keys = [PartKey(**{k: part[k] for k in PartKey.__slots__}) for part in parts]
    job = _Job(
        folder=folder,
        spec=spec,
        description_file=document["description_file"],
        inventory=document["inventory"],
        watch=watch,
    )
    hosts = list(dict.fromkeys(key.host for key in keys))
    places = {host: place_of(job.inventory, host) for host in hosts}
    _carry_out(job, {places[host]: [k for k in keys if k.host == host] for host in hosts})
    return folder


def stop(folder: Path, when: str) -> list[str]:
    """Ask the agents of a sweep to stop ("run", "block", "now"); a sentence for each part."""
    said = []
    for part in part_folders(folder.absolute()):
        manifest = read_manifest(part)
        place = place_of(manifest["inventory"], manifest["host"])
        told = Part(part, place).ask_to_stop(when)
        said.append(f"{manifest['part']['name']}: {told}")
    return said


def parts_of(spec: SweepSpec, hosts: Sequence[str]) -> list[PartKey]:
    """All parts in the order in which a host takes them: boots are the outer level."""
    layouts: Sequence[str | None] = [layout_name(one) for one in spec.layouts] or [None]
    return [
        PartKey(host=host, layout=layout, boot=boot, workload=workload)
        for host in hosts
        for boot in range(spec.boots)
        for layout in layouts
        for workload in spec.named_workloads
    ]


def part_folders(folder: Path) -> list[Path]:
    """The directories of the parts that have begun; a sweep of one part is its own."""
    if not (folder / GROUP).exists():
        return [folder]
    names = [part["name"] for part in read_manifest(folder, GROUP)["parts"]]
    return [folder / PARTS / name for name in names if (folder / PARTS / name / MANIFEST).exists()]


def _carry_out(job: _Job, work: Mapping[Place, Sequence[PartKey]]) -> None:
    """Every host in a thread of its own; Ctrl-C is heard here."""
    # Not Thread.join: interrupted, it takes a thread that lives for one that has ended
    # (bpo-45274 and what it left, Python 3.11).
    ended = {place.name: threading.Event() for place in work}
    for place, keys in work.items():
        threading.Thread(
            target=_host, args=(job, place, keys, ended[place.name]), daemon=True
        ).start()
    told = ""
    with _ctrl_c_is_heard(job.stop):
        while not all(event.is_set() for event in ended.values()) and job.stop.when != "leave":
            for event in ended.values():
                event.wait(0.1)
            if job.stop.when != told:
                told = job.stop.when
                _tell(job, told)
    _report_failures(job, len(work))


@contextmanager
def _ctrl_c_is_heard(stop: StopSign) -> Iterator[None]:
    """Each Ctrl-C raises the stop sign a step, instead of breaking into whatever runs now."""
    if threading.current_thread() is not threading.main_thread():
        yield  # a program that uses us has its own way with signals
        return
    steps = iter(_STOPS)
    before = signal.signal(
        signal.SIGINT, lambda number, frame: stop.raise_to(next(steps, _STOPS[-1]))
    )
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _tell(job: _Job, when: str) -> None:
    """Pass the stop sign on to all agents, side by side: one may be slow to reach."""
    for name, part in list(job.active.items()):
        job.watch(Progress(host=name, step=_STOPPING.get(when, when)))
        threading.Thread(target=part.heed_stop, daemon=True).start()


_STOPPING = {
    "run": "stopping after this run (Ctrl-C again: now)",
    "now": "stopping now (Ctrl-C again: leave the agent to itself)",
}


def _report_failures(job: _Job, hosts: int) -> None:
    if job.bug is not None:
        raise job.bug
    again = f"hotkit sweep resume {job.folder}"
    if job.stop.when:
        left = job.stop.when == "leave"
        raise HotkitError(
            "interrupted; " + ("agents still running go on by themselves" if left else
            "agent and workload have ended, all knobs are back"),
            hint=f"what was measured is kept; to go on: {again}",
            exit_code=ExitCode.INTERRUPTED,
        )  # fmt: skip
    if not job.failures:
        return
    first = next(iter(job.failures.values()))
    others = f" ({len(job.failures)} of {hosts} hosts failed)" if hosts > 1 else ""
    raise HotkitError(
        f"{first.message}{others}",
        hint=first.hint or f"what was measured is kept; to go on: {again}",
        exit_code=first.exit_code,
    )


def _host(job: _Job, place: Place, keys: Sequence[PartKey], ended: threading.Event) -> None:
    """The parts of one host, one after the other; a part that fails ends the host's sweep."""
    single = not (job.folder / GROUP).exists()
    try:
        for key in keys:
            if job.stop.when:
                return
            folder = job.folder if single else job.folder / PARTS / key.name
            _part(job, place, key, folder)
    except HotkitError as error:
        job.failures[place.name] = error
    except Exception as error:
        job.bug = error  # raised again in the main thread: a thread's own traceback ends nothing
    finally:
        job.active.pop(place.name, None)
        ended.set()


def _part(job: _Job, place: Place, key: PartKey, folder: Path) -> None:
    def prepare() -> None:
        if key.layout is not None:
            others = _boots_of_others(job, key)
            boot_into(
                place, job.layout(key.layout), others,
                lambda step: job.watch(Progress(host=place.name, part=key.name, step=step)),
            )  # fmt: skip

    if not (folder / MANIFEST).exists():
        prepare()
        begin(job, place, key, folder)
    part = Part(folder, place, job.watch, job.stop, prepare)
    job.active[place.name] = part
    if not part.carry_out() and not job.stop.when:
        raise HotkitError(
            f"{place.name}: stopped by hotkit sweep stop",
            hint=f"what was measured is kept; to go on: hotkit sweep resume {job.folder}",
            exit_code=ExitCode.INTERRUPTED,
        )


def _boots_of_others(job: _Job, key: PartKey) -> set[str]:
    """The boots of the host in which parts of another boot, or layout, were measured."""
    found: set[str] = set()
    for folder in part_folders(job.folder):
        part = read_manifest(folder)["part"]
        same = (part["layout"], part["boot"]) == (key.layout, key.boot)
        if part["host"] == key.host and not same:
            found |= {
                event["machine"]["boot_id"]
                for event in read_journal(folder)
                if event["type"] == "hello"
            }
    return found


def begin(job: _Job, place: Place, key: PartKey, folder: Path) -> None:
    """Install the agent, ask it what works, write the manifest: from here on it can be resumed."""
    # The part's own description: what it says can be run again as it is.
    layouts = (job.layout(key.layout),) if key.layout else ()
    spec = job.spec.of_workload(key.workload).model_copy(update={"layouts": layouts, "boots": 1})
    arms = spec.named_arms()
    runs = schedule(arms, spec.most_blocks, spec.seed)
    if folder != job.folder:
        (folder / "raw").mkdir(parents=True, exist_ok=True, mode=0o700)
    job.watch(Progress(host=place.name, step="building agent and workload"))
    files = {"agent": build_agent(), "workload": build_hotset(), "scan": build_scan()}
    job.watch(Progress(host=place.name, step="installing the agent"))
    paths = install(place, list(files.values()), folder)
    job.watch(Progress(host=place.name, step="asking the agent what works"))
    machine = probe_host(place, paths[0], arms)
    plan = _plan_for_agent(spec, runs)
    write_once(folder / MANIFEST, _manifest(job, place, key, spec, plan, machine, files))


def _plan_for_agent(spec: SweepSpec, runs: Sequence[PlannedRun]) -> dict[str, Any]:
    work = spec.only_workload
    minutes = spec.until.minutes if spec.until else None
    return {
        "v": PROTOCOL_VERSION,
        "workload": {"kind": work.kind, "parameters": work.parameters()},
        "calibrate_ms": round(1000 * work.seconds) if work.seconds else None,
        "gates": _chosen(spec.gates),
        "quiesce": _chosen(spec.quiesce),
        "most_s": 60 * minutes if minutes else None,
        "least_blocks": spec.blocks,
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


def _chosen(wish: Any) -> Any:
    """For the agent: `true` is every default, `false` is None."""
    return ({} if wish else None) if isinstance(wish, bool) else wish


def _manifest(
    job: _Job,
    place: Place,
    key: PartKey,
    spec: SweepSpec,
    plan: Mapping[str, Any],
    machine: Mapping[str, Any],
    files: Mapping[str, Built],
) -> dict[str, Any]:
    text = json.dumps(plan, sort_keys=True)
    return {
        "created": now(),
        "hotkit": hotkit.__version__,
        "sweep": secrets.token_hex(6),
        "host": place.name,
        "part": key.to_dict(),
        "inventory": job.inventory,
        "description_file": job.description_file,
        "description": spec.model_dump(mode="json"),
        "seed": spec.seed,
        "machine": machine,
        "schedule": plan,
        "files": {name: built.path.name for name, built in files.items()},
        "sha256": {
            "schedule": hashlib.sha256(text.encode()).hexdigest(),
            **{name: built.sha256 for name, built in files.items()},
        },
    }
