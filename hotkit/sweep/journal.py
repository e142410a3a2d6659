"""From the lines of a sweep's journal to the runs that are analysed."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any

from hotkit.core.accuracy import Accuracy, HeatRange, HotPhase, accuracy, truth_of
from hotkit.core.analysis import RunResult
from hotkit.core.armcheck import run_errors
from hotkit.core.deltas import DeltaPacker
from hotkit.core.design import SCOPE
from hotkit.core.inguest import Clocks, VmSeen
from hotkit.core.reruns import Rerun, SessionGates

_PARTS = frozenset(("run", "sample", "counter", "end"))
_NONE: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonedRun:
    """A finished run that does not count, and why: a sentence for each reason."""

    run: RunResult
    reasons: tuple[str, ...]


class _Attempt:
    """One attempt at a block: its finished runs, and why it does not count, if so."""

    def __init__(self) -> None:
        self.runs: dict[str, RunResult] = {}
        self.abandoned = False
        # A line of the journal may be there twice: reasons and failed runs are kept once.
        self.reasons: dict[str, None] = {}
        self.arms: dict[str, str] = {}


class RunCollector:
    """Puts the events of each run together: run, sample, counter, end.

    A run counts only with its end, and once, whatever is delivered twice. `planned` (the runs of
    the manifest's schedule) says which block and arm it belongs to. The runs of a block that count
    are those of one attempt: the last one, unless it was abandoned (events gate and rerun).
    """

    def __init__(self, planned: Iterable[Mapping[str, Any]]) -> None:
        self._planned = {entry["run"]: entry for entry in planned}
        self._in_guest = any(SCOPE in entry for entry in self._planned.values())
        self._open: dict[tuple[str, int], dict[str, Mapping[str, Any]]] = {}
        self._blocks: dict[int, dict[int, _Attempt]] = {}
        # In the order of the journal; the list is made anew only when runs were put aside.
        self._counted: dict[str, RunResult] = {}
        self._listed: list[RunResult] | None = []
        self._packer = DeltaPacker()
        # What a tracker says of how it worked is the same in nearly all runs of an arm.
        self._facts: dict[str, Mapping[str, Any]] = {}
        # The run that the last event was of: nearly always the next one is of the same.
        self._at: tuple[str, int] | None = None
        self._parts: dict[str, Mapping[str, Any]] = {}
        self.gates: SessionGates | None = None

    @property
    def runs(self) -> list[RunResult]:
        """The runs that count, in the order of the journal."""
        if self._listed is None:
            self._listed = list(self._counted.values())
        return self._listed

    @property
    def abandoned(self) -> tuple[AbandonedRun, ...]:
        """The finished runs that do not count, block by block."""
        return tuple(
            AbandonedRun(run=run, reasons=tuple(found.reasons))
            for _, _, found in self._given_up()
            for run in found.runs.values()
        )

    @property
    def reruns(self) -> tuple[Rerun, ...]:
        """The attempts that do not count, block by block."""
        return tuple(
            Rerun(
                block=block,
                attempt=attempt,
                reasons=tuple(found.reasons),
                runs_abandoned=len(found.runs),
                arms=tuple(found.arms.values()),
            )
            for block, attempt, found in self._given_up()
        )

    @property
    def attempts(self) -> dict[int, int]:
        """Of each block that was begun, the attempt that counts or that is due."""
        last = {block: max(attempts) for block, attempts in self._blocks.items()}
        return {
            block: attempt + self._blocks[block][attempt].abandoned
            for block, attempt in sorted(last.items())
        }

    def add(self, event: Mapping[str, Any]) -> RunResult | None:
        """Take one event; returns the run that it completed, if that counts."""
        kind, attempt = event["type"], event.get("attempt", 0)
        if kind in _PARTS:
            if event.get("run") in self._planned:
                return self._add_part(kind, event, attempt)
            return None
        if kind == "gates":
            before = self.gates.unchecked if self.gates else {}
            self.gates = SessionGates(
                bounds=event["bounds"], unchecked={**before, **event["unchecked"]}
            )
        elif kind == "gate" and event["run"] in self._planned:
            run, block = event["run"], event["block"]
            self._abandon(
                block, attempt, [f"{run}, {event['when']} it: {it}" for it in event["problems"]]
            )
            self._blocks[block][attempt].arms[run] = self._planned[run]["arm"]
        elif kind == "rerun":
            self._abandon(event["block"], attempt, [event["reason"]])
        return None

    def _add_part(self, kind: str, event: Mapping[str, Any], attempt: int) -> RunResult | None:
        if event.get("part"):
            return None  # what a recorded run saw on its way: its last sample says it all
        name = event["run"]
        if kind == "run" or self._at != (name, attempt):
            if name in self._attempt(self._planned[name]["block"], attempt).runs:
                self._at = None
                return None
            self._at = (name, attempt)
            if kind == "run":
                # A run that was cut off began here before: nothing of that may be mixed in.
                self._open[name, attempt] = {}
            self._parts = self._open.setdefault((name, attempt), {})
        self._parts[kind] = event
        return self._end_run(name, attempt) if kind == "end" else None

    def _end_run(self, name: str, attempt: int) -> RunResult | None:
        plan = self._planned[name]
        parts = self._open.pop((name, attempt))
        facts = parts.get("sample", {}).get("facts") or _NONE
        if facts:
            facts = self._facts.setdefault(repr(facts), facts)
        result = _result(plan, parts, attempt, self._packer, facts, self._in_guest)
        self._at = None
        found = self._attempt(plan["block"], attempt)
        found.runs[name] = result
        if found.abandoned:
            return None
        self._counted[name] = result
        if self._listed is not None:
            self._listed.append(result)
        return result

    def _attempt(self, block: int, attempt: int) -> _Attempt:
        """The attempt, which takes the place of those before it."""
        attempts = self._blocks.setdefault(block, {})
        if attempt not in attempts:
            attempts[attempt] = _Attempt()
            for number in sorted(attempts)[:-1]:
                if not attempts[number].abandoned:
                    self._abandon(block, number, [f"attempt {max(attempts)} took its place"])
        return attempts[attempt]

    def _abandon(self, block: int, attempt: int, reasons: Iterable[str]) -> None:
        found = self._attempt(block, attempt)
        found.reasons.update(dict.fromkeys(reasons))
        if found.abandoned:
            return
        found.abandoned = True
        for name in found.runs:
            self._counted.pop(name, None)
            self._listed = None

    def _given_up(self) -> Iterator[tuple[int, int, _Attempt]]:
        for block, attempts in sorted(self._blocks.items()):
            for attempt, found in sorted(attempts.items()):
                if found.abandoned:
                    yield block, attempt, found


def _result(
    plan: Mapping[str, Any],
    parts: Mapping[str, Mapping[str, Any]],
    attempt: int,
    packer: DeltaPacker,
    facts: Mapping[str, Any],
    in_guest: bool,
) -> RunResult:
    end, sample = parts["end"], parts.get("sample", {})
    settings, scope = parts["run"]["settings"], plan.get(SCOPE, "")
    vm, clocks, flush = sample.get("vm"), end.get("clocks"), settings.get("flush")
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
            plan["tracker"], settings, bool(sample.get("moves_pages")), deltas, scope, in_guest
        ),
        units=sample.get("units", {}),
        deltas=packer.pack(deltas),
        own_work=bool(plan.get("workload")),
        attempt=attempt,
        scope=scope,
        # One text for all runs: a sweep may have a hundred thousand.
        flush=intern(flush) if isinstance(flush, str) else None,
        facts=facts,
        vm=VmSeen(**{key: vm[key] for key in VmSeen.__slots__ if key in vm}) if vm else None,
        clocks=Clocks(
            host=clocks["host_ns"] / 1e9,
            guest=clocks["guest_ns"] / 1e9,
            error=clocks.get("error_ns", 0) / 1e9,
        )
        if clocks
        else None,
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
