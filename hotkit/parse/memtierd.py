"""memtierd's raw dump of accesses -> Imported.

pkg/memtier/tracker.go of memtierd (commit 27701218, `raeDataToString`): what the prompt's command
`tracker -dump raw new` prints, a header and a line per region and scan, in Go's "%20d %8d %16x %8d
%8d %8d". Saved with `tee -a` the header comes again and again:

          timestamp       pid             addr    pages     accs   writes
 1700000000000000000     4242     7f1c2d3e4000      512        1        0

Timestamps are ns since 1970, the same for all regions of a scan of a process (softdirty, idlepage),
or those at which the region was told (damon). Counts are pages found accessed or written to, of at
most MaxCountPerRegion (default 1), which the dump does not tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from hotkit.core.imported import Imported
from hotkit.core.regions import NO_AGE, RegionSnapshots, Target
from hotkit.core.units import PAGE_BYTES
from hotkit.errors import HotkitError
from hotkit.parse.regionrows import Rows, snapshots_of

HEADER = re.compile(rb"[ \t]*timestamp[ \t]+pid[ \t]+addr[ \t]+pages[ \t]+accs[ \t]+writes\b")
_ROW = re.compile(
    rb"[ \t]*(\d{1,18}|\d{19}(?=[ \t]))[ \t]+(\d{1,10})[ \t]+([0-9a-f]{1,16})[ \t]+(\d{1,12})"
    rb"[ \t]+(\d{1,15})[ \t]+(\d{1,15})(?:[ \t][^\n]*)?"
)
_ADDRESS_END = 1 << 64


def read_memtierd(chunks: Iterable[bytes], form: str) -> Imported:
    """Read a dump. Raises HotkitError, with the line, for one that is none or is damaged."""
    rows: dict[int, list[tuple[int, int, int, int]]] = {}
    most = writes_seen = 0
    for number, line in enumerate(b"".join(chunks).split(b"\n"), start=1):
        if not line.strip() or HEADER.match(line) or line.startswith(b"memtierd>"):
            continue
        match = _ROW.fullmatch(line)
        if match is None:
            words = line.strip()[:60].decode(errors="replace")
            raise HotkitError(
                f"line {number}: not a line of memtierd's raw dump: {words}",
                hint="the columns are timestamp, pid, addr, pages, accs and writes",
            )
        at, pid, pages = int(match[1]), int(match[2]), int(match[4])
        start, accesses, writes = int(match[3], 16), int(match[5]), int(match[6])
        if not pages or start + pages * PAGE_BYTES >= _ADDRESS_END or at >= 1 << 63:
            raise HotkitError(f"line {number}: no memory is at {start:#x}, {pages} pages")
        count = max(accesses, writes)
        most, writes_seen = max(most, count), writes_seen + writes
        rows.setdefault(pid, []).append((at, start, pages, count))
    if not rows:
        raise HotkitError("line 1: the dump holds no accesses")
    targets = [_process(pid, found, max(most, 1)) for pid, found in sorted(rows.items())]
    notes = [
        f"the dump does not tell MaxCountPerRegion: a region is wholly hot with {most} pages, the"
        " most that were counted"
    ]
    if not writes_seen:
        notes.append("there are accesses, and no writes: idlepage or damon looked")
    return Imported(
        form=form, tracker="memtierd", unit="pages found accessed", targets=tuple(targets),
        notes=tuple(notes),
    )  # fmt: skip


def _process(pid: int, rows: list[tuple[int, int, int, int]], most: int) -> RegionSnapshots:
    """Its rows: time, address, pages, pages found accessed."""
    columns = list(zip(*rows, strict=True))
    at, pages, count = (np.array(columns[i], dtype=np.int64) for i in (0, 2, 3))
    start = np.array(columns[1], dtype=np.uint64)
    # A region of fewer pages than are counted at most is full when all of them are.
    full = np.minimum(most, pages)
    scaled = np.ceil(np.minimum(count / full, 1) * most - 1e-9).astype(np.int64)
    table = Rows()
    table.add(
        at, np.zeros_like(at), start, start + (pages * PAGE_BYTES).astype(np.uint64), scaled,
        np.full_like(at, NO_AGE),
    )  # fmt: skip
    return snapshots_of(Target(kind="pid", number=pid), table, None)
