"""A workload in a guest: both clocks of a run, what the host took, what its trackers saw of the VM.

The time of a run is the guest's, so it is worth as much as the guest's clock. A tracker in the host
sees guest-physical pages: what it says of the workload holds for the pages that stayed where they
were, and the rest of what it found is somebody else's in the same VM.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

# A guest's clock that differs by more from the host's is told as a warning. NTP slews by 0.05 % at
# most.
MOST_CLOCK_DIFFERENCE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class VmSeen:
    """One run of a tracker in the host, in pages. `moved`: of `pages` (those of the workload that
    had a guest frame) the ones whose frame changed meanwhile. `elsewhere_*`: pages of the VM
    outside the workload that it looked at, and found accessed; None where it cannot say."""

    pages: int
    moved: int
    elsewhere_pages: int | None = None
    elsewhere_hot: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """What passed between two looks by the host's clock and the guest's, in seconds.

    `error`: how far the guest's may be off, since nobody looks at both at once.
    """

    host: float
    guest: float
    error: float = 0.0

    @property
    def difference(self) -> float:
        """Seconds that the guest counted more."""
        return self.guest - self.host

    @property
    def apart(self) -> bool:
        """Whether they differ by more than MOST_CLOCK_DIFFERENCE, whatever the error."""
        return abs(self.difference) - self.error > MOST_CLOCK_DIFFERENCE * self.host

    @property
    def fraction(self) -> float:
        """The same as a fraction of the host's time; 0 where that is 0."""
        return self.difference / self.host if self.host else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VmOver:
    """An arm in the host over its runs: medians, and the most pages that moved in one of them.

    `elsewhere_share` is the share of the pages outside the workload that were found accessed; None
    where it looked at none.
    """

    pages: float
    moved: float
    moved_most: int
    elsewhere_pages: float | None
    elsewhere_share: float | None

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockCheck:
    """Both clocks over `runs`: the run where they differ most (as a fraction), and how many differ
    by more than MOST_CLOCK_DIFFERENCE."""

    runs: int
    largest: Clocks
    beyond: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "runs": self.runs,
            "largest_difference_s": self.largest.difference,
            "largest_difference_fraction": self.largest.fraction,
            "runs_beyond_1_percent": self.beyond,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Steal:
    """CPU time that the host took from the guest's CPUs in a run, in seconds, and the arm of the
    run where it took most."""

    median: float
    most: float
    most_arm: str

    def to_dict(self) -> dict[str, Any]:
        return {"median_s": self.median, "most_s": self.most, "most_arm": self.most_arm}


@dataclass(frozen=True, slots=True, kw_only=True)
class InGuest:
    """What a session in a guest tells of guest and host; None: nobody counted it."""

    clocks: ClockCheck | None
    steal: Steal | None


def vm_over(seen: Sequence[VmSeen]) -> VmOver | None:
    """Of the runs of one arm; None without any."""
    if not seen:
        return None
    looked = [one for one in seen if one.elsewhere_pages is not None]
    shares = [
        (one.elsewhere_hot or 0) / one.elsewhere_pages for one in looked if one.elsewhere_pages
    ]
    return VmOver(
        pages=median(one.pages for one in seen),
        moved=median(one.moved for one in seen),
        moved_most=max(one.moved for one in seen),
        elsewhere_pages=median(one.elsewhere_pages or 0 for one in looked) if looked else None,
        elsewhere_share=median(shares) if shares else None,
    )


def clock_check(clocks: Sequence[Clocks]) -> ClockCheck | None:
    """Of the runs of a session; None without any."""
    if not clocks:
        return None
    return ClockCheck(
        runs=len(clocks),
        largest=max(clocks, key=lambda one: abs(one.fraction)),
        beyond=sum(one.apart for one in clocks),
    )


def steal_of(runs: Sequence[tuple[str, int]]) -> Steal | None:
    """Of (arm, ns) of each run; None without any."""
    if not runs:
        return None
    arm, most = max(runs, key=lambda one: one[1])
    return Steal(median=median(ns for _, ns in runs) / 1e9, most=most / 1e9, most_arm=arm)


def facts_over(said: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What a tracker said of how it worked, over the runs of an arm: one text for each name.

    `write protection`; `PML (7 runs), write protection (1 run)`; of numbers `12 to 14, median 13`.
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(name for one in said for name in one):
        values = [one[name] for one in said if name in one]
        numbers = [it for it in values if isinstance(it, int | float) and not isinstance(it, bool)]
        counts = Counter(map(_word, values))
        if len(counts) == 1:
            found[name] = _word(values[0])
        elif len(numbers) == len(values):
            found[name] = f"{min(numbers):g} to {max(numbers):g}, median {median(numbers):g}"
        else:
            found[name] = ", ".join(
                f"{word} ({runs} run{'s' * (runs > 1)})" for word, runs in counts.most_common()
            )
    return found


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
