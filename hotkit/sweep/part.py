"""One part of a sweep: one schedule on one host, from its manifest to its last event.

Everything is in the part's directory, so that a part is gone on with after anything: the journal
says what is there, the agent on the host (which goes on by itself) has the rest.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hotkit.agentplace import Place
from hotkit.core.accuracy import HeatRange
from hotkit.core.analysis import Analysis
from hotkit.core.stopping import Until
from hotkit.core.sweepstate import SweepState
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.agentlink import AgentGone
from hotkit.host.store import Journal, read_journal, read_manifest
from hotkit.host.sweepspec import SweepSpec
from hotkit.measuring import keep_heat, now, silence_s
from hotkit.sweep.folder import analyse_blocks, planned_blocks
from hotkit.sweep.hostagent import SPOOL, HostAgent
from hotkit.sweep.journal import RunCollector, against_truth, heat_ranges
from hotkit.sweep.progress import Progress, StopSign, Watch

_MOST_STARTS = 3
# Of the time, for the running estimate: less than what a sweep looks for.
_ESTIMATE_SHARE = 0.001


class Part:
    """One part that is under way."""

    def __init__(
        self,
        folder: Path,
        place: Place,
        watch: Watch = lambda progress: None,
        stop: StopSign | None = None,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """`prepare` is called before an agent is started: it sees that the right layout runs."""
        self.folder = folder
        self.place = place
        self.manifest = read_manifest(folder)
        self.spec = SweepSpec.model_validate(self.manifest["description"])
        self.plan: dict[str, Any] = self.manifest["schedule"]
        self.planned = {entry["run"]: entry for entry in self.plan["runs"]}
        self.state = SweepState()
        self.collector = RunCollector(self.plan["runs"])
        # Derived once: each event of a run needs them, on a machine that may measure itself.
        self._most_blocks = planned_blocks(self.manifest, self.state)
        self._block_size = len(self.planned) // self._most_blocks
        self.agent = HostAgent(place, self.manifest, folder)
        self.analysis: Analysis | None = None
        self._watch = watch
        self._stop = stop or StopSign()
        self._prepare = prepare
        self._asked = ""
        self._truth: dict[str, Any] = {}
        self._heat: list[HeatRange] = []
        self._judged_blocks = 0
        self._pace: tuple[float, int] | None = None
        self._next_estimate = 0.0

    def carry_out(self) -> bool:
        """Until the schedule is done or a stop was wanted; returns whether it is done.

        Raises HotkitError for what cannot go on (exit code 3 when the host stays away).
        """
        with Journal(self.folder) as journal:
            for event in read_journal(self.folder):
                self._take(event)
            # An earlier stop is over, and what failed three times is tried again.
            self.state.stopped, self.state.sessions_without_a_run = "", 0
            try:
                self._until_done(journal)
            except HotkitError as error:
                with suppress(HotkitError):  # the disk that is full is the one of the journal
                    journal_line(journal, "error", message=error.message)
                raise
            self._show("done" if self.state.finished else "stopped")
            if self.state.finished:
                with suppress(HotkitError):  # it is fetched: what stays there harms nobody
                    self.agent.forget(self.state.session)
            return self.state.finished

    def ask_to_stop(self, when: str) -> str:
        """Tell the agent, whoever follows it; a few words about it. HotkitError: cannot be told."""
        for event in read_journal(self.folder):
            self._take(event)
        if self.state.finished:
            return "finished already"
        if not self.state.open:
            return "nothing is at work"
        self.agent.stop(self.state.session, when)
        return {"now": "told to stop now"}.get(when, f"told to stop after this {when}")

    def _until_done(self, journal: Journal) -> None:
        while not self.state.finished and not self._is_stopped():
            try:
                if not self.state.open:
                    self._start(journal)
                self._follow(journal)
            except AgentGone as error:
                journal_line(journal, "gone", session=self.state.session, message=error.message)
                self.state.open = False
            except HotkitError as error:
                if error.exit_code is not ExitCode.UNREACHABLE:
                    raise
                self.agent.wait_for_host(error, self._show, self._stop.within)

    def _is_stopped(self) -> bool:
        """Whether nothing more is to be done although the schedule is not: by us, or by another."""
        return not self.state.open and bool(self._stop.when or self.state.stopped)

    def _start(self, journal: Journal) -> None:
        """Begin the next session of the agent, with what is left of the schedule."""
        if self.state.sessions_without_a_run >= _MOST_STARTS:
            raise HotkitError(
                f"{self.place.name}: the agent was started {_MOST_STARTS} times and ended each time"
                " before a run was done",
                hint=f"what it said is on the host, below {SPOOL}/{self.manifest['sweep']}",
                exit_code=ExitCode.VERDICT_FAILED,
            )
        if self.state.session >= 0:
            self._prepare()  # of the first session it was done before the manifest was made
        self._show("installing the agent")
        self.agent.install()
        machine = self.agent.same_machine()
        if self.state.boot_id not in (None, machine["boot_id"]):
            self._begin_block_anew(journal)
        number = self.state.session + 1
        journal_line(journal, "session", session=number, boot_id=machine["boot_id"])
        self.state.add({"type": "session", "by": "controller", "session": number})
        self.agent.start(self._what_is_left(number))

    def _begin_block_anew(self, journal: Journal) -> None:
        """Runs that are compared are of one boot: a block that a reboot cut begins again."""
        done = Counter(result.block for result in self.collector.runs)
        for block in sorted(done):
            if done[block] < self._block_size:
                line = {
                    "block": block,
                    "attempt": self.collector.attempts.get(block, 0),
                    "reason": "the machine was booted anew within the block",
                }
                event = journal_line(journal, "rerun", **line)
                self.collector.add(event)

    def _what_is_left(self, session: int) -> dict[str, Any]:
        """The schedule for the agent, with what is done and the amount of work, once known."""
        left = dict(self.plan)
        if self.state.work:
            key, amount = self.state.work
            workload = left["workload"]
            left["workload"] = {
                **workload, "parameters": {**workload["parameters"], key: amount},
            }  # fmt: skip
            left["calibrate_ms"] = None
        if left.get("most_s") is not None:
            left["most_s"] = max(0.0, left["most_s"] - self.state.elapsed_s)
        return {
            **left,
            "sweep": self.manifest["sweep"],
            "session": session,
            "done": [result.name for result in self.collector.runs],
            "attempts": {str(key): value for key, value in self.collector.attempts.items()},
            "session_knobs": self.state.knobs,
        }

    def _follow(self, journal: Journal) -> None:
        if self.state.work is None and self.plan["calibrate_ms"]:
            self._show("finding the amount of work")
        self.heed_stop()
        silence = silence_s(self.spec.only_workload, guest=self.spec.guest is not None)
        with self.agent.follow(self.state.session, self.state.next_event, silence) as events:
            for event in events:
                self._one_event(event, journal)
                self.heed_stop()

    def _one_event(self, event: dict[str, Any], journal: Journal) -> None:
        """On disk before it counts. What the journal has already is only looked at again."""
        if event["type"] == "run":
            self._truth, self._heat = event["truth"], []
        elif event["type"] == "sample":
            self._heat = heat_ranges(event)
            event = keep_heat(event, self._truth, journal)
        elif event["type"] == "end" and event["run"]:
            judged = against_truth(self._heat, self._truth, event)
            event = {**event, "accuracy": judged.to_dict() if judged else None}
        if event["seq"] < self.state.known:
            return
        line = {**event, "session": self.state.session, "received": now()}
        journal.append(line)
        self._take(line)
        if event["type"] in ("run", "gate"):
            self._show("running", event)
        if event["type"] == "end" and event["run"]:
            self._judge(journal)

    def _take(self, event: Mapping[str, Any]) -> None:
        self.state.add(event)
        self.collector.add(event)

    def _judge(self, journal: Journal) -> None:
        """The running estimate after a block, and whether it is enough.

        Without `until` nobody waits for it. On a machine that measures itself it takes a CPU from
        what is measured, and with cross-checks it costs as much as a short run: it is made so
        rarely that its share of the time is _ESTIMATE_SHARE at most.
        """
        whole, rest = divmod(len(self.collector.runs), self._block_size)
        if whole == self._judged_blocks or rest:
            return
        self._judged_blocks = whole
        began = time.monotonic()
        if self.spec.until is None and began < self._next_estimate:
            return
        try:
            self.analysis = analyse_blocks(self.collector, self.manifest, whole)
        except ValueError:
            return
        ended = time.monotonic()
        self._next_estimate = ended + (ended - began) / _ESTIMATE_SHARE
        reason = self._enough(whole)
        if reason:
            event = journal_line(journal, "enough", blocks=whole, reason=reason)
            self.state.add(event)
            with suppress(HotkitError):  # it has measured more than is needed, then
                self.agent.stop(self.state.session, "now")

    def _enough(self, blocks: int) -> str | None:
        until = self.spec.until
        if until is None:
            return None
        half = until.half_width_percent
        rule = Until(
            least_blocks=self.spec.blocks,
            most_blocks=until.most_blocks,
            half_width_fraction=half / 100 if half else None,
            verdict=until.verdict,
        )
        return rule.enough(self.analysis, blocks)

    def heed_stop(self) -> None:
        """Pass the stop sign on to the agent; from any thread."""
        if self._stop.when and self._stop.when != self._asked:
            self._asked = self._stop.when
            if self.state.session >= 0:
                with suppress(HotkitError):  # it goes on by itself: nothing is lost
                    self.agent.stop(self.state.session, self._asked)

    def _left_s(self) -> float | None:
        """At the pace since this process saw its first run."""
        done = len(self.collector.runs)
        if self._pace is None:
            self._pace = (time.monotonic(), done)
        began, before = self._pace
        if done <= before:
            return None
        return (time.monotonic() - began) / (done - before) * (len(self.planned) - done)

    def _show(self, step: str, event: Mapping[str, Any] | None = None) -> None:
        entry = self.planned.get(str(event["run"])) if event else None
        problems = event.get("problems") if event else None
        self._watch(
            Progress(
                host=self.place.name,
                part=self.folder.name,
                step=step,
                done=len(self.collector.runs),
                total=len(self.planned),
                block=entry["block"] if entry else None,
                blocks=self.state.planned_blocks or self._most_blocks,
                arm=entry["arm"] if entry else None,
                analysis=self.analysis,
                reruns=len(self.collector.reruns),
                gate=problems[0] if problems else None,
                left_s=self._left_s(),
            )
        )


def journal_line(journal: Journal, kind: str, **fields: Any) -> dict[str, Any]:
    """A line of the controller's own; returns it."""
    event = {"type": kind, "by": "controller", **fields, "received": now()}
    journal.append(event)
    return event
