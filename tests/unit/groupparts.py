"""Parts of a sweep with figures by hand: what `combine` looks at, and nothing measured."""

from __future__ import annotations

from typing import Any

from hotkit.core.analysis import Analysis, ArmResult, PerSample
from hotkit.core.comparison import Session
from hotkit.core.groupparts import Part
from hotkit.core.stats import Difference, Interval, Ratio
from hotkit.core.stats_session import Drift
from tests.unit.sweepfolders import MACHINE, WORKLOAD

A_A = Difference(n=8, mean=0.0, sd=0.001, interval=None, p_t=0.5, p_sign_flip=0.5)


def part(
    boot: int,
    slowdowns: dict[str, float | None],
    *,
    host: str = "tier1",
    layout: str | None = "4C16G",
    workload: str = "hotset",
    doubts: tuple[str, ...] = (),
    per_sample: float | None = 1e-7,
    unit: str = "PTE examined",
    settings: dict[str, Any] | None = None,
    sha: str = "a" * 64,
    **machine: Any,
) -> Part:
    """One boot. `slowdowns` are fractions by arm (None: undefined); samples cost `per_sample` s
    for each per cent of slow-down (None: undefined)."""
    arms = tuple(
        _arm(name, value, value and per_sample and 100 * value * per_sample, unit)
        for name, value in slowdowns.items()
    )
    known = {"boot_id": f"{host}-{boot}"} | machine
    manifest = {
        "host": host, "seed": boot, "machine": MACHINE | known, "sha256": {
            "agent": sha, "workload": sha, "scan": sha
        },
        "description": {"workload": WORKLOAD | {"kind": workload}, "blocks": 8},
        "schedule": {"runs": [
            {"arm": arm, "settings": settings or {"interval_ms": 50}} for arm in slowdowns
        ]},
    }  # fmt: skip
    analysis = Analysis(
        blocks=8, incomplete_blocks=(), a_a=A_A, off_mean=1.0, sesoi_fraction=0.01, arms=arms,
        untrusted=doubts, drift=Drift(blocks=8), doses=(),
    )  # fmt: skip
    name = f"{host}-{layout}-{workload}-boot{boot}"
    return Part(
        name=name, host=host, layout=layout, boot=boot, workload=workload,
        session=Session(name=name, manifest=manifest, analysis=analysis),
    )  # fmt: skip


def _arm(name: str, slowdown: float | None, per: float | None, unit: str) -> ArmResult:
    return ArmResult(
        arm=name, tracker="softdirty", runs=8, overhead=A_A, slowdown=_ratio(slowdown),
        per_examined=PerSample(
            unit=unit, samples=1000, differential=_ratio(per), direct=None, mde=None
        ),
        per_positive=PerSample(
            unit=unit, samples=100, differential=_ratio(per), direct=None, mde=None
        ),
        mde_fraction=None, blocks_needed=None, accuracy=None, errors=(), p_holm=0.04,
    )  # fmt: skip


def _ratio(value: float | None) -> Ratio:
    if value is None:
        return Ratio(
            n=8, estimate=None, interval=None, bootstrap=None, g=None, undefined="no samples"
        )
    interval = Interval(low=0.9 * value, high=1.1 * value)
    return Ratio(n=8, estimate=value, interval=interval, bootstrap=None, g=0.1)
