"""`ps aux`: the memory of processes as their resident set, which counts shared pages repeatedly."""

from __future__ import annotations

import re

from hotkit.core.memfacts import Process
from hotkit.core.plaintext import plain_line
from hotkit.core.units import KIB
from hotkit.parse.doubts import NUMBER, Doubts

_HEAD = ("USER", "PID")
_COLUMNS = 11
_NUMBER = re.compile(NUMBER)


def parse_ps(text: str, source: str = "ps-rss") -> tuple[tuple[Process, ...], tuple[str, ...]]:
    """The processes, and what could not be read. Threads of the kernel (RSS 0) are left out."""
    doubts = Doubts(source)
    found = []
    for number, raw in enumerate(text.splitlines(), 1):
        words = raw.split(None, _COLUMNS - 1)
        if not words or tuple(words[:2]) == _HEAD:
            continue
        if len(words) < _COLUMNS or not all(_NUMBER.fullmatch(words[i]) for i in (1, 4, 5)):
            doubts.line(number, raw)
            continue
        if int(words[5]):
            found.append(
                Process(
                    pid=int(words[1]),
                    name=plain_line(words[-1].rstrip(), 80),
                    rss_bytes=int(words[5]) * KIB,
                )
            )
    return tuple(found), doubts.sentences
