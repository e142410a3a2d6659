"""What a host's agent answered when all hosts of an inventory were asked at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hotkit.core.labels import Label, machine_label


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one host's agent said: its `probe` events; or why it said nothing.

    `running` is False for a machine of the lab that is not started: that is no failure.
    """

    host: str
    machine: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Mapping[str, Any], ...] = ()
    problem: str | None = None
    advice: str | None = None
    running: bool = True

    @property
    def label(self) -> Label | None:
        """metal, virtual or emulated; None where nothing was said."""
        if not self.machine:
            return None
        return machine_label(self.machine)

    def to_dict(self) -> dict[str, Any]:
        """What every JSON of a host carries, whatever was asked."""
        label = self.label
        return {
            "host": self.host,
            "running": self.running,
            "answered": label is not None,
            "problem": self.problem,
            "advice": self.advice,
            "platform": str(label.platform) if label else None,
            "nested": label.nested if label else None,
            "platform_evidence": label.evidence if label else None,
            "kernel_release": self.machine.get("kernel_release"),
        }


def all_answered(answers: Sequence[Answer]) -> bool:
    """Whether every host that runs has answered, and at least one did."""
    asked = [answer for answer in answers if answer.running]
    return bool(asked) and all(answer.machine for answer in asked)
