"""What a tracker saw: counts of a run, and what it tells a recorder as it goes."""

from __future__ import annotations

from typing import Any


class Samples:
    """What one run of a tracker saw; the units are the tracker's own (`Tracker.units`).

    `examined` is what it looked at, `positive` what it found accessed, `lost` what it knows to have
    missed, `rounds` how often it went over its target. `extra` holds counts of its own
    (interrupts, throttled periods ...), by name.
    """

    def __init__(self, examined: int = 0, positive: int = 0, lost: int = 0, rounds: int = 0):
        self.examined = examined
        self.positive = positive
        self.lost = lost
        self.rounds = rounds
        self.extra: dict[str, int] = {}

    def as_json(self) -> dict[str, Any]:
        return {
            "examined": self.examined,
            "positive": self.positive,
            "lost": self.lost,
            "rounds": self.rounds,
            "extra": self.extra,
        }


class Recorder:
    """Takes what a tracker saw as it sees it; hotkit/agent/recording.py has the real one.

    A tracker that is recorded calls `pages` and `region` during a round and `round_ended` after it,
    from one thread. Not recorded, it costs a test for None.
    """

    def pages(self, start: int, page_bytes: int, flags: bytes) -> None:
        """A byte (0 or 1: accessed) per page from `start` on."""
        raise NotImplementedError

    def region(self, start: int, end: int, share: float) -> None:
        """`share` (0 to 1) of the checks of [start, end) found it accessed."""
        raise NotImplementedError

    def round_ended(self, at_ns: int) -> None:
        """What came since the last call was seen until `at_ns` (CLOCK_MONOTONIC_RAW)."""
        raise NotImplementedError
