"""One finished run of a sweep, small: there may be a hundred thousand of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hotkit.core.accuracy import Accuracy
from hotkit.core.inguest import Clocks, VmSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One finished run. Times in seconds; `self_cpu` is CPU time of the tracker's own threads.

    `accuracy` is None when the tracker reports no heat or the workload knows no truth; `errors` say
    why the run is no result (core/armcheck.py). `own_work`: the arm has a workload of its own.
    `attempt` is the one at its block, 0 the first. `flush` is the tracker's setting of that name,
    `facts` what it said of how it worked. With the workload in a guest `scope` says where the
    tracker ran, `vm` what one in the host saw, and `clocks` what passed in both.
    """

    name: str
    block: int
    arm: str
    tracker: str
    twin: int | None
    duration: float
    checksum: str
    examined: int = 0
    positive: int = 0
    lost: int = 0
    self_cpu: float = 0.0
    accuracy: Accuracy | None = None
    errors: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    deltas: Mapping[str, int] = field(default_factory=dict)
    own_work: bool = False
    attempt: int = 0
    scope: str = ""
    flush: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    vm: VmSeen | None = None
    clocks: Clocks | None = None
