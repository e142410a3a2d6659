"""A record of another tool on this disk -> Imported: unpacked here, parsed by hotkit/parse."""

from __future__ import annotations

import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

from hotkit.core.imported import Imported
from hotkit.core.regions import Intervals, Target
from hotkit.errors import HotkitError
from hotkit.host.readahead import ahead
from hotkit.host.run import describe_end, require, run, spawn
from hotkit.parse.damo_json import read_damo_json
from hotkit.parse.damo_kdamonds import kdamond_intervals
from hotkit.parse.damon_trace import read_damon_trace
from hotkit.parse.jsonstream import Damaged
from hotkit.parse.memsamples import EVERY_MS, read_samples
from hotkit.parse.memtierd import read_memtierd
from hotkit.parse.recordforms import (
    DAMO,
    FORMS,
    HEAD_BYTES,
    MEMTIERD,
    PERF_DATA,
    SAMPLES,
    TRACE,
    form_of,
    packed,
)

_CHUNK_BYTES = 1 << 18
_PIECE_BYTES = 1 << 20
# zlib's or gzip's header, whichever is there.
_EITHER = zlib.MAX_WBITS | 32
# What every event with an address has.
_SAMPLE_FIELDS = "pid,tid,time,event,addr"


def read_foreign(
    path: Path,
    *,
    form: str | None = None,
    fields: str | None = None,
    every_ms: int = EVERY_MS,
    intervals: Intervals | None = None,
) -> Imported:
    """Read the file; without `form` what it is is found out.

    `fields` are those of perf's text, `every_ms` the steps that samples are put into, `intervals`
    those of DAMON, for a trace that has no FILE.kdamonds beside it. Raises HotkitError with file
    and line, or byte, of what cannot be read.
    """
    try:
        with _opened(path) as (head, chunks, is_packed):
            try:
                return _read(
                    path, form or form_of(head), chunks, is_packed, fields, every_ms, intervals
                )
            except Damaged as error:
                where = " of the unpacked text" if is_packed else ""
                raise HotkitError(str(error).replace(":", where + ":", 1)) from error
    except HotkitError as error:
        # Below this, nobody knows the file's name.
        raise HotkitError(
            f"{path}: {error.message}", hint=error.hint, exit_code=error.exit_code
        ) from error
    except OSError as error:
        raise HotkitError(f"{path}: cannot be read: {error.strerror}") from error


def _read(
    path: Path,
    form: str | None,
    chunks: Iterator[bytes],
    is_packed: bool,
    fields: str | None,
    every_ms: int,
    intervals: Intervals | None,
) -> Imported:
    if form == DAMO:
        return read_damo_json(chunks, f"damo record, {'json_compressed' if is_packed else 'json'}")
    if form == TRACE:
        known = _known_intervals(path, intervals)
        return read_damon_trace(chunks, "text of DAMON's tracepoints", known)
    if form == MEMTIERD:
        return read_memtierd(chunks, "raw dump of memtierd")
    if form == SAMPLES:
        text = b"".join(chunks).decode(errors="replace")
        return read_samples(text, "perf script's samples", fields, every_ms)
    if form == PERF_DATA:
        return _perf_data(path, every_ms, intervals)
    raise HotkitError(
        "not a record that hotkit knows",
        hint="--format says what it is: "
        + "; ".join(f"{name} ({words})" for name, words in FORMS.items()),
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[bytes, Iterator[bytes], bool]]:
    """The first bytes of the file, unpacked, all of its bytes, and whether it is packed."""
    with path.open("rb") as file:
        raw = iter(lambda: file.read(_CHUNK_BYTES), b"")
        first = next(raw, b"")
        if not first:
            raise HotkitError("is empty")
        chunks = chain([first], raw)
        if not packed(first):
            yield first[:HEAD_BYTES], chunks, False
            return
        # The thread ends with the block, whatever happens in it.
        with closing(ahead(_unpacked(chunks))) as whole:
            begin = next(whole, b"")
            yield begin[:HEAD_BYTES], chain([begin], whole), True


def _unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """In pieces of no more than _PIECE_BYTES: a packed byte may be a thousand unpacked ones."""
    unpack, place = zlib.decompressobj(_EITHER), 0
    try:
        for chunk in chunks:
            place += len(chunk)
            while chunk:
                # gzip allows one stream behind another; anything else there is none of ours.
                if unpack.eof and chunk[:2] == b"\x1f\x8b":
                    unpack = zlib.decompressobj(_EITHER)
                elif unpack.eof:
                    break
                if text := unpack.decompress(chunk, _PIECE_BYTES):
                    yield text
                chunk = unpack.unconsumed_tail or unpack.unused_data
    except zlib.error as error:
        raise HotkitError(f"damaged before byte {place}: {error}") from error
    if text := unpack.flush():
        yield text
    if not unpack.eof:
        raise HotkitError(f"ends in the middle, after byte {place}")


def _known_intervals(path: Path, told: Intervals | None) -> Callable[[Target], Intervals | None]:
    """DAMON's intervals: those that the user named, else those of the file that damo puts beside a
    record."""
    if told is not None:
        return lambda target: told
    beside = path.with_name(path.name + ".kdamonds")
    if not beside.is_file():
        return lambda target: None
    try:
        found = kdamond_intervals(beside.read_text())
    except (OSError, ValueError) as error:
        raise HotkitError(f"{beside.name} beside it: {error}") from error
    return lambda target: found.get((target.kdamond, target.context))


def _perf_data(path: Path, every_ms: int, intervals: Intervals | None) -> Imported:
    """By the perf that is installed: the format is its own business."""
    perf = require("perf", "linux-perf")
    events = run([perf, "evlist", "--force", "-i", path]).stdout
    if "damon:" in events:
        return read_damon_trace(
            _perf_script(perf, path),
            "perf.data of DAMON's tracepoints",
            _known_intervals(path, intervals),
        )
    text = b"".join(_perf_script(perf, path, "-F", _SAMPLE_FIELDS, "--ns"))
    return read_samples(
        text.decode(errors="replace"), "perf.data with samples", _SAMPLE_FIELDS, every_ms
    )


def _perf_script(perf: str | Path, path: Path, *more: str) -> Iterator[bytes]:
    """What `perf script` prints, as it prints it; HotkitError where it fails."""
    words: list[str | Path] = [perf, "script", "--force", "--show-lost-events", "-i", path, *more]
    with (
        tempfile.TemporaryFile() as said,
        spawn(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as child,
    ):
        assert child.stdout is not None
        while chunk := child.stdout.read(_CHUNK_BYTES):
            yield chunk
        if child.wait():
            said.seek(0)
            last = (said.read().decode(errors="replace").strip().splitlines() or [""])[-1]
            raise HotkitError(f"perf script {describe_end(child.returncode)}: {last}")
