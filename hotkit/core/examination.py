"""What `hotkit doctor` found: of the controller, of every host that was asked, of its guests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hotkit.core.answer import Answer, all_answered
from hotkit.core.gravity import Finding, Gravity
from hotkit.core.labels import Label
from hotkit.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestFindings:
    """What one guest lacks, the gravest first. `label`: what it says it is, None when it is down.

    `state`: running, silent (it does not answer), died, down.
    """

    name: str
    state: str
    label: Label | None
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "guest": self.name,
            "state": self.state,
            "platform": str(self.label.platform) if self.label else None,
            "nested": self.label.nested if self.label else None,
            "findings": [item.to_dict() for item in self.findings],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class VmFindings:
    """What a host lacks for guests and for looking at them, and what each guest lacks."""

    findings: tuple[Finding, ...]
    guests: tuple[GuestFindings, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "findings": [item.to_dict() for item in self.findings],
            "each": [guest.to_dict() for guest in self.guests],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFindings:
    """What one host lacks, the gravest first; `findings` is empty where nobody answered.

    `vms` is None where nobody asked for it and the inventory knows no guests of the host.
    """

    answer: Answer
    findings: tuple[Finding, ...]
    vms: VmFindings | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form; `guests` is there only where they were asked about."""
        found = self.answer.to_dict() | {"findings": [item.to_dict() for item in self.findings]}
        return found | ({"guests": self.vms.to_dict()} if self.vms else {})

    def everything(self) -> Iterator[Finding]:
        """Of the host, and of its guests."""
        yield from self.findings
        if self.vms:
            yield from self.vms.findings
            for guest in self.vms.guests:
                yield from guest.findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """This machine as the controller, and the hosts in the inventory's order."""

    controller: tuple[Finding, ...]
    hosts: tuple[HostFindings, ...]

    @property
    def exit_code(self) -> ExitCode:
        """3 when a host did not answer, else 1 when anything is a problem."""
        if not all_answered([host.answer for host in self.hosts]):
            return ExitCode.UNREACHABLE
        every = [*self.controller, *(item for host in self.hosts for item in host.everything())]
        problem = any(item.gravity is Gravity.PROBLEM for item in every)
        return ExitCode.VERDICT_FAILED if problem else ExitCode.OK
