"""Stories about many hosts: a playbook's events become one outcome per host.

Every host that boots goes its own way in a thread and a playbook run of its own, so that one that
is slow or dead delays nobody. A window bounds how many are on their way at once. Hosts that do not
boot share a run: Ansible's forks are much cheaper than an Ansible each.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from hotkit.core.endings import Ending, ending_of
from hotkit.core.plaintext import plain_line
from hotkit.errors import HotkitError
from hotkit.host.ansible import Event, PlaybookRun
from hotkit.host.bootwatch import BootWatch, watching
from hotkit.host.holder import this_holder
from hotkit.host.inventory import Inventory
from hotkit.host.runs import RESULT
from hotkit.host.silence import why_silent
from hotkit.hostoutcome import HostOutcome, Result

_FELL_BACK = "the layout did not come up, and the machine fell back to its stock entry"


class Progress(Protocol):
    """Where the story says what happens; hotkit/report/provision.py draws it."""

    def step(self, host: str, step: str) -> None:
        """A host has begun a step."""

    def console_line(self, host: str, line: str) -> None:
        """The last line of a booting host's console."""

    def done(self, host: str, outcome: HostOutcome) -> None:
        """A host's story is over."""

    def plans(self, plans: Sequence[Mapping[str, Any]]) -> None:
        """Show the plans (HostPlan.to_dict) before anything is written."""

    def diff(self, host: str, diffs: Sequence[Mapping[str, Any]]) -> None:
        """Show what a step changed, or would change."""


class HostStory:
    """The hosts on their way; `outcomes` grows, `going` are those that nothing stopped yet."""

    playbook = "provision"

    def __init__(
        self, inventory: Inventory, progress: Progress, folder: Path, *, check: bool, diff: bool
    ) -> None:
        self.inventory = inventory
        self.progress = progress
        self.folder = folder
        self.check = check
        self.diff = diff
        self.outcomes = {host.name: HostOutcome(host=host.name) for host in inventory.hosts}
        self.over: set[str] = set()
        self.began = time.monotonic()
        self.holder = this_holder(folder.name)
        self.watches: dict[str, BootWatch] = {}
        self._numbers = {host.name: number for number, host in enumerate(inventory.hosts)}
        self._lock = threading.RLock()
        self._cancelled = threading.Event()

    def going(self) -> list[str]:
        return [name for name in self.outcomes if name not in self.over]

    def still(self, names: Sequence[str]) -> list[str]:
        """Those of `names` that nothing stopped yet."""
        going = set(self.going())
        return [name for name in names if name in going]

    def end(self, name: str, status: str, sentence: str, hint: str | None = None) -> None:
        with self._lock:
            seconds = time.monotonic() - self.began
            self.outcomes[name] = replace(
                self.outcomes[name], status=status, sentence=sentence, hint=hint, seconds=seconds
            )
            self.over.add(name)
            self.progress.done(name, self.outcomes[name])

    def note(self, name: str, **what: Any) -> None:
        with self._lock:
            self.outcomes[name] = replace(self.outcomes[name], **what)

    def decline(self) -> None:
        """Nobody approved: the hosts that are still going end here."""
        for name in self.going():
            self.end(name, "declined", "not approved; nothing was written")

    def together(self, work: Callable[[Sequence[str]], None], names: Sequence[str]) -> None:
        """Do `work` once for all of `names`; what it raises becomes their outcome."""
        try:
            if names:
                work(names)
        except HotkitError as error:
            for name in self.still(names):
                self.end(name, "failed", error.message, error.hint)

    def each(
        self, work: Callable[[str], None], *, batch: int, max_failures: int, failed: int = 0
    ) -> None:
        """Do `work` for every host still going, at most `batch` at once.

        After `max_failures` hosts ended badly (0: no limit; `failed` had before) no further one
        begins. What `work` raises becomes its host's outcome. Ctrl-C ends the playbooks under way,
        then is raised.
        """
        failures = failed

        def one(name: str) -> None:
            nonlocal failures
            if self._cancelled.is_set():
                return
            if max_failures and failures >= max_failures:
                said = f"not begun: {failures} other host{'s' * (failures > 1)} had failed"
                self.end(name, "not-started", said, "--max-failures allows more")
                return
            try:
                work(name)
            except HotkitError as error:
                self.end(name, "failed", error.message, error.hint)
            with self._lock:
                failures += name in self.over and self.outcomes[name].bad

        with ThreadPoolExecutor(max_workers=max(1, batch)) as pool:
            jobs = [pool.submit(one, name) for name in self.going()]
            try:
                left: set[Any] = set(jobs)
                while left:
                    # A time-out, because a wait without one does not notice Ctrl-C everywhere.
                    done, left = wait(left, timeout=0.5, return_when=FIRST_EXCEPTION)
                    for job in done:
                        job.result()
            except BaseException:
                self._cancelled.set()
                raise

    def run(
        self,
        phase: str,
        *,
        tags: Sequence[str] = (),
        extra: Mapping[str, Any],
        hosts: Sequence[str] | None = None,
        follow: bool = True,
    ) -> list[Event]:
        """Run one play for the hosts still going; report each step, end hosts that failed.

        Without `follow` what becomes of it changes no outcome.
        """
        hosts = hosts if hosts is not None else self.going()
        # Not the host's name: it may hold anything.
        folder = phase if len(hosts) != 1 else f"{phase}-{self._numbers[hosts[0]]}"
        events: list[Event] = []
        with PlaybookRun(
            self.playbook, self.inventory.path, self.folder / folder,
            hosts=hosts, tags=tags, extra={**extra, "hotkit_holder": self.holder},
            check=self.check, diff=self.diff, cancelled=self._cancelled,
            idle=self._show_consoles,
        ) as run:  # fmt: skip
            for event in run:
                events.append(event)
                if follow:
                    with self._lock:
                        self._follow(event, run)
        return events

    @contextmanager
    def watched(self, name: str) -> Iterator[None]:
        """Follow the host's console meanwhile, if it has one; kept in the run's folder."""
        copy = self.folder / "console" / f"{self._numbers[name]}.log"
        with watching(name, self.inventory.host(name).variables, copy) as watch:
            if watch is not None:
                self.watches[name] = watch
            yield

    def ending(self, name: str) -> Ending | None:
        """What the console tells of the host's boot; None when nobody watched it."""
        watch = self.watches.get(name)
        plan = self.outcomes[name].plan or {}
        return ending_of(watch.text(), plan.get("token")) if watch else None

    def _show_consoles(self) -> None:
        for name, watch in list(self.watches.items()):
            if name not in self.over:
                self.progress.console_line(name, watch.last_line())

    def _follow(self, event: Event, run: PlaybookRun) -> None:
        if event.host is None or event.host not in self.outcomes:
            return
        if event.kind == "started" and not event.task.startswith("Validating arguments"):
            self.progress.step(event.host, event.task)
        if event.kind == "skipped":
            self.progress.step(event.host, f"{event.task}: not needed")
        if event.result.get("notes"):
            old = self.outcomes[event.host].notes
            self.note(event.host, notes=(*old, *event.result["notes"]))
        if event.result.get("power_reset"):
            self.note(event.host, power_reset=event.result.get("power"))
        if event.changed:
            self.note(event.host, changed=self.outcomes[event.host].changed + 1)
        if self.diff and event.result.get("diff"):
            self.progress.diff(event.host, event.result["diff"])
        if event.kind == "failed" and event.task == "Nothing stands against it":
            return  # told better by the plan's own refusals
        if event.kind == "failed" and event.result.get("fell_back"):
            self._fell_back(event.host)
        elif event.kind == "failed" and not event.result.get("ignore_errors"):
            said = plain_line(event.message) or "no reason given"
            self.end(event.host, "failed", f"{event.task}: {said}", f"log: {run.log}")
        elif event.kind == "unreachable":
            self._unreachable(event, run)

    def _fell_back(self, name: str) -> None:
        found = self.ending(name)
        how = "after a reset" if self.outcomes[name].power_reset else "by itself"
        sentence = f"{_FELL_BACK} {how}"
        if found:
            sentence += f": {plain_line(found.sentence)}"
            self.note(name, ending=found.kind, console=found.lines)
        self.note(name, state="fell-back")
        self.end(name, "fell-back", sentence, "the entry stays, unarmed: hotkit rollback")

    def _unreachable(self, event: Event, run: PlaybookRun) -> None:
        assert event.host is not None
        host = self.inventory.host(event.host)
        why = why_silent(host.way, event.message)
        said, hint = why.reason, f"{why.hint}; log: {run.log}"
        if event.task == "Reboot":
            hint = "it may hang: a reset boots the stock entry; then hotkit rollback or another try"
            found = self.ending(event.host)
            if found:
                said += f"; its console: {plain_line(found.sentence)}"
                self.note(event.host, ending=found.kind, console=found.lines)
        elif host.machine is not None and not why.answered:
            hint = f"a lab machine must run first: hotkit lab up {host.name}"
        self.end(event.host, "unreachable", f"cannot be reached: {said}", hint)

    def result(self) -> Result:
        result = Result(folder=self.folder, hosts=tuple(self.outcomes.values()))
        (self.folder / RESULT).write_text(json.dumps(result.to_dict(), indent=1))
        return result
