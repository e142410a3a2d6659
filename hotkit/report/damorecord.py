"""Regions as a record that damo reads back: its json_compressed, or json.

damo 3.4 (PyPI), _damo_records.py: `write_json`, DamonRecord and DamonSnapshot. The numbers are raw,
as there, and the layout is that of json.dumps(indent=4).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from hotkit.core.regions import Intervals, RegionSnapshots

# damo takes a snapshot's own interval only where tuning is asked for; this asks, and for nothing.
_SOME_GOAL = (0.0, 1.0, 0.0, 0.0)
_INDENT = 4


def damo_json(targets: Sequence[RegionSnapshots]) -> Iterator[bytes]:
    """The record as text, a snapshot at a time."""
    yield b"[\n"
    for number, one in enumerate(targets):
        yield from _record(one)
        yield b"\n]\n" if number + 1 == len(targets) else b",\n"


def packed(text: Iterable[bytes]) -> Iterator[bytes]:
    """The same as damo packs it (zlib)."""
    pack = zlib.compressobj()
    for piece in text:
        if out := pack.compress(piece):
            yield out
    yield pack.flush()


def _record(one: RegionSnapshots) -> Iterator[bytes]:
    target = one.target
    head: dict[str, Any] = {
        "kdamond_idx": target.kdamond,
        "context_idx": target.context,
        "intervals": _intervals(one),
        "scheme_idx": None if target.scheme < 0 else target.scheme,
        "target_id": target.number,
        "scheme_filters": [],
        "snapshots": [],
        "data_source": "unknown",
    }
    before, _, after = _indented(head, 1).partition('"snapshots": []')
    yield f'{before}"snapshots": [\n'.encode()
    for number in range(one.snapshots):
        end = "," if number + 1 < one.snapshots else ""
        yield (_snapshot(one, number) + end + "\n").encode()
    yield f"{' ' * 2 * _INDENT}]{after}".encode()


def _snapshot(one: RegionSnapshots, number: int) -> str:
    part = slice(int(one.first[number]), int(one.first[number + 1]))
    passed = np.zeros(part.stop - part.start, int) if one.passed is None else one.passed[part]
    # damo's heat map has no words for an age that nobody told.
    age = np.maximum(one.age[part], 0)
    columns = (one.start[part], one.end[part], one.accesses[part], age, passed)
    regions = ",\n".join(
        _REGION % row for row in zip(*(column.tolist() for column in columns), strict=True)
    )
    fields: dict[str, Any] = {
        "start_time": str(one.since_ns[number]),
        "end_time": str(one.at_ns[number]),
        "regions": [],
        "total_bytes": str(int(one.sizes[part].sum())),
        "damos_stats": None,
        "sample_interval_us": _tuned(one, number),
    }
    text = _indented(fields, 3)
    if not regions:
        return text
    before, _, after = text.partition("[]")
    return f"{before}[\n{regions}\n{' ' * 4 * _INDENT}]{after}"


def _tuned(one: RegionSnapshots, number: int) -> str | None:
    """A snapshot's own sampling interval, where it is not the one that was asked for. With its
    unit: damo takes a number for us, and writes ns."""
    known = one.intervals
    if known is None or (known.goal is None and not _is_tuned(one)):
        return None
    return f"{one.sample_us[number]:.0f} us"


def _is_tuned(one: RegionSnapshots) -> bool:
    return one.intervals is not None and bool((one.sample_us != one.intervals.sample_us).any())


def _intervals(one: RegionSnapshots) -> dict[str, Any] | None:
    known: Intervals | None = one.intervals
    if known is None:
        return None
    goal = known.goal or (_SOME_GOAL if _is_tuned(one) else (0.0, 0.0, 0.0, 0.0))
    names = ("access_bp", "aggrs", "min_sample_us", "max_sample_us")
    return {
        "sample_us": f"{known.sample_us:.0f}",
        "aggr_us": f"{known.aggr_us:.0f}",
        "ops_update_us": f"{known.update_us:.0f}",
        "intervals_goal": {
            name: f"{value:f}" if name == "access_bp" else f"{value:.0f}"
            for name, value in zip(names, goal, strict=True)
        },
    }


def _indented(value: Any, depth: int) -> str:
    text = json.dumps(value, indent=_INDENT)
    pad = " " * _INDENT * depth
    return pad + text.replace("\n", "\n" + pad)


# Laid out once: json.dumps with an indent takes 20 us a region.
_REGION = _indented(
    {
        "start": "%d",
        "end": "%d",
        "nr_accesses": {"samples": "number", "percent": None},
        "age": {"usec": None, "aggr_intervals": "%d"},
        "probe_hits": [],
        "sz_filter_passed": "%d B",
    },
    5,
).replace('"number"', "%d")
