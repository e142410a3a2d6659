"""/proc/allocinfo: memory by the line of code that took it (lib/alloc_tag.c, Linux 6.10)."""

from __future__ import annotations

import re

from hotkit.core.memfacts import AllocSite
from hotkit.core.plaintext import plain_line
from hotkit.parse.doubts import NUMBER, Doubts

_LINE = re.compile(
    rf"(?P<size>{NUMBER})\s+(?P<calls>{NUMBER})\s+(?P<place>\S+:{NUMBER})"
    r"(?:\s+\[(?P<module>[^\]]+)\])?\s+func:(?P<function>\S+)(?:\s+(?P<rest>.*))?"
)
_HEAD = re.compile(r"allocinfo - version:\s*(?P<version>\S+)")
_KNOWN_VERSIONS = ("1.", "2.")


def parse_allocinfo(
    text: str, source: str = "allocinfo"
) -> tuple[tuple[AllocSite, ...], tuple[str, ...]]:
    """The places that hold memory, and what could not be read."""
    doubts = Doubts(source)
    sites = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if match := _HEAD.match(line):
            if not match["version"].startswith(_KNOWN_VERSIONS):
                doubts.say(f"its version is {plain_line(match['version'], 20)}, known is 1.0")
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            doubts.line(number, line)
            continue
        if int(match["size"]):
            sites.append(
                AllocSite(
                    size_bytes=int(match["size"]),
                    calls=int(match["calls"]),
                    place=plain_line(match["place"], 120),
                    function=plain_line(match["function"], 80),
                    module=plain_line(match["module"], 40) if match["module"] else None,
                )
            )
        if match["rest"] and "accurate:no" in match["rest"]:
            doubts.line(number, line, "the kernel says that this figure is too small")
    return tuple(sites), doubts.sentences
