"""One check of a host and its verdict: the value that every part of `hotkit verify` passes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How one check ended."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise of the layout: what was expected, what the machine shows, and the verdict.

    `name` is stable and unique within a host ("entry", "cpus", "system-ram-node0"): tests and
    JUnit reports use it. `sentence` says in one sentence what the verdict means.
    """

    name: str
    expected: str
    found: str
    verdict: Verdict
    sentence: str

    def to_dict(self) -> dict[str, str]:
        """JSON form."""
        return {
            "name": self.name,
            "expected": self.expected,
            "found": self.found,
            "verdict": str(self.verdict),
            "sentence": self.sentence,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Check:
        """Inverse of `to_dict`."""
        return cls(
            name=data["name"],
            expected=data["expected"],
            found=data["found"],
            verdict=Verdict(data["verdict"]),
            sentence=data["sentence"],
        )


def failed(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The checks that did not pass, unknown ones too."""
    return tuple(item for item in checks if item.verdict is not Verdict.PASS)


def judged(name: str, expected: str, found: str, ok: bool, sentence: str) -> Check:
    """A check that ends in pass or fail, by `ok`."""
    return Check(
        name=name,
        expected=expected,
        found=found,
        verdict=Verdict.PASS if ok else Verdict.FAIL,
        sentence=sentence,
    )


def unknown(name: str, expected: str, found: str, sentence: str) -> Check:
    """A check that could not be made; `sentence` says why."""
    return Check(
        name=name, expected=expected, found=found, verdict=Verdict.UNKNOWN, sentence=sentence
    )
