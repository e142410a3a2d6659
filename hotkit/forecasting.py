"""The story of `hotkit memory predict`: a boot of a machine, a layout, what it will leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hotkit.core.bootmemory import Forecast, forecast
from hotkit.core.bootreference import BootReference
from hotkit.core.layout import Layout
from hotkit.core.memfacts import MemoryFacts
from hotkit.core.memremedies import remedies
from hotkit.core.pmem_preflight import pmem_cost_bytes
from hotkit.core.remedy import Remedy
from hotkit.core.topology import Topology
from hotkit.errors import HotkitError
from hotkit.host.profiles import load_profile, profile_locator
from hotkit.layout import make_layout
from hotkit.memory import gather, read_capture
from hotkit.parse.bootcapture import reference_from_capture
from hotkit.parse.bootreference import reference_from_facts
from hotkit.parse.facts import topology_from_facts
from hotkit.parse.memfacts import memory_facts
from hotkit.topology import load_topology

_HINT = "take it as root, on a kernel that has booted lately: hotkit memory capture HOST --out DIR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A forecast with what it was made of."""

    topology: Topology
    layout: Layout
    reference: BootReference
    facts: MemoryFacts
    forecast: Forecast
    remedies: tuple[Remedy, ...]


def predict(
    profile_ref: str,
    ref: str,
    *,
    inventory: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Prediction:
    """What the layout of `profile_ref` will leave of the machine `ref`.

    `ref` is a directory that `hotkit memory capture` made, one with older captures (dmesg*,
    numactl*, meminfo.txt), or a machine that runs (`local`, ssh://..., a host of `inventory`).
    Raises HotkitError.
    """
    profile = load_profile(profile_ref, overrides)
    folder = Path(ref).expanduser()
    here = folder.is_dir()
    texts, record = read_capture(folder) if here else gather(ref, inventory)
    name = str((record or {}).get("hostname") or folder.name)
    facts = memory_facts(name, texts, record)
    known = dict((record or {}).get("topology") or {})
    if known:
        topology = replace(topology_from_facts(known), name=name)
        boot = reference_from_facts(_boot_facts(known, texts, record or {}), host=name)
    else:
        topology = load_topology(str(folder))
        boot = reference_from_capture(facts, topology, texts)
    if boot is None:
        raise HotkitError(f"{ref} does not show the RAM and the use of each node", hint=_HINT)
    layout = make_layout(topology, profile, profile_locator(profile_ref))
    virtual = boot.label is None or not boot.label.costs_hold_for_hardware
    return Prediction(
        topology=topology,
        layout=layout,
        reference=boot,
        facts=facts,
        forecast=forecast(boot, layout, pmem_pages_bytes=pmem_cost_bytes(layout, virtual=virtual)),
        remedies=remedies(facts, layout=layout, topology=topology),
    )


def _boot_facts(
    known: Mapping[str, Any], texts: Mapping[str, str], record: Mapping[str, Any]
) -> dict[str, Any]:
    """A capture as the facts that provisioning gathers (docs/architecture.md)."""
    return {
        **known,
        "iomem": texts.get("iomem", ""),
        "meminfo": texts.get("meminfo", ""),
        "platform": record.get("platform"),
        "nested": record.get("nested", False),
        "uptime_s": record.get("uptime_s") or 0,
    }
