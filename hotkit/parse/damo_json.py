"""damo's records as JSON, compressed or not (the caller unpacks) -> Imported.

damo 3.4 (PyPI), _damo_records.py: a list of DamonRecord, one per kdamond, context, scheme and
target; `intervals` and `data_source` came later. A newer layout that puts the list deeper is read
as well: whatever object has `snapshots` is a record. Snapshots are read one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import orjson

from hotkit.core.imported import Imported
from hotkit.core.record import Floats
from hotkit.core.regions import Intervals, Ints, RegionSnapshots, Target, merged
from hotkit.parse.damo_snapshot import Snapshot, snapshot
from hotkit.parse.damovalues import intervals, whole
from hotkit.parse.jsonstream import Damaged, JsonStream

# The first key of a snapshot: where it stands, the next one begins.
_FIRST_KEY = b'"start_time"'
# Time between two snapshots that differs from the interval by more than this has another one.
_TUNED_FROM = 0.1
# So far down are records looked for.
_DEEPEST = 20
UNIT = "checks of a region that found it accessed"


def read_damo_json(chunks: Iterable[bytes], form: str) -> Imported:
    """Read a record. Raises Damaged, with the byte, for what is no record of damo."""
    stream = JsonStream(chunks)
    found: dict[Target, list[RegionSnapshots]] = {}
    notes: dict[str, None] = {}
    for record in _records(stream, notes):
        found.setdefault(record.target, []).append(record)
    if stream.peek():
        raise stream.fail("text behind the end of the record")
    if not found:
        raise Damaged("byte 0: there is no record with snapshots in it")
    targets = tuple(merged(found[target]) for target in sorted(found))
    if any(one.relative for one in targets):
        notes["the record does not tell its intervals: shares are of the most accesses seen"] = None
    return Imported(form=form, tracker="damon", unit=UNIT, targets=targets, notes=tuple(notes))


def _records(
    stream: JsonStream, notes: dict[str, None], depth: int = 0
) -> Iterator[RegionSnapshots]:
    """The records below the value that begins here."""
    if depth > _DEEPEST:
        raise stream.fail("nested too deep")
    if stream.peek() == b"[":
        for _ in stream.items():
            yield from _records(stream, notes, depth + 1)
    elif stream.peek() == b"{":
        yield from _record(stream, notes, depth + 1)
    else:
        stream.value()


def _record(stream: JsonStream, notes: dict[str, None], depth: int) -> Iterator[RegionSnapshots]:
    """An object that is a record or holds some. What stands behind the snapshots counts as well."""
    begin = stream.place
    fields: dict[str, Any] = {}
    snapshots: list[Snapshot] | None = None
    for key in stream.members():
        if key == "snapshots":
            snapshots = _snapshots(stream, _intervals_in(fields, stream))
        elif key == "intervals" or stream.peek() not in b"[{":
            fields[key] = stream.value()
        elif key in ("scheme_filters", "kdamonds"):
            stream.value()
        else:
            yield from _records(stream, notes, depth)
    if snapshots is None:
        return
    if any(one.probed for one in snapshots):
        notes["hits of probes are not kept"] = None
    if not snapshots:
        notes["a record without snapshots is left out"] = None
        return
    try:
        target = Target(
            kdamond=whole(fields.get("kdamond_idx") or 0),
            context=whole(fields.get("context_idx") or 0),
            scheme=-1 if fields.get("scheme_idx") is None else whole(fields["scheme_idx"]),
            number=whole(fields.get("target_id") or 0),
        )
    except ValueError as error:
        raise stream.fail(f"a record of damo: {error}", begin) from None
    yield columns(target, snapshots, _intervals_in(fields, stream))


def _intervals_in(fields: dict[str, Any], stream: JsonStream) -> Intervals | None:
    """The intervals of a record as far as it was read."""
    if not fields.get("intervals"):
        return None
    try:
        return intervals(fields["intervals"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise stream.fail(f"intervals of a record: {error}") from None


def _snapshots(stream: JsonStream, known: Intervals | None) -> list[Snapshot]:
    """All of a list, one in memory at a time."""
    found: list[Snapshot] = []
    for _ in stream.items():
        if stream.peek() != b"{":
            raise stream.fail("a snapshot was expected")
        begin = stream.place
        try:
            fields = _fast(stream) or stream.value()
            found.append(
                snapshot(fields, known.checks if known else None, known.aggr_us if known else None)
            )
        except Damaged:
            raise
        except (ValueError, TypeError, AttributeError) as error:
            raise stream.fail(f"a snapshot: {error}", begin) from None
    return found


def _fast(stream: JsonStream) -> dict[str, Any] | None:
    """The snapshot that begins here by orjson, which must be told where it ends: before the next
    one, if both are as damo writes them. None, and nothing taken, where they are not."""
    text = stream.up_to_another(_FIRST_KEY)
    text = text[: text.rfind(b"}") + 1]
    try:
        found: dict[str, Any] = orjson.loads(text)
    except ValueError:
        return None
    stream.skip(len(text))
    return found


def columns(target: Target, snapshots: list[Snapshot], known: Intervals | None) -> RegionSnapshots:
    """Snapshots in columns, each with the intervals that were in force when it was taken."""
    since = np.array([one.since_ns for one in snapshots], dtype=np.int64)
    at = np.array([one.at_ns for one in snapshots], dtype=np.int64)
    told = np.array(
        [np.nan if one.sample_us is None else one.sample_us for one in snapshots], dtype=np.float64
    )
    accesses = np.concatenate([one.accesses for one in snapshots])
    sample_us = aggr_us = np.full(len(at), np.nan)
    if known is not None:
        bare = np.array([one.bare for one in snapshots])
        told = np.where(bare, _in_microseconds(told, at - since, known), told)
        sample_us = np.where(np.isnan(told), _inferred(at - since, known), told)
        aggr_us = sample_us * known.checks
        full = np.full(len(at), known.checks)
    else:
        sample_us = told
        full = np.full(len(at), max(1.0, float(accesses.max(initial=0))))
    passed = None
    if any(one.passed is not None for one in snapshots):
        passed = np.concatenate(
            [np.zeros_like(one.start) if one.passed is None else one.passed for one in snapshots]
        )
    return RegionSnapshots(
        target=target,
        since_ns=since,
        at_ns=at,
        sample_us=sample_us,
        aggr_us=aggr_us,
        full=full,
        first=np.concatenate([[0], np.cumsum([len(one.start) for one in snapshots])]),
        start=np.concatenate([one.start for one in snapshots]),
        end=np.concatenate([one.end for one in snapshots]),
        accesses=accesses,
        age=np.concatenate([one.age for one in snapshots]),
        relative=known is None,
        intervals=known,
        passed=passed,
    )


def _in_microseconds(told: Floats, took_ns: Ints, known: Intervals) -> Floats:
    """A snapshot's own sampling interval. damo 3.4 writes `sample_interval_us` in ns where numbers
    are raw (_damo_fmt_str.py, format_time_us_exact), and reads it in us. A snapshot takes as long
    as its checks do, so that one a thousand times too long is in ns."""
    would_take_ns = 1000 * told * known.checks
    return np.where((took_ns > 0) & (would_take_ns > 30 * took_ns), told / 1000, told)


def _inferred(took_ns: Ints, known: Intervals) -> Floats:
    """The sampling interval of snapshots that do not tell: where it is tuned, from how long they
    took, as damo does it (damo_report_access.py, snapshot_monitoring_intervals)."""
    if known.goal is None:
        return np.full(len(took_ns), known.sample_us)
    took_us = took_ns / 1000
    same = np.abs(took_us - known.aggr_us) < _TUNED_FROM * known.aggr_us
    return np.where(same | (took_us <= 0), known.sample_us, took_us / known.checks)
