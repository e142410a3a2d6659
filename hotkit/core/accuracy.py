"""What a tracker believed, against the ground truth of the workload; formulas: docs/trackers.md.

Heat h of a page is the share of the possible looks that found it accessed (0 to 1); a sampler that
takes no turns has relative heat only. Truth t of a page: the share of the time in which it was hot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hotkit.core.distributions import mean_ranks

Floats = NDArray[np.float64]
PAGE_BYTES = 4096
# Of zipf, which has no hot range: the pages that together receive this share of the accesses.
ZIPF_HOT_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatRange:
    """Adjacent pages: page i, of `page_bytes`, was found accessed `heat[i]` of `possible` times.

    `possible` 0: heat is relative (a sampler).
    """

    start: int
    page_bytes: int
    heat: bytes
    possible: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HotPhase:
    """The hot range from `at_ns` on (CLOCK_MONOTONIC_RAW), until the next phase or the end."""

    at_ns: int
    hot_start: int
    hot_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Per page of the workload's memory, from `start` on.

    `rate`: share of all accesses. `hot`: share of the run in which the page was of the hot set.
    """

    start: int
    rate: Floats
    hot: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """None where a figure is not defined; see the formulas in docs/trackers.md.

    `precision`, `recall`, `f1` are weighted by page and time, so that a page found in half of the
    looks counts half. `top` is the precision of the tracker's hottest pages, as many as are hot.
    `found` is the share of hot pages that were found at least once, `rank` Spearman's correlation
    of heat and rate of access.
    """

    pages: int
    hot_pages: int
    found: float
    precision: float | None
    recall: float | None
    f1: float | None
    top: float | None
    rank: float | None

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def mean_accuracy(found: Sequence[Accuracy]) -> Accuracy | None:
    """The mean of several runs, each figure over those that define it; None without any."""
    if not found:
        return None

    def mean(name: str) -> float | None:
        values = [value for item in found if (value := getattr(item, name)) is not None]
        return sum(values) / len(values) if values else None

    return Accuracy(
        pages=found[0].pages, hot_pages=found[0].hot_pages, found=mean("found") or 0.0,
        precision=mean("precision"), recall=mean("recall"), f1=mean("f1"), top=mean("top"),
        rank=mean("rank"),
    )  # fmt: skip


def truth_of(
    ready: Mapping[str, Any], phases: Sequence[HotPhase] = (), end_ns: int | None = None
) -> Truth | None:
    """Ground truth from what the workload said; None when it knows none (a program of others).

    `phases` with `end_ns` are those of a hot set that moved; without them it stayed where `ready`
    says.
    """
    if ready.get("start") is None:
        return None
    start, pages = int(ready["start"]), int(ready["bytes"]) // PAGE_BYTES
    if ready.get("distribution") == "zipf":
        rate = _zipf(pages, float(ready["theta"]), int(ready["rank_bytes"]))
        if ready["order"] == "descending":
            rate = rate[::-1]
        order = np.argsort(-rate, kind="stable")
        count = int(np.searchsorted(np.cumsum(rate[order]), ZIPF_HOT_SHARE)) + 1
        hot = np.zeros(pages)
        hot[order[:count]] = 1
        return Truth(start=start, rate=rate, hot=hot)
    if ready.get("hot_start") is None:
        return None
    weight = float(ready.get("weight", 9))
    if len(phases) < 2 or end_ns is None:
        parts = [(1.0, int(ready["hot_start"]), int(ready["hot_bytes"]))]
    else:
        ends = [phase.at_ns for phase in phases[1:]] + [end_ns]
        whole = end_ns - phases[0].at_ns
        parts = [
            ((until - phase.at_ns) / whole, phase.hot_start, phase.hot_bytes)
            for phase, until in zip(phases, ends, strict=True)
        ]
    hot, rate = np.zeros(pages), np.zeros(pages)
    for share, hot_start, hot_bytes in parts:
        inside = _inside(pages, hot_start - start, hot_bytes)
        cold = 1 - inside
        everything = float(cold.sum()) == 0
        to_hot = 1.0 if everything else weight / (weight + 1)
        hot += share * (inside == 1)
        rate += share * to_hot * inside / inside.sum()
        if not everything:
            rate += share * (1 - to_hot) * cold / cold.sum()
    return Truth(start=start, rate=rate, hot=hot)


def accuracy(ranges: Iterable[HeatRange], truth: Truth) -> Accuracy | None:
    """The tracker's belief against the truth; None when it reports no heat per page at all.

    None as well when no whole page is hot: then nothing can be found.
    """
    known = list(ranges)
    if not known or not truth.hot.any():
        return None
    heat, relative = _heat(known, truth)
    hot = truth.hot
    hot_pages = int((hot > 0).sum())
    seen = float(heat.sum())
    precision = recall = f1 = None
    if seen:
        # A sampler's heat has no unit: only where it fell can be said.
        agreed = float(heat[hot > 0].sum()) if relative else float(np.minimum(heat, hot).sum())
        precision = agreed / seen
    if not relative:
        agreed = float(np.minimum(heat, hot).sum())
        recall = agreed / float(hot.sum())
        f1 = 2 * agreed / (seen + float(hot.sum()))
    return Accuracy(
        pages=len(heat),
        hot_pages=hot_pages,
        found=float((heat[hot > 0] > 0).mean()),
        precision=precision,
        recall=recall,
        f1=f1,
        top=_top(heat, hot),
        rank=_spearman(heat, truth.rate),
    )


def _zipf(pages: int, theta: float, rank_bytes: int) -> Floats:
    """Rank r (from 1) is accessed in proportion to r^-theta; a rank may be several pages."""
    per = max(1, rank_bytes // PAGE_BYTES)
    ranks = np.arange(1, -(-pages // per) + 1, dtype=np.float64)
    share = ranks**-theta
    rate = np.repeat(share / per, per)[:pages]
    return np.asarray(rate / rate.sum(), dtype=np.float64)


def _inside(pages: int, offset: int, size: int) -> Floats:
    """Which part of each page lies in [offset, offset + size)."""
    low = np.arange(pages, dtype=np.float64) * PAGE_BYTES
    part = np.minimum(low + PAGE_BYTES, offset + size) - np.maximum(low, offset)
    return np.clip(part / PAGE_BYTES, 0, 1)


def _heat(ranges: Sequence[HeatRange], truth: Truth) -> tuple[Floats, bool]:
    """Heat per page of the workload's memory, 0 where nobody looked; whether it is relative."""
    pages = len(truth.rate)
    found = np.zeros(pages)
    relative = all(part.possible == 0 for part in ranges)
    for part in ranges:
        values = np.frombuffer(part.heat, dtype=np.uint8).astype(np.float64)
        if part.possible:
            values = np.minimum(1, values / part.possible)
        values = np.repeat(values, part.page_bytes // PAGE_BYTES)
        first = (part.start - truth.start) // PAGE_BYTES
        low, high = max(0, first), min(pages, first + len(values))
        if low < high:
            found[low:high] = values[low - first : high - first]
    return found, relative


def _top(heat: Floats, hot: Floats) -> float | None:
    """Expected precision of the hottest pages, as many as are hot; ties are drawn at random.

    None when no page has heat: any choice would be chance.
    """
    count = int((hot > 0).sum())
    if not heat.any():
        return None
    threshold = np.partition(heat, len(heat) - count)[len(heat) - count]
    above, level = heat > threshold, heat == threshold
    chosen_of_level = (count - int(above.sum())) / int(level.sum())
    is_hot = hot > 0
    return float(((above & is_hot).sum() + chosen_of_level * (level & is_hot).sum()) / count)


def _spearman(heat: Floats, rate: Floats) -> float | None:
    """Rank correlation, ties by their mean rank; None when one side does not vary."""
    if np.ptp(heat) == 0 or np.ptp(rate) < 1e-15:
        return None
    a, b = mean_ranks(heat), mean_ranks(rate)
    return float(np.corrcoef(a, b)[0, 1])
