"""damo's records for tests: made here, field by field, so that every figure is known."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from hotkit.core.regions import Intervals, RegionSnapshots, Target

DATA = Path(__file__).resolve().parents[1] / "data" / "record"
MS = 1_000_000
BEGAN_NS = 1_000 * 1_000_000_000
INTERVALS = {
    "sample_us": "5000", "aggr_us": "100000", "ops_update_us": "1000000",
    "intervals_goal": {
        "access_bp": "0.000000", "aggrs": "0", "min_sample_us": "0", "max_sample_us": "0",
    },
}  # fmt: skip


def region(start: int, end: int, accesses: int, age: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "start": f"{start:,}", "end": f"{end:,}",
        "nr_accesses": {"samples": accesses, "percent": None},
        "age": {"usec": None, "aggr_intervals": str(age)},
        "probe_hits": [], "sz_filter_passed": "0 B", **more,
    }  # fmt: skip


def snapshot(
    number: int, *regions: dict[str, Any], took_ms: int = 100, **more: Any
) -> dict[str, Any]:
    """The one that is `number` intervals after the beginning."""
    begin = BEGAN_NS + number * took_ms * MS
    return {
        "start_time": str(begin), "end_time": str(begin + took_ms * MS), "regions": list(regions),
        "total_bytes": None, "damos_stats": None, "sample_interval_us": None, **more,
    }  # fmt: skip


def record(*snapshots: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "kdamond_idx": 0, "context_idx": 0, "intervals": INTERVALS, "scheme_idx": None,
        "target_id": 0, "scheme_filters": [], "snapshots": list(snapshots),
        "data_source": "unknown", **more,
    }  # fmt: skip


def text(*records: dict[str, Any]) -> bytes:
    """As damo lays it out."""
    return json.dumps(list(records), indent=4).encode()


def write(path: Path, *records: dict[str, Any]) -> Path:
    path.write_bytes(zlib.compress(text(*records)))
    return path


def trace_line(
    at_s: float, start: int, end: int, accesses: int, *, regions: int = 1, target: int = 0,
    thread: str = "kdamond.0  4452", age: int = 0,
) -> str:  # fmt: skip
    return (
        f"{thread} [000] {at_s:.6f}: damon:damon_aggregated: target_id={target}"
        f" nr_regions={regions} {start}-{end}: {accesses} {age}\n"
    )


def same(one: RegionSnapshots, two: RegionSnapshots) -> bool:
    """Whether all that a record of damo holds is the same in both."""
    columns = ("since_ns", "at_ns", "first", "start", "end", "accesses", "age", "full")
    return (
        one.target == two.target
        and one.intervals == two.intervals
        and all(np.array_equal(getattr(one, name), getattr(two, name)) for name in columns)
        and np.array_equal(one.sample_us, two.sample_us, equal_nan=True)
        and np.array_equal(one.aggr_us, two.aggr_us, equal_nan=True)
        and (two.passed is None if one.passed is None else np.array_equal(one.passed, two.passed))
    )


@st.composite
def records(draw: st.DrawFn, with_intervals: bool | None = None) -> RegionSnapshots:
    """A record whose regions lie apart or adjoin, in order, in each snapshot anew."""
    counts = draw(st.lists(st.integers(0, 5), min_size=1, max_size=5))
    if not any(counts):
        counts[0] = 1
    start, end = [], []
    for count in counts:
        place = draw(st.sampled_from([0, 4096, 0x7F00_0000_0000, (1 << 64) - (1 << 30)]))
        for _ in range(count):
            place += 4096 * draw(st.integers(0, 300))
            start.append(place)
            place += 4096 * draw(st.integers(1, 300))
            end.append(place)
    number, steps = len(start), len(counts)
    known = draw(st.booleans()) if with_intervals is None else with_intervals
    checks = 20
    accesses = draw(st.lists(st.integers(0, checks), min_size=number, max_size=number))
    tuned = draw(st.booleans()) and known
    sample_us = np.full(steps, np.nan)
    took = np.array([draw(st.integers(1, 10**12)) for _ in range(steps)])
    if known:
        one_of = [5000.0, 80000.0] if tuned else [5000.0]
        sample_us = np.array([draw(st.sampled_from(one_of)) for _ in range(steps)])
        # About as long as the checks take.
        late = [draw(st.integers(80, 200)) for _ in range(steps)]
        took = (sample_us * checks * 10 * late).astype(np.int64)
    times = np.cumsum([draw(st.integers(0, 10**15)), *took])
    passed = draw(
        st.one_of(st.none(), st.lists(st.integers(1, 999), min_size=number, max_size=number))
    )
    goal = (5.0, 3.0, 5000.0, 10_000_000.0) if tuned else None
    return RegionSnapshots(
        target=Target(
            kdamond=draw(st.integers(0, 2)), context=draw(st.integers(0, 1)),
            scheme=draw(st.integers(-1, 2)), number=draw(st.sampled_from([0, 1, (1 << 64) - 2])),
        ),
        since_ns=times[:-1], at_ns=times[1:], sample_us=sample_us, aggr_us=sample_us * checks,
        full=np.full(steps, float(checks) if known else float(max(1, *accesses))),
        first=np.concatenate([[0], np.cumsum(counts)]),
        start=np.array(start, dtype=np.uint64), end=np.array(end, dtype=np.uint64),
        accesses=np.array(accesses, dtype=np.uint32),
        age=np.array(draw(st.lists(st.integers(0, 9999), min_size=number, max_size=number))),
        relative=not known,
        intervals=Intervals(sample_us=5000, aggr_us=5000 * checks, goal=goal) if known else None,
        passed=None if passed is None else np.array(passed, dtype=np.uint64),
    )  # fmt: skip
