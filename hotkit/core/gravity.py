"""What a doctor says of a machine: one finding, how much it matters, and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Gravity(IntEnum):
    """How much a finding matters, the gravest first.

    `PROBLEM`: nothing or hardly anything can be measured, or what is measured would be wrong.
    `WARNING`: a tracker has less to work with, or figures are noisier or hold for less.
    """

    PROBLEM = 0
    WARNING = 1
    FINE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line with its evidence; `code` is stable, for scripts; `fix` None where all is well."""

    gravity: Gravity
    code: str
    sentence: str
    fix: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """JSON form."""
        return {
            "gravity": self.gravity.name.lower(),
            "code": self.code,
            "sentence": self.sentence,
            "fix": self.fix,
        }


def problem(code: str, sentence: str, fix: str) -> Finding:
    """A finding of that gravity."""
    return Finding(gravity=Gravity.PROBLEM, code=code, sentence=sentence, fix=fix)


def warning(code: str, sentence: str, fix: str) -> Finding:
    """A finding of that gravity."""
    return Finding(gravity=Gravity.WARNING, code=code, sentence=sentence, fix=fix)


def fine(code: str, sentence: str) -> Finding:
    """A finding of that gravity; it needs no fix."""
    return Finding(gravity=Gravity.FINE, code=code, sentence=sentence)
