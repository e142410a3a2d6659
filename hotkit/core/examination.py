"""What `hotkit doctor` found, of the controller and of every host that was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hotkit.core.answer import Answer, all_answered
from hotkit.core.gravity import Finding, Gravity
from hotkit.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFindings:
    """What one host lacks, the gravest first; `findings` is empty where nobody answered."""

    answer: Answer
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        return self.answer.to_dict() | {"findings": [item.to_dict() for item in self.findings]}


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
        every = [*self.controller, *(item for host in self.hosts for item in host.findings)]
        problem = any(item.gravity is Gravity.PROBLEM for item in every)
        return ExitCode.VERDICT_FAILED if problem else ExitCode.OK
