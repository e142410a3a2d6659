"""The text of DAMON's tracepoints, by whatever tool printed it -> Imported.

Events (include/trace/events/damon.h): damon_aggregated, a region of an aggregation, `age` since
5.15; damos_before_apply, one of a scheme; damon_monitor_intervals_tune (6.17), the sampling
interval from then on: the counts that follow have been converted to it (kdamond_tune_intervals).
As `perf script`, damo's perf_script, `trace-cmd report` and trace_pipe print them:

  kdamond.0  4452 [000] 82877.315633: damon:damon_aggregated: target_id=0 nr_regions=17 1-2: 0 3
  kdamond.x xxxx xxxx 82877.315633: damon:damon_aggregated: target_id=0 nr_regions=17 1-2: 0 3
  kdamond.0-948   [001] .....  1427.700926: damon_aggregated: target_id=0 nr_regions=10 1-2: 0 1

What belongs together is told by the thread and the target: kdamonds are traced side by side, and
each numbers its targets from 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hotkit.core.imported import Imported
from hotkit.core.regions import NO_AGE, Intervals, Target
from hotkit.errors import HotkitError
from hotkit.parse.damo_json import UNIT
from hotkit.parse.regionrows import Rows, snapshots_of

_EVENT = re.compile(
    rb"^([^\n:]*[ \t])(\d{1,10})\.(\d+): (?:damon:)?"
    rb"(?:damon_(?:region_)?aggregated\w*|damos_before_apply):([^\n:]*[ \t])"
    rb"(\d{1,20})-(\d{1,20}): (-?\d{1,10})(?: (-?\d{1,10}))?(?: (?!\(no end of line\))[^\n]*)?$",
    re.M,
)
_TUNED = re.compile(
    rb"^([^\n:]*[ \t])(\d{1,10})\.(\d+): (?:damon:)?damon_monitor_intervals_tune:"
    rb"\s+sample_us=(\d{1,18})",
    re.M,
)
_OURS = re.compile(rb"damon_\w*aggregated|damos_before_apply")
_LOST = re.compile(
    rb"\[LOST (?:(\d{1,18}) )?EVENTS\]|\[(?:(\d{1,18}) )?EVENTS DROPPED\]"
    rb"|PERF_RECORD_LOST lost (\d{1,18})"
)
_THREAD = re.compile(rb"\s*(\S+?)(?:[\s-]+([\dx]+)(?:/\d+)?)?(?:\s|$)")
_KDAMOND = re.compile(r"kdamond\.(\d{1,9})$")
_FIELD = re.compile(rb"(\w+)=(\d{1,20})\b")
_COUNT_MAX = (1 << 32) - 1
_SCALE = {6: 1000, 9: 1}


@dataclass(slots=True)
class _Trace:
    """What was read so far; each group of rows is one thread's view of one target."""

    groups: dict[tuple[str, Target], Rows] = field(default_factory=dict)
    names: list[tuple[str, Target]] = field(default_factory=list)
    tuned: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    # When the snapshot ended that damo makes up behind a single one, to tell how long that took.
    made_up: dict[tuple[str, Target], int] = field(default_factory=dict)
    # From what stands before and behind an event's name: a place in `names`, the regions told.
    known: dict[tuple[bytes, bytes], tuple[int, int]] = field(default_factory=dict)
    lost: int = 0
    damaged: int = 0
    first_damaged: int = 0


def read_damon_trace(
    chunks: Iterable[bytes],
    form: str,
    intervals: Callable[[Target], Intervals | None] = lambda target: None,
) -> Imported:
    """Read a trace. `intervals` are those of a target, where somebody knows them.

    Lines of other events are passed over. Raises HotkitError, with the line, where none is DAMON's.
    """
    trace = _Trace()
    line = 1
    for text in _whole_lines(chunks):
        try:
            _take(trace, text, line)
        except OverflowError:
            raise HotkitError(f"from line {line} on: a number of more than 64 bits") from None
        line += text.count(b"\n")
    if not trace.groups:
        where = f"line {trace.first_damaged}" if trace.damaged else f"lines 1 to {line - 1}"
        raise HotkitError(f"{where}: no region of DAMON's tracepoints could be read")
    targets = []
    for thread, target, rows, made_up in _numbered(trace):
        known = intervals(target)
        tuned = trace.tuned.get(thread, ())
        targets.append(snapshots_of(target, rows, known, tuned, made_up_ns=made_up))
    notes = []
    if missing := sum(one.lost for one in targets):
        notes.append(f"{missing} regions are missing in their snapshots: events were lost")
    if trace.lost:
        notes.append(f"the tracer says that {trace.lost} events were lost")
    if trace.damaged:
        notes.append(
            f"{trace.damaged} damaged lines were passed over, the first is line"
            f" {trace.first_damaged}"
        )
    if any(one.relative for one in targets):
        notes.append(
            "a trace does not tell DAMON's intervals: shares are of the most accesses seen"
        )
    return Imported(
        form=form, tracker="damon", unit=UNIT, targets=tuple(targets), notes=tuple(notes),
        skipped=trace.damaged,
    )  # fmt: skip


def _whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The text in pieces that end with a line; a last line without its end may be cut off."""
    rest = b""
    for chunk in chunks:
        head, end, tail = chunk.rpartition(b"\n")
        if end:
            yield rest + head + end
            rest = tail
        else:
            rest += chunk
    if rest:
        yield rest + b" (no end of line)\n"


def _take(trace: _Trace, text: bytes, line: int) -> None:
    rows = _EVENT.findall(text)
    # Counting is fast, patterns are not: they look only where there is something to be found.
    if text.count(b"aggregated:") + text.count(b"before_apply:") != len(rows):
        _damaged(trace, text, line)
    for match in _LOST.finditer(text) if b"LOST" in text or b"DROPPED" in text else ():
        trace.lost += int(match[1] or match[2] or match[3] or 1)
    for who, seconds, fraction, sample in _TUNED.findall(text) if b"_tune:" in text else ():
        if int(sample):
            at = _times([seconds], [fraction])[0]
            trace.tuned.setdefault(_thread(who), []).append((int(at), float(sample)))
    if not rows:
        return
    who, seconds, fraction, what, start, end, accesses, age = zip(*rows, strict=True)
    times = _times(seconds, fraction)
    told = [trace.known.get(pair) or _name(trace, pair) for pair in zip(who, what, strict=True)]
    of = np.array([place for place, _ in told])
    columns = (
        times,
        np.array([count for _, count in told]),
        np.array(list(map(int, start)), dtype=np.uint64),
        np.array(list(map(int, end)), dtype=np.uint64),
        np.array(list(map(int, accesses)), dtype=np.int64),
        np.array([int(text) if text else NO_AGE for text in age], dtype=np.int64),
    )
    good = (columns[2] < columns[3]) & (columns[4] >= 0)
    for at in np.flatnonzero(~good):
        if columns[3][at] == 0 and columns[4][at] < 0:
            trace.made_up[trace.names[of[at]]] = int(times[at])
        else:
            trace.damaged += 1
            trace.first_damaged = trace.first_damaged or line + text[: text.find(start[at])].count(
                b"\n"
            )
    for place in set(of[good].tolist()):
        rows_of = (one[(of == place) & good] for one in columns)
        trace.groups.setdefault(trace.names[place], Rows()).add(*rows_of)


def _times(seconds: Iterable[bytes], fraction: Iterable[bytes]) -> NDArray[np.int64]:
    """In ns; of a fraction of a second the first nine digits."""
    parts = list(fraction)
    whole = np.array(list(map(int, seconds)), dtype=np.int64) * 1_000_000_000
    digits = len(parts[0])
    if digits in _SCALE and set(map(len, parts)) == {digits}:
        return whole + np.array(list(map(int, parts)), dtype=np.int64) * _SCALE[digits]
    return whole + np.array([int(text.ljust(9, b"0")[:9]) for text in parts], dtype=np.int64)


def _name(trace: _Trace, pair: tuple[bytes, bytes]) -> tuple[int, int]:
    """Which thread and target an event is of; how many regions its snapshot has, 0: not told."""
    thread = _thread(pair[0])
    fields = {key: int(value) for key, value in _FIELD.findall(pair[1])}
    kdamond = _KDAMOND.match(thread.split(" ")[0])  # a name may be blank in Unicode only
    target = Target(
        kdamond=int(kdamond[1]) if kdamond else 0,
        context=fields.get(b"ctx_idx", 0),
        scheme=fields.get(b"scheme_idx", -1),
        number=fields.get(b"target_id", fields.get(b"target_idx", 0)),
    )
    if (thread, target) not in trace.names:
        trace.names.append((thread, target))
    found = (trace.names.index((thread, target)), min(fields.get(b"nr_regions", 0), _COUNT_MAX))
    trace.known[pair] = found
    return found


def _thread(who: bytes) -> str:
    match = _THREAD.match(who)
    parts = match.groups() if match else ()
    return " ".join(part.decode(errors="replace") for part in parts if part) or "?"


def _numbered(trace: _Trace) -> list[tuple[str, Target, Rows, int | None]]:
    """Thread, target, rows, in order of targets. Where two threads have one, the later gets the
    next free kdamond: one that was stopped and started, or two of one name."""
    found: list[tuple[str, Target, Rows, int | None]] = []
    used: dict[Target, str] = {}
    for name, rows in trace.groups.items():
        thread, target = name
        while used.setdefault(target, thread) != thread:
            target = replace(target, kdamond=target.kdamond + 1)
        found.append((thread, target, rows, trace.made_up.get(name)))
    return sorted(found, key=lambda one: one[1])


def _damaged(trace: _Trace, text: bytes, line: int) -> None:
    """Count the lines of our events that the pattern does not know."""
    for number, one in enumerate(text.split(b"\n"), line):
        if _OURS.search(one) and not _EVENT.fullmatch(one):
            trace.damaged += 1
            trace.first_damaged = trace.first_damaged or number
