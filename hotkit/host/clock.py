"""The time of day, as our files carry it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """The controller's time, for manifest and journal."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
