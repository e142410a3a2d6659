"""How new a captured kernel is: by its release, or by the fields that its meminfo has."""

from __future__ import annotations

import re

from hotkit.core.memfacts import MemoryFacts

_SINCE = {
    "KReclaimable": (4, 20), "Percpu": (4, 19), "Zswapped": (5, 19), "SecPageTables": (6, 1),
    "Unaccepted": (6, 5), "Balloon": (6, 16),
}  # fmt: skip


def is_since(facts: MemoryFacts, version: tuple[int, int]) -> bool | None:
    """Whether the kernel is of `version` or newer; None when nothing in the capture tells."""
    match = re.match(r"(\d{1,4})\.(\d{1,4})", facts.kernel_release or "")
    if match:
        return (int(match[1]), int(match[2])) >= version
    if any(field in facts.meminfo and known >= version for field, known in _SINCE.items()):
        return True
    return None
