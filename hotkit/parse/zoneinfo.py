"""/proc/zoneinfo: RAM per zone, and the free pages that CPUs keep for themselves (mm/vmstat.c)."""

from __future__ import annotations

import re

from hotkit.core.memfacts import Zone
from hotkit.parse.doubts import NUMBER, Doubts

_ZONE = re.compile(r"Node\s+(?P<node>[0-9]{1,4}), zone\s+(?P<name>\w{1,20})")
_FREE = re.compile(rf"pages free\s+({NUMBER})")
_FIELD = re.compile(rf"(present|managed|low|nr_zspages)\s+({NUMBER})")
_COUNT = re.compile(rf"count:\s+({NUMBER})")


def parse_zoneinfo(text: str, source: str = "zoneinfo") -> tuple[tuple[Zone, ...], tuple[str, ...]]:
    """The zones that have RAM, and what could not be read.

    Lines that are not asked for are skipped: each kernel has others. A zone without its "present"
    or "managed" is left out and named.
    """
    doubts = Doubts(source)
    zones: list[Zone] = []
    found: dict[str, int] = {}
    head: tuple[int, str, int, str] | None = None  # node, name, line number, the line
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if match := _ZONE.fullmatch(line):
            _close(head, found, zones, doubts)
            head, found = (int(match["node"]), match["name"], number, line), {}
        elif match := _FREE.fullmatch(line):
            if "free" in found:
                doubts.line(number, line, "its zone's first line is damaged: left out")
                _close(head, found, zones, doubts)
                head, found = None, {}
            found["free"] = int(match[1])
        elif match := _FIELD.fullmatch(line):
            found.setdefault(match[1], int(match[2]))
        elif match := _COUNT.fullmatch(line):
            found["per_cpu_free"] = found.get("per_cpu_free", 0) + int(match[1])
    if head is None and text.strip():
        doubts.say('no line of it begins with "Node N, zone": this is no zoneinfo')
    _close(head, found, zones, doubts)
    return tuple(zones), doubts.sentences


def _close(
    head: tuple[int, str, int, str] | None,
    found: dict[str, int],
    zones: list[Zone],
    doubts: Doubts,
) -> None:
    if head is None:
        return
    node, name, number, line = head
    lost = [field for field in ("present", "managed", "free") if field not in found]
    if lost:
        doubts.line(number, line, f"this zone has no {', '.join(lost)} and is left out")
    elif found["present"]:
        zones.append(
            Zone(
                node=node,
                name=name,
                present=found["present"],
                managed=found["managed"],
                free=found["free"],
                low=found.get("low", 0),
                per_cpu_free=found.get("per_cpu_free", 0),
                zspages=found.get("nr_zspages", 0),
            )
        )
