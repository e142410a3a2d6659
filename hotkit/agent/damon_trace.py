"""DAMON's records: lines of the tracepoint damon_aggregated -> aggregations of regions.

include/trace/events/damon.h, as trace_pipe shows it:
  kdamond.0-98 [000] ..... 12.345678: damon_aggregated: target_id=0 nr_regions=10 4096-8192: 3 7
One event per region and aggregation interval; `3` of the checks found an access, `7` is the age
(kernels before 5.15 had none). A full buffer loses events: `CPU:0 [LOST 12 EVENTS]`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_EVENT = re.compile(
    r"(?P<time>\d+\.\d+): damon_aggregated: target_id=(?P<target>\d+) nr_regions=(?P<count>\d+) "
    r"(?P<start>\d+)-(?P<end>\d+): (?P<accesses>\d+)(?: \d+)?\s*$"
)
# The kernel does not always know how many.
_LOST = re.compile(r"\[LOST (?:(\d+) )?EVENTS\]")


class Region(NamedTuple):
    """One region of one aggregation; addresses in bytes, `accesses` of the checks of that time."""

    at_ns: int
    start: int
    end: int
    accesses: int
    regions: int


class Records(NamedTuple):
    """What a trace held; `damaged` counts lines about DAMON that could not be read.

    `aggregations` are those of which at least one region is there.
    """

    regions: list[Region]
    aggregations: int
    lost: int
    damaged: int


def parse_trace(text: str) -> Records:
    """All regions of a trace, in its order."""
    regions: list[Region] = []
    lost = damaged = aggregations = 0
    left = border = 0  # regions that the aggregation still lacks; the end of its last one
    for line in text.splitlines():
        match = _EVENT.search(line)
        if match is None or int(match["start"]) >= int(match["end"]):
            gone = _LOST.search(line)
            if gone:
                lost += int(gone[1] or 1)
                left = max(0, left - int(gone[1])) if gone[1] else 0
            elif "damon_aggregated" in line:
                damaged += 1
                left = max(0, left - 1)
            continue
        count = int(match["count"])
        # Regions come in the order of their addresses: going back is a new aggregation, also where
        # loss has made us lose count.
        if left == 0 or int(match["start"]) < border:
            aggregations += 1
            left = count
        left -= 1
        border = int(match["end"])
        seconds, _, fraction = match["time"].partition(".")
        at_ns = int(seconds) * 1000000000 + int(fraction.ljust(9, "0")[:9])
        regions.append(
            Region(at_ns, int(match["start"]), int(match["end"]), int(match["accesses"]), count)
        )
    return Records(regions, aggregations, lost, damaged)
