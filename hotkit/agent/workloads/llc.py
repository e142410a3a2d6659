"""The last-level cache, to say how a footprint compares with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def llc_bytes(caches: Path = CACHES) -> int | None:
    """Bytes of the last data cache of CPU 0 (one instance of it); None when the machine is mute.

    Documentation/ABI/testing/sysfs-devices-system-cpu: indexN/{level,type,size}. A virtual machine
    may show its host's whole cache, of which it gets a share at most.
    """
    found: list[tuple[int, int]] = []
    for index in caches.glob("index[0-9]*"):
        try:
            if (index / "type").read_text().strip() == "Instruction":
                continue
            size = (index / "size").read_text().strip()
            found.append((int((index / "level").read_text()), _bytes(size)))
        except (OSError, ValueError):
            continue
    return max(found)[1] if found else None


def against_llc(footprint_bytes: int, caches: Path = CACHES) -> dict[str, Any]:
    """`footprint_bytes`, `llc_bytes` and their ratio `footprint_vs_llc`, null where unknown."""
    llc = llc_bytes(caches)
    return {
        "footprint_bytes": footprint_bytes,
        "llc_bytes": llc,
        "footprint_vs_llc": round(footprint_bytes / llc, 3) if llc else None,
    }


def _bytes(text: str) -> int:
    return int(text[:-1]) * _UNITS[text[-1]] if text[-1:] in _UNITS else int(text)
