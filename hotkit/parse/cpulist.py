"""The kernel's list format for CPUs and nodes: `0-3,8,10-11`."""

from __future__ import annotations

import re

from hotkit.errors import HotkitError

# Not str.isdigit(): that takes superscripts, which int() then refuses.
_NUMBERS = re.compile(r"[0-9]{1,7}(-[0-9]{1,7})?")
# Linux has at most 8192 CPUs and 1024 nodes (NR_CPUS, MAX_NUMNODES): a list with more is damaged,
# and would take all memory.
_MOST = 1 << 16


def parse_cpulist(text: str) -> tuple[int, ...]:
    """Numbers in the order written; empty text is no CPU. Raises HotkitError on anything else."""
    found: list[int] = []
    for part in text.strip().split(","):
        if not part.strip():
            continue
        first, dash, last = part.strip().partition("-")
        if not _NUMBERS.fullmatch(part.strip()) or int(last or first) < int(first):
            raise HotkitError(f"{text.strip()[:80]!r} is no list of numbers like 0-3,8")
        if len(found) + int(last or first) - int(first) >= _MOST:
            raise HotkitError(f"{text.strip()[:80]!r} names more numbers than there are CPUs")
        found.extend(range(int(first), int(last or first) + 1))
    return tuple(found)
