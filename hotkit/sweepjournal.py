"""From the lines of a sweep's journal to the runs that are analysed."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from hotkit.core.accuracy import Accuracy, HeatRange, HotPhase, accuracy, truth_of
from hotkit.core.analysis import RunResult
from hotkit.core.armcheck import run_errors


class RunCollector:
    """Puts the events of each run together: run, sample, counter, end.

    A run counts only with its end; `planned` (the runs of the manifest's schedule) says which block
    and arm it belongs to.
    """

    def __init__(self, planned: Iterable[Mapping[str, Any]]) -> None:
        self._planned = {entry["run"]: entry for entry in planned}
        self._open: dict[str, dict[str, Mapping[str, Any]]] = {}
        self.runs: list[RunResult] = []

    def add(self, event: Mapping[str, Any]) -> RunResult | None:
        """Take one event; returns the run that it completed, if so."""
        name = str(event.get("run"))
        if name not in self._planned or event["type"] not in ("run", "sample", "counter", "end"):
            return None
        if event.get("part"):
            return None  # what a recorded run saw on its way: its last sample says it all
        parts = self._open.setdefault(name, {})
        parts[event["type"]] = event
        if event["type"] != "end":
            return None
        del self._open[name]
        result = _result(self._planned[name], parts)
        self.runs.append(result)
        return result


def _result(plan: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> RunResult:
    end, sample = parts["end"], parts.get("sample", {})
    deltas = parts.get("counter", {}).get("deltas", {})
    return RunResult(
        name=plan["run"],
        block=plan["block"],
        arm=plan["arm"],
        tracker=plan["tracker"],
        twin=plan["twin"],
        duration=end["duration_ns"] / 1e9,
        checksum=end["checksum"],
        examined=sample.get("examined", 0),
        positive=sample.get("positive", 0),
        lost=sample.get("lost", 0),
        self_cpu=sample.get("self_cpu_ns", 0) / 1e9,
        accuracy=Accuracy(**end["accuracy"]) if end.get("accuracy") else None,
        errors=run_errors(
            plan["tracker"], parts["run"]["settings"], bool(sample.get("moves_pages")), deltas
        ),
        units=sample.get("units", {}),
        deltas=deltas,
        own_work=bool(plan.get("workload")),
    )


def heat_ranges(event: Mapping[str, Any]) -> list[HeatRange]:
    """The heat of a `sample` event, unpacked."""
    return [
        HeatRange(
            start=part["start"],
            page_bytes=part["page_bytes"],
            possible=part["possible"],
            heat=zlib.decompress(base64.b64decode(part["heat_zlib_base64"])),
        )
        for part in event.get("hot", ())
    ]


def against_truth(
    heat: list[HeatRange], truth: Mapping[str, Any], end: Mapping[str, Any]
) -> Accuracy | None:
    """A run's heat against what the workload said at its start and, of phases, at its end."""
    phases = [HotPhase(**phase) for phase in end.get("phases") or ()]
    end_ns = phases[0].at_ns + end["duration_ns"] if phases else None
    known = truth_of(truth, phases, end_ns)
    return accuracy(heat, known) if known else None
