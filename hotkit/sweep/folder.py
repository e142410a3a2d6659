"""A sweep directory (of one part), analysed: from its manifest and journal alone."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hotkit.core.analysis import Analysis, RunResult, analyse
from hotkit.core.counters import CounterChange, counters_moved
from hotkit.core.design import settings_of_arms
from hotkit.core.labels import Label, machine_label
from hotkit.core.sweepstate import SweepState
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.store import read_journal, read_manifest
from hotkit.sweep.journal import RunCollector


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """A sweep: its directory, what was planned and found, where it was measured."""

    folder: Path
    manifest: Mapping[str, Any]
    runs: tuple[RunResult, ...]
    analysis: Analysis
    state: SweepState

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

    @cached_property
    def moved(self) -> dict[str, tuple[CounterChange, ...]]:
        """The counters that moved, by arm: every form of the report has them."""
        return counters_moved(self.runs)

    @cached_property
    def schedule_sha256(self) -> str | None:
        """The hash of the schedule that the manifest holds, computed anew; None when it has none.

        It is the one that the manifest states, unless somebody changed the schedule.
        """
        schedule = self.manifest.get("schedule")
        if schedule is None:
            return None
        return hashlib.sha256(json.dumps(schedule, sort_keys=True).encode()).hexdigest()

    @property
    def exit_code(self) -> ExitCode:
        believable = self.analysis.trusted and self.analysis.defined
        return ExitCode.OK if believable else ExitCode.NOT_TRUSTWORTHY


def load_sweep(folder: Path) -> SweepResult:
    """Analyse a sweep directory anew. Raises HotkitError, with exit code 5 without any block."""
    with _kept_for_good():
        return _load(folder)


def _load(folder: Path) -> SweepResult:
    manifest = read_manifest(folder)
    if "description" not in manifest:
        raise HotkitError(f"{folder}: is no sweep", hint=f"hotkit record report {folder}")
    collector, state = RunCollector(manifest["schedule"]["runs"]), SweepState()
    for event in read_journal(folder):
        collector.add(event)
        state.add(event)
    blocks = planned_blocks(manifest, state)
    try:
        analysis = analyse_blocks(collector, manifest, blocks)
    except ValueError as error:
        raise HotkitError(f"{folder}: {error}", exit_code=ExitCode.NOT_TRUSTWORTHY) from error
    return SweepResult(
        folder=folder,
        manifest=manifest,
        runs=tuple(run for run in collector.runs if run.block < blocks),
        analysis=analysis,
        state=state,
    )


def planned_blocks(manifest: Mapping[str, Any], state: SweepState) -> int:
    """How many blocks the sweep was to have: those of its schedule, or those that were enough.

    Under way, `until` has decided nothing yet: then it is the most that there may be.
    """
    if state.planned_blocks is not None:
        return state.planned_blocks
    runs = manifest["schedule"]["runs"]
    return 1 + max((run.get("block", 0) for run in runs), default=-1)


def analyse_blocks(found: RunCollector, manifest: Mapping[str, Any], blocks: int) -> Analysis:
    """The figures of the first `blocks` blocks. ValueError when none is complete."""
    return analyse(
        [run for run in found.runs if run.block < blocks],
        reruns=found.reruns,
        gates=found.gates,
        blocks=blocks,
        sesoi_fraction=manifest["description"]["smallest_effect_percent"] / 100,
        settings=settings_of_arms(manifest["schedule"]["runs"]),
    )


@contextmanager
def _kept_for_good() -> Iterator[None]:
    """What is made here is none of the garbage collector's business: all of it stays.

    Of 100,000 runs it would walk over some million objects, again and again.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()
