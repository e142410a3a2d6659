"""How a guest is, as the agent of its host told, or why nothing was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hotkit.core.guestspec import Guest
from hotkit.core.labels import Label, machine_label
from hotkit.errors import ExitCode

BAD_STATES = ("died", "hangs")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestOutcome:
    """One guest after `up`, `down` or `status`.

    `state`: running, starting, down, died, hangs; None when nothing was told. `changed`: something
    was done, or would be in a dry run. `answered` is False when the host did not answer,
    `host_runs` when it is a machine of the lab that is not started. `since_s` is its age in
    seconds; `ssh` says whether the guest answers its host.
    """

    host: str
    guest: str
    about: str
    state: str | None = None
    changed: bool = False
    said: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    advice: str | None = None
    pid: int | None = None
    ssh: bool = False
    since_s: float | None = None
    machine: Mapping[str, Any] | None = field(default=None, repr=False)
    answered: bool = True
    host_runs: bool = True

    @property
    def well(self) -> bool:
        return self.answered and not self.problems and self.state not in BAD_STATES

    @property
    def label(self) -> Label | None:
        """metal, virtual or emulated; None when the guest did not tell."""
        return machine_label(self.machine) if self.machine else None

    def to_dict(self) -> dict[str, Any]:
        """JSON form of `hotkit guest ... --json`."""
        label = self.label
        return {
            "host": self.host,
            "guest": self.guest,
            "about": self.about,
            "host_runs": self.host_runs,
            "host_answered": self.answered,
            "state": self.state,
            "changed": self.changed,
            "said": list(self.said),
            "problems": list(self.problems),
            "advice": self.advice,
            "pid": self.pid,
            "ssh": self.ssh,
            "since_s": self.since_s,
            "platform": str(label.platform) if label else None,
            "nested": label.nested if label else None,
            "platform_evidence": label.evidence if label else None,
            "kernel_release": (self.machine or {}).get("kernel_release"),
        }


def told(host: str, guest: Guest, event: Mapping[str, Any]) -> GuestOutcome:
    """What the agent's `guest` event says."""
    return GuestOutcome(
        host=host,
        guest=guest.name,
        about=guest.describe(),
        state=event["state"],
        changed=bool(event["changed"]),
        said=tuple(event["said"]),
        problems=tuple(event["problems"]),
        pid=event["pid"],
        ssh=bool(event["ssh"]),
        since_s=event.get("since_s"),
        machine=event.get("machine"),
    )


def untold(
    host: str, guest: Guest, problem: str, advice: str | None = None, *, answered: bool = True
) -> GuestOutcome:
    """Of a guest of which the agent told nothing: why."""
    return GuestOutcome(
        host=host, guest=guest.name, about=guest.describe(), problems=(problem,), advice=advice,
        answered=answered,
    )  # fmt: skip


def asleep(host: str, guest: Guest) -> GuestOutcome:
    """Of a guest whose host is a machine of the lab that is not started."""
    return GuestOutcome(
        host=host, guest=guest.name, about=guest.describe(), answered=False, host_runs=False,
        problems=("its host does not run",), advice=f"hotkit lab up {host}",
    )  # fmt: skip


def exit_code(outcomes: Sequence[GuestOutcome], act: str) -> ExitCode:
    """Unreachable counts more than a guest that is not well.

    A machine of the lab that is not started is no failure, unless nobody answered or its guest was
    to be up.
    """
    silent = [outcome for outcome in outcomes if not outcome.answered]
    if len(silent) == len(outcomes) or any(it.host_runs or act == "up" for it in silent):
        return ExitCode.UNREACHABLE
    well = all(outcome.well for outcome in outcomes if outcome.answered)
    return ExitCode.OK if well else ExitCode.VERDICT_FAILED
