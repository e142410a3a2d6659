"""A sweep whose workload is in a guest, without a machine: the events that such a journal has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hotkit.core.design import OFF
from tests.unit.sweepfolders import make_sweep

GUEST = {
    "name": "g1", "kind": "qemu", "backing": "thp", "memory_bytes": 384 << 20, "vcpus": 2,
    "machine": {
        "hostname": "g1", "kernel_release": "6.1.0-guest", "cpus": [0, 1],
        "clocksource": "kvm-clock", "memory_bytes": 350 << 20,
        "knobs": {"thp": "always [madvise] never"},
        "platform": "emulated", "nested": True,
    },
}  # fmt: skip


def arm(name: str, tracker: str, scope: str, **settings: Any) -> dict[str, Any]:
    return {"tracker": tracker, "name": name, "scope": scope, "settings": settings}


ARMS = (
    arm("guest-damon", "damon", "guest", flush="stock"),
    arm("guest-flush", "damon", "guest", flush="primary"),
    arm("host-damon", "damon", "host", flush="stock"),
    arm("host-both", "damon", "host", flush="primary+secondary"),
    arm("softdirty", "softdirty", "guest", interval_ms=100),
)
# Per run: flushes of each kind that an arm adds to those of every run (below).
FLUSHES = {
    "guest-flush": {
        "guest.vmstat.nr_tlb_remote_flush": 300, "guest.vmstat.nr_tlb_local_flush_one": 200,
        "guest.hotkit.damon_flush_primary": 500,
    },
    "host-both": {
        "kvm.tlb_flush": 8000, "kvm.remote_tlb_flush": 4000, "vmstat.nr_tlb_remote_flush": 100,
        "hotkit.damon_flush_primary": 100, "hotkit.damon_flush_secondary": 9000,
        "hotkit.damon_secondary_young": 4000,
    },
}  # fmt: skip
ALWAYS = {
    "kvm.tlb_flush": 1000, "kvm.remote_tlb_flush": 10, "vmstat.nr_tlb_remote_flush": 20,
    "vmstat.nr_tlb_local_flush_all": 5, "vmstat.nr_tlb_local_flush_one": 25,
    "guest.vmstat.nr_tlb_remote_flush": 2, "guest.vmstat.nr_tlb_local_flush_all": 1,
    "guest.vmstat.nr_tlb_local_flush_one": 9, "guest.steal_ns": 3_000_000,
    "hotkit.damon_flush_primary": 0, "guest.hotkit.damon_flush_primary": 0,
}  # fmt: skip

_MECHANISMS = {
    ("damon", "guest"): "A bits",
    ("damon", "host"): "A bits of NPT",
    ("softdirty", "guest"): "write faults",
}
_TOP = {
    "guest-damon": 0.2, "guest-flush": 0.85, "host-damon": 0.1, "host-both": 0.8, "softdirty": 0.9,
}  # fmt: skip
Told = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]


def as_told(run: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """An event of make_sweep as a journal of a sweep in a guest has it."""
    name, block, scope = run["arm"], run["block"], run.get("scope")
    if event["type"] == "sample" and name != OFF:
        event["facts"] = {"mechanism": _MECHANISMS[run["tracker"], scope]}
        if scope == "host":
            event["vm"] = {
                "pages": 2048, "moved": 8 if block == 0 else 2,
                "elsewhere_pages": 50_000, "elsewhere_hot": 1000 + 10 * block,
            }  # fmt: skip
    elif event["type"] == "counter":
        more = FLUSHES.get(name, {})
        counted = {key: ALWAYS.get(key, 0) + more.get(key, 0) for key in {**ALWAYS, **more}}
        # Every second block has two more of each: a spread that can be told beforehand.
        event["deltas"] |= {key: value + 2 * (block % 2) * bool(value)
                            for key, value in counted.items()}  # fmt: skip
        if name == "host-both" and block == 3:
            event["deltas"]["guest.steal_ns"] = 40_000_000
    elif event["type"] == "end":
        if name != OFF:
            event["accuracy"]["top"] = _TOP[name]
        host_ns = event["duration_ns"] + 1_000_000
        late = 3e-4 if name == "host-both" and block == 3 else 1e-4
        event["clocks"] = {"host_ns": host_ns, "guest_ns": host_ns - round(late * host_ns)}
    return event


def drifting(run: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """As above, with a guest's clock that is 2 % slow in the first block's runs."""
    event = as_told(run, event)
    if event["type"] == "end" and run["block"] == 0:
        event["clocks"]["guest_ns"] = round(0.98 * event["clocks"]["host_ns"])
    return event


def make_guest_sweep(folder: Path, *, told: Told = as_told, **more: Any) -> Path:
    """Write one; trustworthy unless `told` says otherwise."""
    given = {"arms": ARMS, "guest": GUEST, "nested": True, "as_told": told}
    return make_sweep(folder, **(given | more))
