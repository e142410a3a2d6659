"""Is a slow tier shown to be slower? The verdict on what loads measured, never on what is hoped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from hotkit.core.labels import Label

# Two allocations on the same tier differ by some per cent (which pages, which huge pages): a tier
# counts as slower from a tenth on.
LEAST_RATIO = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRow:
    """Memory of one node as the CPUs of another see it; every repeat is kept."""

    cpu_node: int
    memory_node: int
    latency_ns: tuple[float, ...]
    read_mib_s: tuple[float, ...]
    pages: int
    pages_on_node: int

    @property
    def misplaced(self) -> int:
        """Pages that the kernel put on another node than was asked for."""
        return self.pages - self.pages_on_node

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> TierRow:
        return cls(
            cpu_node=row["cpu_node"],
            memory_node=row["memory_node"],
            latency_ns=tuple(row["latency_ns"]),
            read_mib_s=tuple(row["read_mib_s"]),
            pages=row["pages"],
            pages_on_node=row["pages_on_node"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TierVerdict:
    """One node's memory against the nearest, from one node's CPUs.

    `ratio` is that of the median latencies; `low` and `high` are its extremes over all repeats
    (slowest against fastest and the other way round). `shown` is None where nothing can be shown.
    """

    cpu_node: int
    fast: int
    slow: int
    ratio: float
    low: float
    high: float
    shown: bool | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TierProbe:
    """All rows of one machine, what is concluded, and what the machine says about itself."""

    host: str
    label: Label
    rows: tuple[TierRow, ...]
    bytes_probed: int
    llc_bytes: int | None
    says: tuple[Mapping[str, str], ...] = field(default=())

    @property
    def verdicts(self) -> tuple[TierVerdict, ...]:
        """A verdict for every node but the nearest, per node with CPUs."""
        found = []
        for cpu_node in sorted({row.cpu_node for row in self.rows}):
            seen = [row for row in self.rows if row.cpu_node == cpu_node]
            fast = nearest(cpu_node, seen)
            found += [compare(fast, row, self.label) for row in seen if row is not fast]
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """JSON form, in `hotkit verify --probe --json`."""
        return {
            "platform": str(self.label.platform),
            "bytes": self.bytes_probed,
            "llc_bytes": self.llc_bytes,
            "rows": [
                {
                    "cpu_node": row.cpu_node,
                    "memory_node": row.memory_node,
                    "latency_ns": list(row.latency_ns),
                    "read_mib_s": list(row.read_mib_s),
                    "pages": row.pages,
                    "pages_on_node": row.pages_on_node,
                }
                for row in self.rows
            ],
            "verdicts": [
                {
                    "cpu_node": item.cpu_node,
                    "fast": item.fast,
                    "slow": item.slow,
                    "ratio": round(item.ratio, 3),
                    "ratio_low": round(item.low, 3),
                    "ratio_high": round(item.high, 3),
                    "shown_slower": item.shown,
                    "sentence": item.sentence,
                }
                for item in self.verdicts
            ],
            "says": [dict(item) for item in self.says],
        }


def nearest(cpu_node: int, rows: Sequence[TierRow]) -> TierRow:
    """The node's own memory; that of the least latency when it has none."""
    for row in rows:
        if row.memory_node == cpu_node:
            return row
    return min(rows, key=lambda row: median(row.latency_ns))


def compare(fast: TierRow, slow: TierRow, label: Label) -> TierVerdict:
    """Slower is shown when every repeat, against every other, is slower by a tenth."""
    near, far = median(fast.latency_ns), median(slow.latency_ns)
    low = min(slow.latency_ns) / max(fast.latency_ns)
    high = max(slow.latency_ns) / min(fast.latency_ns)
    who = f"Node {slow.memory_node} from the CPUs of node {slow.cpu_node}"
    figures = (
        f"{far:.0f} against {near:.0f} ns a load (node {fast.memory_node}), ratio {far / near:.2f},"
        f" {low:.2f} to {high:.2f} over all repeats"
    )
    shown: bool | None = low >= LEAST_RATIO
    if not label.costs_hold_for_hardware:
        shown = None
        sentence = (
            f"{who}: not shown to be slower, and it cannot be: every access of an emulated CPU is"
            f" software, wherever the memory is. {figures}."
        )
    elif slow.misplaced or fast.misplaced:
        shown = None
        pages = slow.misplaced + fast.misplaced
        sentence = f"{who}: not shown: {pages} pages were not on the node asked for. {figures}."
    elif shown:
        sentence = f"{who}: shown to be slower. {figures}."
    else:
        sentence = (
            f"{who}: not shown to be slower: that takes a ratio of {LEAST_RATIO} in every repeat."
            f" {figures}."
        )
    return TierVerdict(
        cpu_node=slow.cpu_node,
        fast=fast.memory_node,
        slow=slow.memory_node,
        ratio=far / near,
        low=low,
        high=high,
        shown=shown,
        sentence=sentence,
    )


def probe_from_events(host: str, label: Label, event: Mapping[str, Any]) -> TierProbe:
    """From the agent's `probe` event with `tiers` and `says`."""
    tiers = event["tiers"]
    return TierProbe(
        host=host,
        label=label,
        rows=tuple(TierRow.from_dict(row) for row in tiers["rows"]),
        bytes_probed=tiers["bytes"],
        llc_bytes=tiers["llc_bytes"],
        says=tuple(event["says"]),
    )
