"""What a sweep says while it runs, and how it is told to stop: shared by its threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from hotkit.core.analysis import Analysis


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a part stands: for the live view. `analysis` is of the blocks finished so far.

    `gate`: why a block begins anew, just now. `left_s`: seconds left at the pace so far.
    """

    host: str
    step: str
    part: str = ""
    done: int = 0
    total: int = 0
    block: int | None = None
    blocks: int = 0
    arm: str | None = None
    analysis: Analysis | None = None
    reruns: int = 0
    gate: str | None = None
    left_s: float | None = None


Watch = Callable[[Progress], None]


@dataclass(slots=True)
class StopSign:
    """Shared by all parts of a sweep: how to stop, if so ("", "run", "block", "now")."""

    when: str = ""
    changed: threading.Event = field(default_factory=threading.Event)

    def raise_to(self, when: str) -> None:
        """Ask all parts to stop."""
        self.when = when
        self.changed.set()

    def within(self, seconds: float) -> bool:
        """Wait so long, or until it is raised; whether it is."""
        self.changed.wait(seconds)
        return bool(self.when)
