"""The kernel's list format for CPUs and nodes: `0-3,8,10-11`."""

from __future__ import annotations

import re

from hotkit.errors import HotkitError

# Not str.isdigit(): that takes superscripts, which int() then refuses.
_NUMBERS = re.compile(r"[0-9]+(-[0-9]+)?")


def parse_cpulist(text: str) -> tuple[int, ...]:
    """Numbers in the order written; empty text is no CPU. Raises HotkitError on anything else."""
    found: list[int] = []
    for part in text.strip().split(","):
        first, dash, last = part.strip().partition("-")
        if not part.strip():
            continue
        if not _NUMBERS.fullmatch(part.strip()):
            raise HotkitError(f"{text.strip()!r} is no list of numbers like 0-3,8")
        found.extend(range(int(first), int(last if dash else first) + 1))
    return tuple(found)
