"""What sweeps and recordings share: asking a host what works there, and keeping what was seen."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hotkit.agentplace import Place
from hotkit.core.design import Arm
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.agentlink import ask_agent
from hotkit.host.run import run
from hotkit.host.store import Journal
from hotkit.host.workloadspec import CommandSpec, WorkloadSpec


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


def silence_s(workload: WorkloadSpec) -> float:
    """How long the agent may say nothing: in emulation everything takes longer than planned."""
    if isinstance(workload, CommandSpec):
        return 300 + 2 * workload.most_s + workload.within_s
    return 300 + 60 * (workload.seconds or 60)


def keep_heat(event: dict[str, Any], truth: Mapping[str, Any], journal: Journal) -> dict[str, Any]:
    """The event with its heat moved to a file below raw/, beside the ground truth."""
    blob = json.dumps({"truth": truth, "hot": event["hot"]}, separators=(",", ":")).encode()
    again = f".{event['attempt']}" if event.get("attempt") else ""
    name = f"{event['run']}{again}.heat.json"
    kept = journal.keep_raw(name, blob) if event["hot"] else None
    digest = hashlib.sha256(blob).hexdigest()
    where = {"file": f"raw/{kept.name}", "sha256": digest} if kept else None
    return {**event, "hot": where}


def now() -> str:
    """The controller's time, for manifest and journal."""
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
