"""Samples with data addresses (mem-loads, IBS, page faults) in perf's text -> Imported.

Samples are put together by process, step of time and page. A page without a sample in a step was
not seen, and counts as cold there, as with hotkit's own tracker perf: nothing else is told. A share
is relative to the page with the most samples in its step.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from hotkit.core.imported import Imported
from hotkit.core.regions import NO_AGE, RegionSnapshots, Target
from hotkit.core.units import PAGE_BYTES
from hotkit.errors import HotkitError
from hotkit.parse.perf_script import FIELDS, PerfScript, parse_perf_script

EVERY_MS = 200
# Farther apart than this, two pages with samples are not of one piece of memory.
_APART_PAGES = (16 << 20) // PAGE_BYTES
# What hotkit asks `perf script` for, and what it prints unasked for events with addresses
# (tools/perf/builtin-script.c, PERF_TYPE_RAW). Both have an address and an ip: of a line with one
# number it cannot be told which it is.
_TAIL = "addr,data_src,weight,ip,sym,symoff,dso"
FIELD_LISTS = (
    FIELDS,
    "comm,pid,tid,cpu,time,period,event,addr,ip,sym,dso",
    "comm,pid,tid,time,period,event,addr,ip,sym,dso",
    *(
        ",".join(["comm", "tid", *cpu, "time", *period, "event", tail])
        for tail in (_TAIL, "addr,weight,ip,sym,symoff,dso", "addr,ip,sym,symoff,dso")
        for cpu in (["cpu"], [])
        for period in (["period"], [])
    ),
)
_TRIED_LINES = 200
# Eleven hours at 200 ms. A time with a wrong digit would take all memory.
_MOST_STEPS = 200_000


def fields_of(text: str) -> str | None:
    """The list of fields with which most of the first lines are samples; None where none is one."""
    head = "".join(text.splitlines(keepends=True)[:_TRIED_LINES])
    best, most = None, 0
    for fields in FIELD_LISTS:
        try:
            found = len(parse_perf_script(head, fields).samples)
        except HotkitError:
            continue
        if found > most:
            best, most = fields, found
    return best


def read_samples(text: str, form: str, fields: str | None, every_ms: int = EVERY_MS) -> Imported:
    """Read what `perf script -F FIELDS` printed; without `fields` they are found out.

    Raises HotkitError where no line is a sample with a time and an address.
    """
    if (chosen := fields or fields_of(text)) is None:
        raise HotkitError(
            "line 1: no samples with data addresses that could be read",
            hint=f"print them with perf script -F {FIELDS}, or name the fields with --fields",
        )
    script = parse_perf_script(text, chosen)
    if "time" not in chosen.split(","):
        raise HotkitError("samples without a time are no record", hint=f"perf script -F {FIELDS}")
    notes = [f"the fields are taken for {chosen}"] if fields is None else []
    if script.lost:
        notes.append(f"{script.lost} samples were lost, as perf says")
    if script.bad_lines:
        notes.append(f"{script.bad_lines} damaged lines were passed over, {script.bad_examples[0]}")
    if nowhere := sum(not one.address for one in script.samples):
        notes.append(f"{nowhere} samples have no data address and are left out")
    names = sorted({one.event for one in script.samples})
    return Imported(
        form=f"{form} ({', '.join(names)})",
        tracker="perf",
        unit="samples",
        targets=_targets(script, every_ms),
        notes=tuple(notes),
        skipped=script.bad_lines,
    )


def _targets(script: PerfScript, every_ms: int) -> tuple[RegionSnapshots, ...]:
    """One per process; all of them in the same steps."""
    kept = [one for one in script.samples if one.address and one.time_ns is not None]
    if not kept:
        raise HotkitError("line 1: none of the samples has a data address")
    # A text may name the thread alone.
    pids = np.array([one.pid if one.pid is not None else (one.tid or 0) for one in kept])
    times = np.array([one.time_ns for one in kept], dtype=np.int64)
    pages = np.array([one.address for one in kept], dtype=np.uint64) // np.uint64(PAGE_BYTES)
    begin, every = int(times.min()), every_ms * 1_000_000
    steps = (times - begin) // every
    number = int(steps.max()) + 1
    if number > _MOST_STEPS:
        raise HotkitError(
            f"the samples reach over {(number * every) / 3600e9:,.1f} hours, {number:,} steps of"
            f" {every_ms} ms: is one of the times damaged?",
            hint=f"--every with more ms; up to {_MOST_STEPS:,} steps are told apart",
        )
    edges = begin + every * np.arange(number + 1)
    edges[-1] = max(int(times.max()), int(edges[-2]) + 1)
    return tuple(
        _process(int(pid), pages[pids == pid].astype(np.int64), steps[pids == pid], edges)
        for pid in np.unique(pids)
    )


def _process(
    pid: int, pages: NDArray[np.int64], steps: NDArray[np.int64], edges: NDArray[np.int64]
) -> RegionSnapshots:
    """In each step all of the memory that any sample was in: runs of pages with equal counts."""
    known = np.unique(pages)
    cut = np.flatnonzero(np.diff(known) > _APART_PAGES)
    low, high = known[np.append(0, cut + 1)], known[np.append(cut, -1)] + 1
    start, end, count, first, full = [], [], [], [0], []
    pages = pages[np.argsort(steps, kind="stable")]
    borders = np.searchsorted(np.sort(steps), np.arange(len(edges)))
    for here, there in itertools.pairwise(borders):
        seen, times = np.unique(pages[here:there], return_counts=True)
        begin, finish, value = _runs(seen, times, low, high)
        start.append(begin)
        end.append(finish)
        count.append(value)
        first.append(first[-1] + len(begin))
        full.append(float(max(1, times.max(initial=0))))
    unknown = np.full(len(edges) - 1, np.nan)
    return RegionSnapshots(
        target=Target(kind="pid", number=pid),
        since_ns=edges[:-1],
        at_ns=edges[1:],
        sample_us=unknown,
        aggr_us=unknown,
        full=np.array(full),
        first=np.array(first),
        start=np.concatenate(start).astype(np.uint64) * np.uint64(PAGE_BYTES),
        end=np.concatenate(end).astype(np.uint64) * np.uint64(PAGE_BYTES),
        accesses=np.concatenate(count).astype(np.uint32),
        age=np.full(first[-1], NO_AGE, dtype=np.int64),
        relative=True,
    )


def _runs(
    seen: NDArray[np.int64],
    times: NDArray[np.int64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Start, end and count of runs of pages that fill [low, high) of each piece of memory."""
    # Borders: of pieces, and of every page with samples. Between two of them the count is one.
    borders = np.unique(np.concatenate([low, high, seen, seen + 1]))
    begin, finish = borders[:-1], borders[1:]
    inside = np.searchsorted(low, begin, side="right") > np.searchsorted(high, begin, side="right")
    place = np.searchsorted(seen, begin)
    value = np.zeros(len(begin), dtype=np.int64)
    if len(seen):
        at = np.minimum(place, len(seen) - 1)
        value = np.where(seen[at] == begin, times[at], 0)
    begin, finish, value = begin[inside], finish[inside], value[inside]
    new = np.ones(len(begin), dtype=bool)
    new[1:] = (value[1:] != value[:-1]) | (begin[1:] != finish[:-1])
    last = np.append(np.flatnonzero(new)[1:] - 1, len(begin) - 1)
    return begin[new], finish[last], value[new]
