"""What sweeps and recordings share: asking a host what works there, and keeping what was seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hotkit.agentplace import Place
from hotkit.core.design import SCOPE, Arm
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.agentlink import ask_agent
from hotkit.host.clock import now as now
from hotkit.host.run import run
from hotkit.host.store import Journal
from hotkit.host.workloadspec import CommandSpec, WorkloadSpec

# A guest boots and gets its agent; emulated within an emulated machine that takes three minutes, on
# a busy one five and more.
_GUEST_UP_S = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """A host, and the guest of it in which the workload is to run (None without one)."""

    machine: dict[str, Any]
    guest: dict[str, Any] | None = None


def probe_host(
    place: Place, files: Sequence[str], arms: Sequence[Arm], guest: Mapping[str, Any] | None = None
) -> Probed:
    """Host and guest as their agents describe them; an error when a tracker cannot be used there.

    `files`: agent, workload and scanner there. `guest`: its description; it is brought up.
    """
    agent, binary, scan = files
    argv = place.words([place.python, agent, "probe", "--binary", binary, "--scan", scan])
    trackers = [
        {"tracker": arm.tracker, "settings": dict(arm.settings), SCOPE: arm.scope} for arm in arms
    ]
    wanted = {"guest": guest, "trackers": trackers} if guest else trackers
    seconds = 120 + (_GUEST_UP_S if guest else 0)
    done = run(argv, check=False, timeout=seconds, input=json.dumps(wanted) + "\n")
    events = ask_agent(done, host=place.name)
    found = None
    for event in events:
        if event["type"] == "probe" and "guest" in event:
            found = event["guest"]["machine"]
        elif event["type"] == "probe" and not event["available"]:
            inside = f", guest {guest['name']}" if guest and event.get(SCOPE) == "guest" else ""
            raise HotkitError(
                f"{place.name}{inside}: tracker {event['tracker']}: {event['reason']}",
                hint=event["fix"],
                exit_code=ExitCode.VERDICT_FAILED,
            )
    machine: dict[str, Any] = events[0]["machine"]
    return Probed(machine=machine, guest=found)


def silence_s(workload: WorkloadSpec, guest: bool = False) -> float:
    """How long the agent may say nothing: in emulation everything takes longer than planned.

    `guest`: it may have to start one between two runs.
    """
    up_s = _GUEST_UP_S if guest else 0
    if isinstance(workload, CommandSpec):
        return up_s + 300 + 2 * workload.most_s + workload.within_s
    return up_s + 300 + 60 * (workload.seconds or 60)


def keep_heat(event: dict[str, Any], truth: Mapping[str, Any], journal: Journal) -> dict[str, Any]:
    """The event with its heat moved to a file below raw/, beside the ground truth."""
    blob = json.dumps({"truth": truth, "hot": event["hot"]}, separators=(",", ":")).encode()
    again = f".{event['attempt']}" if event.get("attempt") else ""
    name = f"{event['run']}{again}.heat.json"
    kept = journal.keep_raw(name, blob) if event["hot"] else None
    digest = hashlib.sha256(blob).hexdigest()
    where = {"file": f"raw/{kept.name}", "sha256": digest} if kept else None
    return {**event, "hot": where}
