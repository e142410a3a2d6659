"""One part of a sweep: one schedule on one host, from its manifest to its last event.

Everything is in the part's directory, so that a part is gone on with after anything: the journal
says what is there, the agent on the host (which goes on by itself) has the rest.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotkit.agentplace import Place, install
from hotkit.core.accuracy import HeatRange
from hotkit.core.analysis import Analysis
from hotkit.core.stopping import Until
from hotkit.core.sweepstate import SweepState
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.agentlink import (
    AgentGone,
    ConnectionLost,
    ask_agent,
    follow_agent,
)
from hotkit.host.run import run
from hotkit.host.ssh import Ssh
from hotkit.host.store import Journal, read_journal, read_manifest
from hotkit.host.sweepspec import SweepSpec
from hotkit.host.zipapp import built_before
from hotkit.measuring import keep_heat, now, silence_s
from hotkit.sweepfolder import analyse_blocks, planned_blocks
from hotkit.sweepjournal import RunCollector, against_truth, heat_ranges

SPOOL = "/var/lib/hotkit/agent/sweeps"
# A host that is gone may be rebooting: how long the way to it is tried again.
PATIENCE_S = 900.0
_RETRY_S = 3.0
_MOST_STARTS = 3
# Of the time, for the running estimate: less than what a sweep looks for.
_ESTIMATE_SHARE = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a part stands: for the live view. `analysis` is of the blocks finished so far.

    `gate`: why a block begins anew, just now. `left_s`: seconds left at the pace so far.
    """

    host: str
    step: str
    part: str = ""
    done: int = 0
    total: int = 0
    block: int | None = None
    blocks: int = 0
    arm: str | None = None
    analysis: Analysis | None = None
    reruns: int = 0
    gate: str | None = None
    left_s: float | None = None


Watch = Callable[[Progress], None]


@dataclass(slots=True)
class StopSign:
    """Shared by all parts of a sweep: how to stop, if so ("", "run", "block", "now")."""

    when: str = ""
    changed: threading.Event = field(default_factory=threading.Event)

    def raise_to(self, when: str) -> None:
        """Ask all parts to stop."""
        self.when = when
        self.changed.set()


class Part:
    """One part that is under way. The controller's half of agent/spool.py."""

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
        self.analysis: Analysis | None = None
        self._watch = watch
        self._stop = stop or StopSign()
        self._prepare = prepare
        self._asked = ""
        self._truth: dict[str, Any] = {}
        self._heat: list[HeatRange] = []
        self._paths: list[str] = []
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
                self._ask("forget")
            return self.state.finished

    def ask_to_stop(self, when: str) -> str:
        """Tell the agent, whoever follows it; a few words about it. HotkitError: cannot be told."""
        for event in read_journal(self.folder):
            self._take(event)
        if self.state.finished:
            return "finished already"
        if not self.state.open:
            return "nothing is at work"
        self._paths = self._known_paths()
        done = run(self._agent_words("stop", "--when", when), check=False, timeout=60, input="")
        if done.returncode != 0:
            raise HotkitError(
                f"{self.place.name}: the agent cannot be told: {done.stderr.strip()[-200:]}",
                exit_code=ExitCode.UNREACHABLE,
            )
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
                self._wait_for_host(error)

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
        self._install()
        machine = self._same_machine()
        if self.state.boot_id not in (None, machine["boot_id"]):
            self._begin_block_anew(journal)
        number = self.state.session + 1
        journal_line(journal, "session", session=number, boot_id=machine["boot_id"])
        self.state.add({"type": "session", "by": "controller", "session": number})
        plan = self._what_is_left(number)
        agent, workload, scan = self._paths
        argv = [self.place.python, agent, "start", "--binary", workload, "--scan", scan]
        done = run(
            self.place.words(argv), check=False, timeout=120, input=json.dumps(plan) + "\n",
            own_session=True,
        )  # fmt: skip
        _check_started(done, self.place.name)

    def _install(self) -> None:
        files = built_before(self.manifest["files"], self.manifest["sha256"])
        self._paths = install(self.place, files, self.folder)

    def _same_machine(self) -> dict[str, Any]:
        """The machine as it is now; an error when it runs something else than at the beginning."""
        done = run(
            self.place.words([self.place.python, self._paths[0], "hello"]),
            check=False, timeout=120, input="", own_session=True,
        )  # fmt: skip
        machine: dict[str, Any] = ask_agent(done, host=self.place.name)[0]["machine"]
        for key in ("kernel_release", "cmdline", "cpus"):
            before = self.manifest["machine"].get(key)
            if before != machine.get(key):
                raise HotkitError(
                    f"{self.place.name}: {key} is {machine.get(key)!r}, and was {before!r} when the"
                    " sweep began",
                    hint="boot the same kernel and layout again, or begin a new sweep",
                    exit_code=ExitCode.VERDICT_FAILED,
                )
        return machine

    def _begin_block_anew(self, journal: Journal) -> None:
        """Runs that are compared are of one boot: a block that a reboot cut begins again."""
        done = {result.name for result in self.collector.runs}
        for block in sorted({entry["block"] for entry in self.plan["runs"]}):
            names = [e["run"] for e in self.plan["runs"] if e["block"] == block]
            if set(names) & done and not set(names) <= done:
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
        if not self._paths:
            self._paths = self._known_paths()
        argv = self._agent_words("follow", "--from", str(self.state.next_event))
        if self.state.work is None and self.plan["calibrate_ms"]:
            self._show("finding the amount of work")
        self.heed_stop()
        with follow_agent(
            argv, first=self.state.next_event, host=self.place.name,
            remote=self.place.host is not None, silence_s=silence_s(self.spec.only_workload),
        ) as events:  # fmt: skip
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
        size = sum(entry["block"] == 0 for entry in self.plan["runs"])
        whole = len(self.collector.runs) // size
        if whole == self._judged_blocks or len(self.collector.runs) % size:
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
            self._ask("stop", "--when", "now")

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
            self._ask("stop", "--when", self._asked)

    def _ask(self, command: str, *more: str) -> None:
        """Tell the agent something; that it cannot be told is no failure of what was measured."""
        if self.state.session < 0:
            return
        if not self._paths:
            self._paths = self._known_paths()
        try:
            run(
                self._agent_words(command, *more),
                check=False, timeout=60, input="", own_session=True,
            )  # fmt: skip
        except HotkitError:
            return

    def _agent_words(self, command: str, *more: str) -> list[str]:
        about = ["--sweep", self.manifest["sweep"], "--session", str(self.state.session)]
        return self.place.words([self.place.python, self._paths[0], command, *about, *more])

    def _known_paths(self) -> list[str]:
        """Where the agent of a session that was begun is, without looking."""
        return self.place.paths(built_before(self.manifest["files"], self.manifest["sha256"]))

    def _wait_for_host(self, lost: HotkitError) -> None:
        """Until it answers again, whatever it is now: the next follower will tell."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and not self._stop.when:
            self._show(f"waiting for the host ({lost.message.split(': ', 1)[-1][:60]})")
            if self.place.host is None:
                return
            ssh = Ssh(self.place.host.way)
            try:
                ssh.hang_up()  # a shared connection to a machine that was reset leads nowhere
                ssh.run(["true"], timeout=30)
                return
            except HotkitError:
                self._stop.changed.wait(_RETRY_S)
        raise HotkitError(
            lost.message,
            hint=f"the agent goes on by itself; later: hotkit sweep resume {self.folder}",
            exit_code=ExitCode.UNREACHABLE,
        )

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
                blocks=planned_blocks(self.manifest, self.state),
                arm=entry["arm"] if entry else None,
                analysis=self.analysis,
                reruns=len(self.collector.reruns),
                gate=problems[0] if problems else None,
                left_s=self._left_s(),
            )
        )


def _check_started(done: Any, host: str) -> None:
    """What a start said: ConnectionLost, or HotkitError for what the agent cannot do."""
    try:
        event = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        event = {}
    if event.get("started"):
        return
    said = event.get("message") or (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    if done.returncode == 255:
        raise ConnectionLost(
            f"{host}: the connection was lost: {said}", exit_code=ExitCode.UNREACHABLE
        )
    raise HotkitError(
        f"{host}: the agent did not start: {said}", hint=event.get("fix"),
        exit_code=ExitCode.VERDICT_FAILED,
    )  # fmt: skip


def journal_line(journal: Journal, kind: str, **fields: Any) -> dict[str, Any]:
    """A line of the controller's own; returns it."""
    event = {"type": kind, "by": "controller", **fields, "received": now()}
    journal.append(event)
    return event
