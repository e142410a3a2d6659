"""The kernel's list format for CPUs and nodes: `0-3,8,10-11`."""

from __future__ import annotations

from hotkit.errors import HotkitError


def parse_cpulist(text: str) -> tuple[int, ...]:
    """Numbers in the order written; empty text is no CPU. Raises HotkitError on anything else."""
    found: list[int] = []
    for part in text.strip().split(","):
        first, dash, last = part.strip().partition("-")
        if not part.strip():
            continue
        if not first.isdigit() or (dash and not last.isdigit()):
            raise HotkitError(f"{text.strip()!r} is no list of numbers like 0-3,8")
        found.extend(range(int(first), int(last if dash else first) + 1))
    return tuple(found)
