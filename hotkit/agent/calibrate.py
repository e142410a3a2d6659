"""How much work takes as long as was asked for, found by trying amounts."""

from __future__ import annotations

from collections.abc import Callable

_FIRST_TRY = 1 << 16
_MOST_TRIES = 40
# The speed is believed once so many tries in a row were not faster than it by more than this.
_ALIKE = 2
_FASTER = 1.25
_MOST_CHECKS = 8


def amount_for(time_of: Callable[[int], int], wanted_ns: int) -> int:
    """The amount of work that takes `wanted_ns` when nothing disturbs it; at least 1.

    `time_of`: does an amount of work and says how many ns it took. Whatever else runs on the
    machine only makes work slower, so the fastest try counts: a busy moment at the beginning would
    otherwise make every run of the session too short for its tracker to look even once.
    """
    work = _FIRST_TRY
    for _ in range(_MOST_TRIES):
        duration = max(1, time_of(work))
        if duration >= wanted_ns / 2:
            break
        # Grow by the ratio, at most eightfold: the first tries are too short to trust.
        work = int(work * min(8.0, max(1.5, wanted_ns / duration)))
    per_ns = work / duration
    alike = 0
    for _ in range(_MOST_CHECKS):
        work = max(1, int(per_ns * wanted_ns))
        found = work / max(1, time_of(work))
        alike = alike + 1 if found <= per_ns * _FASTER else 0
        per_ns = max(per_ns, found)
        if alike == _ALIKE:
            break
    return max(1, int(per_ns * wanted_ns))
