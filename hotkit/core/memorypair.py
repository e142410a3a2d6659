"""A forecast beside what came: the pair by which the model's error is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from hotkit.core.bootmemory import FRESH_S, MEMTOTAL_DOUBT, USED_DOUBT, USED_DOUBT_BYTES

PAIR_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPair:
    """One boot: MemTotal per node as (forecast, found), what was used of all nodes with DRAM.

    `cache` is what could be given back of that use, page cache above all: as the forecast took it
    over from the boot that it stands on, and as found. Sizes in bytes; `uptime_s` is how long the
    machine had been up when it was looked at.
    """

    host: str
    boot_id: str
    layout_id: str
    profile: str
    kernel_release: str
    cmdline: str
    platform: str
    nested: bool
    uptime_s: float
    fit: str
    memtotal: Mapping[int, tuple[int, int]]
    used: tuple[int, int]
    cache: tuple[int, int] = (0, 0)

    @property
    def memtotal_error(self) -> float:
        """The worst node's, as a fraction of what was found; positive: forecast too high."""
        errors = [(said - found) / found for said, found in self.memtotal.values() if found]
        return max(errors, key=abs, default=0.0)

    @property
    def used_error_bytes(self) -> int:
        """Forecast less found."""
        return self.used[0] - self.used[1]

    @property
    def fresh(self) -> bool:
        """Whether the machine had just booted."""
        return self.uptime_s <= FRESH_S

    @property
    def within(self) -> bool:
        """Both within the model's stated doubt; use is not judged long after the boot.

        A machine that has read files since it booted has them in its page cache; a boot need not
        read them again. What the forecast says too much by that is not held against it.
        """
        allowed = max(USED_DOUBT * self.used[1], USED_DOUBT_BYTES)
        error = self.used_error_bytes
        used = not self.fresh or -allowed <= error <= allowed + self.more_cache_bytes
        return used and abs(self.memtotal_error) <= MEMTOTAL_DOUBT

    @property
    def more_cache_bytes(self) -> int:
        """How much more page cache the forecast stood on than was found."""
        said, found = self.cache
        return max(0, said - found)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "schema_version": PAIR_SCHEMA_VERSION,
            "host": self.host,
            "boot_id": self.boot_id,
            "layout_id": self.layout_id,
            "profile": self.profile,
            "kernel_release": self.kernel_release,
            "cmdline": self.cmdline,
            "platform": self.platform,
            "nested": self.nested,
            "uptime_s": self.uptime_s,
            "fit": self.fit,
            "memtotal_bytes": {str(node): list(pair) for node, pair in self.memtotal.items()},
            "used_bytes": list(self.used),
            "cache_bytes": list(self.cache),
            "memtotal_error": self.memtotal_error,
            "used_error_bytes": self.used_error_bytes,
            "within": self.within,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MemoryPair:
        """Inverse of `to_dict`. Raises KeyError, TypeError or ValueError on another form."""
        if data["schema_version"] != PAIR_SCHEMA_VERSION:
            raise ValueError(f"memory pair schema_version {data['schema_version']} is not known")
        keys = (
            "host", "boot_id", "layout_id", "profile", "kernel_release", "cmdline", "platform",
            "nested", "uptime_s", "fit",
        )  # fmt: skip
        said, found = data["used_bytes"]
        cached, kept = data.get("cache_bytes", (0, 0))
        return cls(
            **{key: data[key] for key in keys},
            memtotal={int(node): (a, b) for node, (a, b) in data["memtotal_bytes"].items()},
            used=(int(said), int(found)),
            cache=(int(cached), int(kept)),
        )

    @property
    def sentence(self) -> str:
        """What `hotkit verify` says of it."""
        mib = 1 << 20
        said, found = self.used
        text = (
            f"MemTotal {self.memtotal_error:+.2%} off the forecast at most; used "
            f"{found / mib:.0f} MiB, forecast {said / mib:.0f} MiB"
        )
        if self.more_cache_bytes >= mib:
            text += f" with {self.more_cache_bytes / mib:.0f} MiB more of page cache"
        return text if self.fresh else f"{text} ({self.uptime_s / 3600:.0f} h after the boot)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelError:
    """How far forecasts were off, over pairs of fresh boots; fractions and bytes, absolute."""

    pairs: int
    within: int
    memtotal_median: float
    memtotal_most: float
    used_median_bytes: int
    used_most_bytes: int


def model_error(pairs: Iterable[MemoryPair]) -> ModelError | None:
    """Over the fresh pairs; None when there is none."""
    fresh = [pair for pair in pairs if pair.fresh]
    if not fresh:
        return None
    totals = [abs(pair.memtotal_error) for pair in fresh]
    used = [abs(pair.used_error_bytes) for pair in fresh]
    return ModelError(
        pairs=len(fresh),
        within=sum(pair.within for pair in fresh),
        memtotal_median=median(totals),
        memtotal_most=max(totals),
        used_median_bytes=int(median(used)),
        used_most_bytes=max(used),
    )


def pair_of(
    forecast: Mapping[str, Any],
    *,
    memtotal: Mapping[int, int],
    memfree: Mapping[int, int],
    cache_bytes: int = 0,
    facts: Mapping[str, Any],
) -> MemoryPair | None:
    """The pair of a forecast (Forecast.to_dict) and the nodes of the machine that booted.

    `cache_bytes` is what of its use could be given back; `facts` holds the fields of a MemoryPair
    that say where it was. None when a node of the forecast is not there.
    """
    said = {int(node["node"]): int(node["memtotal_bytes"]) for node in forecast["nodes"]}
    if any(node not in memtotal or node not in memfree for node in said):
        return None
    return MemoryPair(
        **facts,
        fit=str(forecast["fit"]),
        memtotal={node: (size, memtotal[node]) for node, size in said.items()},
        used=(
            int(forecast["used_bytes"]["likely"]),
            sum(memtotal[node] - memfree[node] for node in said),
        ),
        cache=(int(forecast.get("cache_bytes") or 0), cache_bytes),
    )
