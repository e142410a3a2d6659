"""/proc/slabinfo, version 2.x: what each cache of kernel objects takes (mm/slab_common.c)."""

from __future__ import annotations

import re

from hotkit.core.memfacts import SlabCache
from hotkit.core.plaintext import plain_line
from hotkit.core.units import PAGE_BYTES
from hotkit.parse.doubts import NUMBER, Doubts

_HEAD = re.compile(r"slabinfo - version:\s*(?P<version>\S+)")
# A cache's name may hold blanks and colons; the six numbers in front of the first colon and the
# words "slabdata" and "tunables" may not.
_LINE = re.compile(
    rf"(?P<name>\S.*?)\s+{NUMBER}\s+(?P<objects>{NUMBER})\s+(?P<size>{NUMBER})\s+{NUMBER}"
    rf"\s+(?P<pages>{NUMBER})\s*: tunables\s.*?: slabdata\s+{NUMBER}\s+(?P<slabs>{NUMBER})"
    rf"\s+{NUMBER}(?:\s.*)?"
)
_KNOWN_VERSION = "2."


def parse_slabinfo(
    text: str, source: str = "slabinfo"
) -> tuple[tuple[SlabCache, ...], tuple[str, ...]]:
    """The caches, and what could not be read. A cache without slabs takes nothing and is left out.

    Slabs of caches that the kernel merged are listed once, under one of their names.
    """
    doubts = Doubts(source)
    caches = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if match := _HEAD.match(line):
            if not match["version"].startswith(_KNOWN_VERSION):
                doubts.say(
                    f"its version is {plain_line(match['version'], 20)}, known is 2.1: "
                    "read as if it were that"
                )
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            doubts.line(number, line)
            continue
        size = int(match["slabs"]) * int(match["pages"]) * PAGE_BYTES
        if size:
            caches.append(
                SlabCache(
                    name=plain_line(match["name"], 80),
                    size_bytes=size,
                    objects=int(match["objects"]),
                    object_bytes=int(match["size"]),
                )
            )
    return tuple(caches), doubts.sentences
