"""Stories about many hosts: a playbook's events become one outcome per host."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from hotkit.core.hostverdict import HostVerdict
from hotkit.errors import ExitCode
from hotkit.host.ansible import Event, PlaybookRun
from hotkit.host.inventory import Inventory
from hotkit.host.labconsole import excerpt, reason

RESULT_SCHEMA_VERSION = 1
_FELL_BACK = "the layout did not come up, and the machine fell back to its stock entry by itself"


class Progress(Protocol):
    """Where the story says what happens; hotkit/report/provision.py draws it."""

    def step(self, host: str, step: str) -> None:
        """A host has begun a step."""

    def done(self, host: str, outcome: HostOutcome) -> None:
        """A host's story is over."""

    def plans(self, plans: Sequence[Mapping[str, Any]]) -> None:
        """Show the plans (HostPlan.to_dict) before anything is written."""

    def diff(self, host: str, diffs: Sequence[Mapping[str, Any]]) -> None:
        """Show what a step changed, or would change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOutcome:
    """How one host ended.

    `status`: ok, would-change (check mode), declined, refused, failed, not-verified, fell-back,
    unreachable. `changed` counts Ansible's changed tasks, `state` is what the host's journal says.
    """

    host: str
    status: str = "ok"
    sentence: str = ""
    hint: str | None = None
    state: str | None = None
    changed: int = 0
    rebooted: bool = False
    reboot_seconds: int | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    console: tuple[str, ...] = ()
    plan: Mapping[str, Any] | None = field(default=None, repr=False)
    verdict: HostVerdict | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON form of `hotkit provision --json`."""
        return {
            "host": self.host,
            "status": self.status,
            "sentence": self.sentence,
            "hint": self.hint,
            "state": self.state,
            "changed": self.changed,
            "rebooted": self.rebooted,
            "reboot_seconds": self.reboot_seconds,
            "seconds": round(self.seconds, 1),
            "notes": list(self.notes),
            "console": list(self.console),
            "layout": self.plan.get("layout") if self.plan else None,
            "entry_id": self.plan.get("entry_id") if self.plan else None,
            "cmdline": self.plan.get("cmdline") if self.plan else None,
            "verdict": self.verdict.to_dict() if self.verdict else None,
        }


_CODES = {
    "ok": ExitCode.OK,
    "would-change": ExitCode.OK,
    "declined": ExitCode.OK,
    "refused": ExitCode.BAD_INPUT,
    "failed": ExitCode.VERDICT_FAILED,
    "not-verified": ExitCode.VERDICT_FAILED,
    "fell-back": ExitCode.FELL_BACK,
    "unreachable": ExitCode.UNREACHABLE,
}
# With several hosts the gravest outcome gives the exit code.
_GRAVEST = ("fell-back", "refused", "failed", "not-verified", "unreachable", "ok")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All hosts' outcomes, and the folder that keeps the logs."""

    folder: Path
    hosts: tuple[HostOutcome, ...]

    @property
    def exit_code(self) -> ExitCode:
        statuses = {item.status for item in self.hosts}
        worst = next((item for item in _GRAVEST if item in statuses), "ok")
        return _CODES[worst]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "schema_version": RESULT_SCHEMA_VERSION,
            "ok": self.exit_code == ExitCode.OK,
            "changed": sum(item.changed for item in self.hosts),
            "rebooted": [item.host for item in self.hosts if item.rebooted],
            "logs": str(self.folder),
            "hosts": [item.to_dict() for item in self.hosts],
        }


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
        self.console_from: dict[str, int] = {}

    def going(self) -> list[str]:
        return [name for name in self.outcomes if name not in self.over]

    def end(self, name: str, status: str, sentence: str, hint: str | None = None) -> None:
        seconds = time.monotonic() - self.began
        self.outcomes[name] = replace(
            self.outcomes[name], status=status, sentence=sentence, hint=hint, seconds=seconds
        )
        self.over.add(name)
        self.progress.done(name, self.outcomes[name])

    def note(self, name: str, **what: Any) -> None:
        self.outcomes[name] = replace(self.outcomes[name], **what)

    def stop_the_rest(self, why: str) -> None:
        sentence = {
            "declined": "not approved; nothing was written",
            "refused elsewhere": "another host was refused, so nothing was written here either",
        }[why]
        for name in self.going():
            self.end(name, "declined", sentence)

    def run(
        self,
        phase: str,
        *,
        tags: Sequence[str] = (),
        extra: Mapping[str, Any],
        hosts: Sequence[str] | None = None,
    ) -> list[Event]:
        """Run one play for the hosts still going; report each step, end hosts that failed."""
        hosts = hosts if hosts is not None else self.going()
        events: list[Event] = []
        with PlaybookRun(
            self.playbook, self.inventory.path, self.folder / phase,
            hosts=hosts, tags=tags, extra=extra, check=self.check, diff=self.diff,
        ) as run:  # fmt: skip
            for event in run:
                events.append(event)
                self._follow(event, run)
        return events

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
        if event.changed:
            self.note(event.host, changed=self.outcomes[event.host].changed + 1)
        if self.diff and event.result.get("diff"):
            self.progress.diff(event.host, event.result["diff"])
        if event.kind == "failed" and event.task == "Nothing stands against it":
            return  # told better by the plan's own refusals
        if event.kind == "failed" and event.result.get("fell_back"):
            lines = excerpt(self.inventory.host(event.host), self.console_from.get(event.host, 0))
            self.note(event.host, console=tuple(lines), state="fell-back")
            why = reason(lines)
            sentence = f"{_FELL_BACK}: {why}" if why else _FELL_BACK
            self.end(event.host, "fell-back", sentence, "the entry stays, unarmed: hotkit rollback")
        elif event.kind == "failed" and not event.result.get("ignore_errors"):
            said = event.message or "no reason given"
            self.end(event.host, "failed", f"{event.task}: {said}", f"log: {run.log}")
        elif event.kind == "unreachable":
            self._unreachable(event, run)

    def _unreachable(self, event: Event, run: PlaybookRun) -> None:
        assert event.host is not None
        host = self.inventory.host(event.host)
        # Ansible wraps what ssh said into two sentences of its own.
        said = " ".join(event.message.split()).rpartition("over ssh: ")[2] or "ssh gave no reason"
        hint = f"log: {run.log}"
        if event.host in self.console_from:
            hint = "it may hang: a reset boots the stock entry; then hotkit rollback or another try"
            lines = excerpt(host, self.console_from[event.host])
            self.note(event.host, console=tuple(lines))
        elif host.machine is not None:
            hint = f"a lab machine must run first: hotkit lab up {host.name}"
        self.end(event.host, "unreachable", f"cannot be reached: {said}", hint)

    def result(self) -> Result:
        result = Result(folder=self.folder, hosts=tuple(self.outcomes.values()))
        (self.folder / "result.json").write_text(json.dumps(result.to_dict(), indent=1))
        return result
