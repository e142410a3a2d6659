"""Two recordings side by side: which memory got hotter, which colder.

What is compared is each bin's mean share over the whole recording, on the memory that both looked
at, cut at the edges of the bins of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from hotkit.core.record import HOT_SHARE, Floats, Recording, mean_share

# Shares that differ by less than this are alike.
CHANGED_SHARE = 0.1


class By(StrEnum):
    """What makes two pieces of memory the same one: their address, or how far into the recorded
    memory they are (gaps left out), which also holds where addresses are drawn at random."""

    ADDRESS = "address"
    OFFSET = "offset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A piece of memory [start, end), addresses or offsets, and its mean shares in A and B."""

    start: int
    end: int
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDiff:
    """Sizes in bytes. `common` was looked at in both; all else is about that memory alone.

    `mean_before` and `mean_after` are shares weighted by bytes, `alike` the share of `common`
    whose shares differ by less than CHANGED_SHARE. `changes` are the other pieces, the one with
    the most bytes x difference first.
    """

    by: By
    common: int
    only_before: int
    only_after: int
    mean_before: float
    mean_after: float
    hot_before: int
    hot_after: int
    hot_both: int
    alike: float
    changes: tuple[Change, ...]


def compare(
    before: Recording, after: Recording, *, by: By | None = None, at_least: float = HOT_SHARE
) -> RecordDiff:
    """Compare; without `by` by address, unless the two have no address in common.

    ValueError where they have no memory in common that both looked at.
    """
    if by is None:
        by = By.ADDRESS if _overlap(before, after) else By.OFFSET
    one, two = _bins(before, by), _bins(after, by)
    edges = np.unique(np.concatenate([one.ravel(), two.ravel()]))
    size = np.diff(edges)
    old, new = _values(one, mean_share(before), edges), _values(two, mean_share(after), edges)
    both = ~np.isnan(old) & ~np.isnan(new)
    common = float(size[both].sum())
    if not common:
        raise ValueError("there is no memory that both looked at")
    old_hot, new_hot = both & (old >= at_least), both & (new >= at_least)
    changed = both & (np.abs(new - old) >= CHANGED_SHARE)
    return RecordDiff(
        by=by,
        common=int(common),
        only_before=int(size[~np.isnan(old) & np.isnan(new)].sum()),
        only_after=int(size[np.isnan(old) & ~np.isnan(new)].sum()),
        mean_before=float((old * size)[both].sum()) / common,
        mean_after=float((new * size)[both].sum()) / common,
        hot_before=int(size[old_hot].sum()),
        hot_after=int(size[new_hot].sum()),
        hot_both=int(size[old_hot & new_hot].sum()),
        alike=1 - float(size[changed].sum()) / common,
        changes=_changes(edges, old, new, changed),
    )


def _overlap(before: Recording, after: Recording) -> bool:
    """Whether any address is in both."""
    one, two = _bins(before, By.ADDRESS), _bins(after, By.ADDRESS)
    first = np.searchsorted(two[:, 1], one[:, 0], side="right")
    there = first < len(two)
    return bool((two[first[there], 0] < one[there, 1]).any())


def _bins(recording: Recording, by: By) -> NDArray[np.uint64]:
    """[bin, 2]: where each begins and ends."""
    found = np.array(recording.bins, dtype=np.uint64)
    if by is By.ADDRESS:
        return found
    size = found[:, 1] - found[:, 0]
    ends = np.cumsum(size)
    return np.stack([ends - size, ends], axis=1)


def _values(bins: NDArray[np.uint64], share: Floats, edges: NDArray[np.uint64]) -> Floats:
    """Each piece between two edges: the share of the bin that it lies in; NaN where in none."""
    place = np.searchsorted(bins[:, 1], edges[:-1], side="right")
    inside = place < len(bins)
    place = np.minimum(place, len(bins) - 1)
    inside &= bins[place, 0] <= edges[:-1]
    return np.where(inside, share[place], np.nan)


def _changes(
    edges: NDArray[np.uint64], old: Floats, new: Floats, changed: NDArray[np.bool_]
) -> tuple[Change, ...]:
    """Adjacent changed pieces of one direction, put together."""
    found: list[Change] = []
    for place in np.flatnonzero(changed):
        start, end = int(edges[place]), int(edges[place + 1])
        here = Change(start=start, end=end, before=float(old[place]), after=float(new[place]))
        last = found[-1] if found else None
        if last and last.end == start and _up(last) == _up(here):
            found[-1] = _joined(last, here)
        else:
            found.append(here)
    weight = [(one.end - one.start) * abs(one.after - one.before) for one in found]
    order = sorted(range(len(found)), key=lambda place: (-weight[place], found[place].start))
    return tuple(found[place] for place in order)


def _up(change: Change) -> bool:
    return change.after > change.before


def _joined(one: Change, two: Change) -> Change:
    a, b = one.end - one.start, two.end - two.start
    return Change(
        start=one.start,
        end=two.end,
        before=(one.before * a + two.before * b) / (a + b),
        after=(one.after * a + two.after * b) / (a + b),
    )
