"""What a review says: one observation with a stable code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from hotkit.core.ranges import Range


class Severity(IntEnum):
    """`ERROR` findings make `hotkit layout check` fail."""

    INFO = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One observation. `code` is stable, for scripts; `token` is the text that causes it."""

    severity: Severity
    code: str
    sentence: str
    token: str | None = None
    range: Range | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "severity": self.severity.name.lower(),
            "code": self.code,
            "sentence": self.sentence,
            "token": self.token,
            "range": [self.range.start, self.range.end] if self.range else None,
        }
