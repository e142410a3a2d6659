"""Carries out a schedule: every run in the order that the controller drew, one event stream.

A schedule is `{"v": 1, "workload": {"kind", "parameters": {...}}, "calibrate_ms": int | null,
"runs": [{"run", "block", "tracker", "settings": {...}, "workload": {...}, ...}]}`. With
`calibrate_ms` the amount of work is found first, once, so that a run takes about that long; all
runs then do the same work, but for what a run's own `workload` replaces. With `"record": {"bins",
"every_ms"}` every run also tells what its tracker sees while it sees it. A schedule that goes on
where another agent ended has `done` (names of runs) and `attempts` (of blocks, blocks.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hotkit.agent import quiesce
from hotkit.agent.blocks import Blocks
from hotkit.agent.calibrate import amount_for
from hotkit.agent.gates import Gates
from hotkit.agent.guest.stage import WithGuest
from hotkit.agent.platform import describe
from hotkit.agent.protocol import VERSION, AgentError, Emitter
from hotkit.agent.recording import BinRecorder
from hotkit.agent.stage import Here, Programs, end_run, settings_of
from hotkit.agent.trackers.base import Tracker
from hotkit.agent.undo import Undo
from hotkit.agent.workloads.base import Workload


class Runner:
    """One schedule on this machine. `undo` must be open before `carry_out`."""

    def __init__(self, emitter: Emitter, programs: Programs, agent_hash: str, undo: Undo):
        self._emit = emitter.emit
        self._programs = programs
        self._hash = agent_hash
        self._undo = undo
        self._stage = Here(programs, undo)
        self._workload: Workload | None = None
        self._tracker: Tracker | None = None
        self._record: dict[str, int] | None = None

    def clean_up(self) -> None:
        """End what runs, and put back what it touched."""
        tracker, self._tracker = self._tracker, None
        workload, self._workload = self._workload, None
        end_run(tracker, workload, self._undo)

    def hello(self, restored: list[str]) -> None:
        """Who speaks; `restored` is what an agent before us left, and what was put back of it."""
        self._emit(
            "hello",
            protocol=VERSION,
            agent_sha256=self._hash,
            machine=describe(),
            restored=restored,
        )

    def probe(self, wanted: list[dict[str, Any]]) -> bool:
        """Say for each `{"tracker", "settings"}` whether it works here; whether all do."""
        works = True
        for item in wanted:
            scope = item.get("scope") or ""
            settings = settings_of(item["tracker"], item.get("settings"), scope)
            tracker, found = self._stage.probe(item["tracker"], settings, scope)
            works = works and found.available
            where = {"scope": scope} if scope else {}
            self._emit(
                "probe", tracker=tracker.name, how=tracker.how, units=tracker.units,
                settings=settings, **where, **found.as_json(),
            )  # fmt: skip
        return works

    def carry_out(
        self, schedule: dict[str, Any], stop_wanted: Callable[[], str] = lambda: ""
    ) -> None:
        """The whole schedule, or until a stop is wanted. AgentError when it cannot go on."""
        if schedule.get("v") != VERSION:
            raise AgentError(f"the schedule is of version {schedule.get('v')!r}, not {VERSION}")
        self._quiesce(schedule.get("quiesce"))
        if schedule.get("guest"):
            self.bring_guest_up(schedule["guest"])
        arms = {
            repr((run["tracker"], run.get("settings"), run.get("scope"))): run
            for run in schedule["runs"]
        }
        if not self.probe(list(arms.values())):
            raise AgentError("not every tracker of the schedule can be used here")
        spec = schedule["workload"]
        kind = spec["kind"]
        work_key = self._stage.work_key(kind)
        parameters = dict(spec["parameters"])
        if schedule.get("calibrate_ms"):
            wanted_ms = schedule["calibrate_ms"]
            parameters[work_key] = self._calibrate(kind, work_key, parameters, wanted_ms)
        self._record = schedule.get("record")
        began = time.monotonic_ns()

        gates = self._gates(schedule)

        def one_run(run: dict[str, Any], attempt: int) -> list[str]:
            own = dict(parameters, **(run.get("workload") or {}))
            return self._gated_run(gates, kind, own, run, attempt)

        try:
            ended = Blocks(schedule, one_run, stop_wanted).carry_out()
        finally:
            if gates is not None:
                gates.close()
            self._stage.close()
        self._emit("end", run=None, elapsed_ns=time.monotonic_ns() - began, **ended)

    def bring_guest_up(self, description: dict[str, Any]) -> None:
        """The workload is to run in a guest of this machine (hotkit/agent/guest/stage.py)."""
        stage = WithGuest(self._programs, self._undo, description)
        self._stage = stage
        self._emit("probe", guest={"name": description["name"], "machine": stage.hello()})

    def _quiesce(self, settings: dict[str, Any] | None) -> None:
        """Make the machine quiet for this session; AgentError when it is not so then."""
        if settings is None:
            return
        missing = [str(change) for change in quiesce.plan(settings) if change.why_not]
        said = quiesce.apply(self._undo.session, settings)
        problems = quiesce.check(settings, self._undo.session)
        self._emit(
            "probe",
            quiesce={"act": "apply", "said": said, "missing": missing, "problems": problems},
        )
        if problems:
            raise AgentError(
                f"the machine could not be made quiet: {problems[0]}",
                "set what cannot be had to leave, under quiesce: in SWEEP.yml",
            )

    def _gates(self, schedule: dict[str, Any]) -> Gates | None:
        """Of a schedule with `gates`: {gate: bound}; `session_knobs` are those it began with."""
        if schedule.get("gates") is None:
            return None
        gates = Gates(schedule["gates"], session_knobs=schedule.get("session_knobs"))
        self._emit("gates", **gates.as_json(), knobs=gates.knobs)
        return gates

    def _gated_run(
        self,
        gates: Gates | None,
        kind: str,
        parameters: dict[str, Any],
        run: dict[str, Any],
        attempt: int,
    ) -> list[str]:
        """One run between its gates; returns why it does not count."""
        self._stage.ready()
        before = gates.before() if gates is not None else {"problems": []}
        when, problems = "before", list(before["problems"])
        end: dict[str, Any] = {}
        if not problems:
            when = "after"
            try:
                end, seen, deltas = self._one_run(kind, parameters, run, attempt)
            except (AgentError, OSError, ValueError) as error:
                when, problems = "during", self._stage.trouble(error)
                if not problems:
                    raise
            else:
                problems = self._stage.after_run(end)
                if gates is not None:
                    problems += gates.after(before, deltas, seen["lost"], seen["examined"])
        if problems:
            self._emit(
                "gate", run=run["run"], block=run["block"], attempt=attempt, when=when,
                problems=problems,
            )  # fmt: skip
        if end:
            # After its gate: a run that was not judged must not count.
            self._emit("end", run=run["run"], attempt=attempt, **end)
        return problems

    def _calibrate(
        self, kind: str, work_key: str, parameters: dict[str, Any], wanted_ms: int
    ) -> int:
        """The amount of work that takes `wanted_ms` without a tracker; doubles as the warm-up."""

        def time_of(amount: int) -> int:
            wanted = dict(parameters, **{work_key: amount})
            return int(self._timed(kind, wanted)["duration_ns"])

        work = amount_for(time_of, wanted_ms * 1_000_000)
        self._emit("probe", workload=work, calibrated=work_key, wanted_ms=wanted_ms)
        return work

    def _timed(self, kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._workload = self._stage.workload(kind, parameters)
        try:
            self._workload.start()
            return self._workload.run()
        finally:
            self.clean_up()

    def _one_run(
        self, kind: str, parameters: dict[str, Any], run: dict[str, Any], attempt: int
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, int]]:
        """Populate, start the tracker, time the work, stop the tracker, tell.

        Returns the end of the run, what was sampled, and how much the machine's counters grew.
        """
        who = {"run": run["run"], "attempt": attempt}
        scope = run.get("scope") or ""
        settings = settings_of(run["tracker"], run.get("settings"), scope)
        self._workload = self._stage.workload(kind, parameters)
        tracker = self._stage.tracker(run["tracker"], scope)
        began = time.monotonic_ns()
        try:
            truth = self._workload.start()
            self._emit("run", **who, tracker=tracker.name, settings=settings, truth=truth)
            target = self._stage.target(truth, settings)
            recorder = self._recorder(run["run"], target["ranges"])
            tracker.recorder = recorder
            self._tracker = tracker
            before = self._stage.counters()
            tracker.start(target, settings)
            result = self._workload.run()
            tracker.stop()
            after = self._stage.counters()
            if recorder is not None:
                recorder.flush()
            self._tracker = None
            found, beside = self._stage.heat(tracker)
            heat = [part.as_json() for part in found]
        finally:
            self.clean_up()
        seen = tracker.samples().as_json()
        self._emit(
            "sample",
            **who,
            units=tracker.units,
            self_cpu_ns=tracker.self_cost(),
            cpus=tracker.cpus(),
            moves_pages=tracker.moves_pages,
            hot=heat,
            **({"facts": tracker.facts()} if tracker.facts() else {}),
            **beside,
            **seen,
        )
        deltas = {key: after[key] - before[key] for key in after if key in before}
        self._emit("counter", **who, deltas=deltas)
        return dict(result, harness_ns=time.monotonic_ns() - began), seen, deltas

    def _recorder(self, run: str, ranges: list[list[int]]) -> BinRecorder | None:
        if self._record is None:
            return None
        now_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        return BinRecorder(
            self._emit, run, ranges, self._record["bins"], self._record["every_ms"], now_ns
        )
