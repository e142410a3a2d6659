"""A layout: profile + topology = reserved ranges, CPU limit, command line, predicted RAM."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from hotkit.core.ranges import Range, RangeSet

LAYOUT_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """What happens to one node; `predicted` is what /proc/iomem will call System RAM there."""

    node: int
    role: str  # "fast", "slow", "off" (no RAM wanted), "pmem"
    wanted_bytes: int | None  # in the profile's meaning of size; None: nothing asked of this node
    present_bytes: int  # RAM that the firmware has there
    reserved: tuple[Range, ...]
    predicted: RangeSet

    @property
    def kept_bytes(self) -> int:
        return self.predicted.size_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowPmem:
    """The slow tier that is PMEM: `wanted_bytes` (None: all) of `range` online as RAM of `node`.

    `emulated`: `range` is DRAM that the command line turns into PMEM; else the firmware's tables
    call it non-volatile. How much of it comes online is core/pmem.py's to tell.
    """

    node: int
    range: Range
    wanted_bytes: int | None
    emulated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "node": self.node,
            "range": [self.range.start, self.range.end],
            "wanted_bytes": self.wanted_bytes,
            "emulated": self.emulated,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SlowPmem:
        """Inverse of `to_dict`."""
        return cls(**{**data, "range": Range(*data["range"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The outcome of planning.

    `args` are the kernel's arguments exactly as /proc/cmdline must show them, one string per
    argument (`("maxcpus=4", "memmap=127796M$5324M,117964M$146228M", "nokaslr")`), without the
    token that names the layout. `cpus` are the CPU numbers that must be online after the boot;
    `pmem` the non-volatile ranges per node that must be there, untouched but for `slow_pmem`.
    `tiers` are the nodes of the fast and the slow tier, `distance` how far the second is from the
    first (SLIT; 0 when the topology does not say).
    """

    profile: str
    topology: str
    style: str  # "$" or "%"
    size_means: str  # "present", "span", "managed"
    args: tuple[str, ...]
    nodes: tuple[NodePlan, ...]
    cpus: tuple[int, ...]
    pmem: tuple[tuple[int, Range], ...] = ()
    slow_pmem: SlowPmem | None = None
    tiers: tuple[int, ...] = ()
    distance: int = 0

    @property
    def id(self) -> str:
        """Twelve hex digits that name this layout: a hash of what it asks the kernel for."""
        asked = [*self.args]
        if self.slow_pmem:
            asked.append(json.dumps(self.slow_pmem.to_dict(), sort_keys=True))
        return hashlib.sha256("\0".join(asked).encode()).hexdigest()[:12]

    @property
    def pmem_as_ram(self) -> RangeSet:
        """The PMEM that may be RAM of a node: the slow tier's; empty when that is none."""
        return RangeSet((self.slow_pmem.range,) if self.slow_pmem else ())

    @property
    def cmdline(self) -> str:
        return " ".join(self.args)

    @property
    def token(self) -> str:
        """The argument by which a running kernel shows which layout booted it."""
        return f"hotkit.id={self.id}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form (`schema_version` inside); ranges are [start, end) pairs of integers."""
        return {
            "schema_version": LAYOUT_SCHEMA_VERSION,
            "id": self.id,
            "profile": self.profile,
            "topology": self.topology,
            "style": self.style,
            "size_means": self.size_means,
            "args": list(self.args),
            "cmdline": self.cmdline,
            "cpus": list(self.cpus),
            "nodes": [
                {
                    "node": plan.node,
                    "role": plan.role,
                    "wanted_bytes": plan.wanted_bytes,
                    "present_bytes": plan.present_bytes,
                    "kept_bytes": plan.kept_bytes,
                    "reserved": _pairs(plan.reserved),
                    "predicted": _pairs(plan.predicted),
                }
                for plan in self.nodes
            ],
            "pmem": [{"node": node, "range": [r.start, r.end]} for node, r in self.pmem],
            "slow_pmem": self.slow_pmem.to_dict() if self.slow_pmem else None,
            "tiers": list(self.tiers),
            "distance": self.distance,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Layout:
        """Inverse of `to_dict`. Raises KeyError or ValueError on a form that is not ours."""
        if data["schema_version"] != LAYOUT_SCHEMA_VERSION:
            raise ValueError(f"layout schema_version {data['schema_version']} is not known here")
        return cls(
            profile=data["profile"],
            topology=data["topology"],
            style=data["style"],
            size_means=data["size_means"],
            args=tuple(data["args"]),
            cpus=tuple(data["cpus"]),
            nodes=tuple(
                NodePlan(
                    node=item["node"],
                    role=item["role"],
                    wanted_bytes=item["wanted_bytes"],
                    present_bytes=item["present_bytes"],
                    reserved=tuple(Range(*pair) for pair in item["reserved"]),
                    predicted=RangeSet.of(Range(*pair) for pair in item["predicted"]),
                )
                for item in data["nodes"]
            ),
            pmem=tuple((item["node"], Range(*item["range"])) for item in data["pmem"]),
            # A record on a host may be older than these.
            slow_pmem=SlowPmem.from_dict(data["slow_pmem"]) if data.get("slow_pmem") else None,
            tiers=tuple(data.get("tiers", ())),
            distance=data.get("distance", 0),
        )


def _pairs(ranges: RangeSet | tuple[Range, ...]) -> list[list[int]]:
    return [[item.start, item.end] for item in ranges]
