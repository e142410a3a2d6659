"""The verdict on one host: what `hotkit verify` prints and what provisioning acts on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hotkit.core.check import Check, failed
from hotkit.core.diagnosis import Cause
from hotkit.core.labels import Label, label_of
from hotkit.core.memorypair import MemoryPair
from hotkit.errors import ExitCode


class Outcome(StrEnum):
    """How a host ended: `problem` is a host that answered but could not be checked."""

    PASS = "pass"
    FAIL = "fail"
    UNREACHABLE = "unreachable"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostVerdict:
    """Every check of one host, the causes if one failed, or the problem that left none.

    `layout_id` is the layout that was expected, None when there was nothing to compare with;
    `memory` is what was foretold of its memory, beside what came.
    """

    host: str
    outcome: Outcome
    problem: str = ""
    layout_id: str | None = None
    profile: str = ""
    kernel_release: str = ""
    boot_id: str = ""
    cmdline: str = ""
    label: Label | None = None
    checks: tuple[Check, ...] = ()
    causes: tuple[Cause, ...] = ()
    memory: MemoryPair | None = None

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.PASS

    @property
    def sentence(self) -> str:
        """The verdict in one sentence, for a log or a summary."""
        if self.problem:
            return self.problem
        if self.ok:
            return f"{self.host}: {len(self.checks)} of {len(self.checks)} checks passed."
        wrong = failed(self.checks)
        why = self.causes[0].sentence if self.causes else wrong[0].sentence
        return f"{self.host}: {len(wrong)} of {len(self.checks)} checks failed. {why}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form of `hotkit verify --json`."""
        return {
            "host": self.host,
            "outcome": str(self.outcome),
            "problem": self.problem or None,
            "sentence": self.sentence,
            "layout_id": self.layout_id,
            "profile": self.profile or None,
            "kernel_release": self.kernel_release or None,
            "boot_id": self.boot_id or None,
            "cmdline": self.cmdline or None,
            "platform": str(self.label.platform) if self.label else None,
            "nested": self.label.nested if self.label else None,
            "checks": [item.to_dict() for item in self.checks],
            "causes": [item.to_dict() for item in self.causes],
            "memory": self.memory.to_dict() if self.memory else None,
        }


def verdict_from_results(host: str, result: Mapping[str, Any] | None) -> HostVerdict:
    """The verdict in what the suite wrote about `host`; None when it wrote nothing."""
    if result is None:
        return HostVerdict(
            host=host,
            outcome=Outcome.PROBLEM,
            problem=f"{host}: the suite ended before it reached this host",
        )
    outcome = Outcome(result["outcome"])
    if outcome in (Outcome.UNREACHABLE, Outcome.PROBLEM):
        return HostVerdict(host=host, outcome=outcome, problem=result["problem"])
    return HostVerdict(
        host=host,
        outcome=outcome,
        layout_id=result["layout"]["id"],
        profile=result["layout"]["profile"],
        kernel_release=result["kernel_release"],
        boot_id=result["boot_id"],
        cmdline=result["cmdline"],
        label=label_of(result["platform"], nested=result["nested"]),
        checks=tuple(Check.from_dict(item) for item in result["checks"]),
        causes=tuple(Cause(**item) for item in result["causes"]),
        memory=MemoryPair.from_dict(result["memory"]) if result.get("memory") else None,
    )


def exit_code(verdicts: Iterable[HostVerdict]) -> ExitCode:
    """1 when a host failed or could not be checked, else 3 when one was unreachable, else 0."""
    outcomes = {item.outcome for item in verdicts}
    if outcomes & {Outcome.FAIL, Outcome.PROBLEM}:
        return ExitCode.VERDICT_FAILED
    return ExitCode.UNREACHABLE if Outcome.UNREACHABLE in outcomes else ExitCode.OK
