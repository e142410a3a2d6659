"""Which trackers work on which host: a column per host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hotkit.core.answer import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether one tracker works on one host with its defaults; else why not, and the fix."""

    available: bool
    reason: str | None = None
    fix: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"available": self.available, "reason": self.reason, "fix": self.fix}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTrackers:
    """One host's column of the matrix; `verdicts` is empty where nobody answered."""

    answer: Answer
    verdicts: Mapping[str, Verdict]

    def to_dict(self) -> dict[str, Any]:
        verdicts = {name: verdict.to_dict() for name, verdict in self.verdicts.items()}
        return self.answer.to_dict() | {"trackers": verdicts}


def verdicts_of(events: Sequence[Mapping[str, Any]], order: Sequence[str]) -> dict[str, Verdict]:
    """From an agent's `probe` events, in this order of names, whatever order the agent has."""
    found = {
        event["tracker"]: Verdict(
            available=event["available"], reason=event["reason"], fix=event["fix"]
        )
        for event in events
    }
    return {name: found[name] for name in order if name in found}
