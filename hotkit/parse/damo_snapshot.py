"""One snapshot of a damo record: the JSON object -> columns of its regions.

damo 3.4 (PyPI), _damo_records.py and _damon.py: DamonSnapshot and DamonRegion, `to_kvpairs`. Most
of a record's bytes are regions. Those with the fields and types that damo itself writes are read
column by column; anything else is read field by field, and gives the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from hotkit.core.regions import NO_AGE, Addresses, Counts, Ints
from hotkit.parse.damovalues import microseconds, nanoseconds, number, size, whole

_COUNT_MAX = (1 << 32) - 1
# What damo says of a region of which nothing passed the filters, as when there are none.
_NONE_PASSED = ("0 B", 0, "0", None)

Columns = tuple[Sequence[int], Sequence[int], Sequence[int], Sequence[int]]


class Snapshot(NamedTuple):
    """`sample_us` is None where the file does not tell; `passed` None where no byte passed.

    `bare`: it has no unit. `probed`: there were hits of probes, which are not kept.
    """

    since_ns: int
    at_ns: int
    sample_us: float | None
    bare: bool
    start: Addresses
    end: Addresses
    accesses: Counts
    age: Ints
    passed: Addresses | None
    probed: bool


def snapshot(
    fields: Mapping[str, Any], checks: float | None = None, aggr_us: float | None = None
) -> Snapshot:
    """`checks` and `aggr_us` turn a per cent of accesses and an age in time into the numbers that
    they stand for. Raises ValueError that says what is wrong."""
    try:
        regions = fields["regions"]
        found = _as_damo_writes(regions) or _field_by_field(regions, checks, aggr_us)
        passed = None
        if not {one.get("sz_filter_passed") for one in regions} <= set(_NONE_PASSED):
            real = [one for one in regions if not _is_fake(one)]
            passed = [size(one.get("sz_filter_passed") or 0) for one in real]
        probed = any(one.get("probe_hits") for one in regions)
        return _snapshot(fields, found, passed, probed)
    except KeyError as error:
        raise ValueError(f"there is no {error}") from None
    except (TypeError, AttributeError):
        raise ValueError("not a snapshot of damo") from None


def _as_damo_writes(regions: Sequence[Mapping[str, Any]]) -> Columns | None:
    """Addresses and ages are text with commas, accesses are numbers; None where they are not."""
    try:
        start = _numbers([one["start"] for one in regions])
        end = _numbers([one["end"] for one in regions])
        age = _numbers([one["age"]["aggr_intervals"] for one in regions])
        accesses = [one["nr_accesses"]["samples"] for one in regions]
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    plain = set(map(type, accesses)) <= {int}
    return (start, end, accesses, age) if plain and all(end) else None


def _numbers(texts: list[str]) -> list[int]:
    found = list(map(int, " ".join(texts).replace(",", "").split()))
    if len(found) != len(texts):
        raise ValueError("not a number each")
    return found


def _field_by_field(
    regions: Sequence[Mapping[str, Any]], checks: float | None, aggr_us: float | None
) -> Columns:
    regions = [one for one in regions if not _is_fake(one)]
    return (
        [whole(one["start"]) for one in regions],
        [whole(one["end"]) for one in regions],
        [_accesses(one.get("nr_accesses"), checks) for one in regions],
        [_age(one.get("age"), aggr_us) for one in regions],
    )


def _snapshot(
    fields: Mapping[str, Any], columns: Columns, passed: Sequence[int] | None, probed: bool
) -> Snapshot:
    start, end, accesses, age = columns
    if min(map(min, filter(None, (start, end, accesses))), default=0) < 0:
        raise ValueError("a region with a negative number")
    since, at = nanoseconds(fields["start_time"]), nanoseconds(fields["end_time"])
    if at < since:
        raise ValueError(f"a snapshot from {since} to {at} ns")
    tuned = fields.get("sample_interval_us")
    sample_us = None if tuned is None else microseconds(tuned)
    if sample_us is not None and not sample_us > 0:
        raise ValueError(f"a sampling interval of {sample_us:g} us")
    try:
        found = Snapshot(
            since_ns=since,
            at_ns=at,
            sample_us=sample_us,
            bare=not str(tuned).strip()[-1:].isalpha(),
            start=np.array(start, dtype=np.uint64),
            end=np.array(end, dtype=np.uint64),
            accesses=np.minimum(np.array(accesses, dtype=np.uint64), _COUNT_MAX).astype(np.uint32),
            age=np.array(age, dtype=np.int64),
            passed=None if passed is None else np.array(passed, dtype=np.uint64),
            probed=probed,
        )
    except (OverflowError, ValueError):
        raise ValueError("a number of more than 64 bits") from None
    if (bad := np.flatnonzero(found.end <= found.start)).size:
        raise ValueError(f"a region from {start[bad[0]]} to {end[bad[0]]}")
    return found


def _is_fake(region: Mapping[str, Any]) -> bool:
    """What damo appends when it writes a single snapshot: nobody's memory, -1 accesses."""
    return not whole(region["start"]) and not whole(region["end"])


def _accesses(fields: Mapping[str, Any] | None, checks: float | None) -> int:
    if fields is None:
        return 0
    if fields.get("samples") is not None:
        return whole(fields["samples"])
    if fields.get("percent") is None:
        raise ValueError("a region without accesses")
    if checks is None:
        raise ValueError("accesses in per cent of checks whose number is not known")
    text = fields["percent"]
    share = number(text.strip().removesuffix("%") if isinstance(text, str) else text) / 100
    return round(share * checks)


def _age(fields: Mapping[str, Any] | None, aggr_us: float | None) -> int:
    if fields is None:
        return NO_AGE
    if fields.get("aggr_intervals") is not None:
        return whole(fields["aggr_intervals"])
    if fields.get("usec") is None or not aggr_us:
        return NO_AGE
    return int(microseconds(fields["usec"]) / aggr_us)
