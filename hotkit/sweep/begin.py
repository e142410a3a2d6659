"""What a sweep consists of, and how a part begins: from its manifest on it can be resumed."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hotkit
from hotkit.agentplace import Place, install
from hotkit.core.design import SCOPE, PlannedRun, schedule
from hotkit.core.guestspec import description
from hotkit.host.agentlink import PROTOCOL_VERSION
from hotkit.host.guestspec import guest_named
from hotkit.host.store import MANIFEST, write_once
from hotkit.host.sweepspec import SweepSpec
from hotkit.host.workload import build_hotset, build_scan
from hotkit.host.zipapp import Built, build_agent
from hotkit.measuring import Probed, now, probe_host
from hotkit.sweep.layout import layout_name
from hotkit.sweep.progress import Progress, Watch


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What is the same for all parts of a sweep."""

    folder: Path
    spec: SweepSpec
    description_file: str
    inventory: str | None

    def layout(self, name: str) -> str:
        """The profile, or its file, that a part's layout is the name of."""
        return next(one for one in self.spec.layouts if layout_name(one) == name)


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


def begin(whole: Whole, place: Place, key: PartKey, folder: Path, watch: Watch) -> None:
    """Install the agent, ask it what works, write the manifest: from here on it can be resumed."""
    # The part's own description: what it says can be run again as it is.
    layouts = (whole.layout(key.layout),) if key.layout else ()
    spec = whole.spec.of_workload(key.workload).model_copy(update={"layouts": layouts, "boots": 1})
    arms = spec.named_arms()
    runs = schedule(arms, spec.most_blocks, spec.seed)
    if folder != whole.folder:
        (folder / "raw").mkdir(parents=True, exist_ok=True, mode=0o700)
    watch(Progress(host=place.name, step="building agent and workload"))
    files = {"agent": build_agent(), "workload": build_hotset(), "scan": build_scan()}
    watch(Progress(host=place.name, step="installing the agent"))
    paths = install(place, list(files.values()), folder)
    watch(Progress(host=place.name, step="asking the agent what works"))
    guest = _guest(spec, place)
    probed = probe_host(place, paths, arms, guest)
    plan = _plan_for_agent(spec, runs)
    if guest is not None:
        plan["guest"] = guest
    write_once(folder / MANIFEST, _manifest(whole, place, key, spec, plan, probed, files))


def _guest(spec: SweepSpec, place: Place) -> dict[str, Any] | None:
    """What the host's agent is told of the guest; None when the sweep has none."""
    if spec.guest is None:
        return None
    return description(guest_named(spec.guest, place.host, place.inventory))


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
                **({SCOPE: planned.arm.scope} if planned.arm.scope else {}),
            }
            for planned in runs
        ],
    }


def _chosen(wish: Any) -> Any:
    """For the agent: `true` is every default, `false` is None."""
    return ({} if wish else None) if isinstance(wish, bool) else wish


def _manifest(
    whole: Whole,
    place: Place,
    key: PartKey,
    spec: SweepSpec,
    plan: Mapping[str, Any],
    probed: Probed,
    files: Mapping[str, Built],
) -> dict[str, Any]:
    text = json.dumps(plan, sort_keys=True)
    machine = probed.machine
    guest = {}
    if probed.guest is not None:
        # A VM on a machine that is one itself, or is emulated.
        machine = {**machine, "nested": machine["nested"] or machine["platform"] != "metal"}
        guest = {"guest": _guest_facts(plan["guest"], probed.guest)}
    return {
        "created": now(),
        "hotkit": hotkit.__version__,
        "sweep": secrets.token_hex(6),
        "host": place.name,
        "part": key.to_dict(),
        "inventory": whole.inventory,
        "description_file": whole.description_file,
        "description": spec.model_dump(mode="json"),
        "seed": spec.seed,
        "machine": machine,
        **guest,
        "schedule": plan,
        "files": {name: built.path.name for name, built in files.items()},
        "sha256": {
            "schedule": hashlib.sha256(text.encode()).hexdigest(),
            **{name: built.sha256 for name, built in files.items()},
        },
    }


def _guest_facts(told: Mapping[str, Any], machine: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest's `guest`: what hotkit knows of it, and what its own agent says."""
    return {
        "name": told["name"],
        "kind": told["kind"],
        "backing": told.get("backing"),
        "memory_bytes": machine["memory_bytes"],
        "vcpus": len(machine["cpus"]),
        "machine": machine,
    }
