"""A file of one JSON object per line, read as fast as memory allows and never held whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# Three times as fast as json.loads, and a key that was seen before is not made anew.
import orjson

from hotkit.errors import HotkitError

# So much is read and parsed at a time.
_BATCH_BYTES = 1 << 18


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects in order. A last line that was cut off (it has no end) is left out.

    Whole numbers are exact up to 64 bits; nothing that we count is longer.
    Raises HotkitError with file and line for any other line that is not a JSON object, and for a
    file that cannot be read.
    """
    before = 0
    try:
        with path.open("rb", buffering=_BATCH_BYTES) as file:
            while lines := file.readlines(_BATCH_BYTES):
                cut_off = not lines[-1].endswith(b"\n")
                yield from _objects(lines[:-1] if cut_off else lines, path, before)
                if cut_off:
                    return
                before += len(lines)
    except OSError as error:
        raise HotkitError(f"{path}: cannot be read: {error.strerror}") from error


def _objects(lines: list[bytes], path: Path, before: int) -> Iterable[dict[str, Any]]:
    """Those of some lines, which follow `before` others."""
    try:
        found = list(map(orjson.loads, lines))
    except ValueError:
        found = []
    if len(found) == len(lines) and set(map(type, found)) <= {dict}:
        return found
    # One of them is none, or is one to Python alone.
    return (_object(line, path, number) for number, line in enumerate(lines, start=before + 1))


def _object(line: bytes, path: Path, number: int) -> dict[str, Any]:
    """By json.loads: orjson takes no NaN and no half of a surrogate pair, and Python wrote it."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise HotkitError(f"{path}:{number}: not a JSON line") from error
    if not isinstance(found, dict):
        raise HotkitError(f"{path}:{number}: not a JSON object")
    return found
