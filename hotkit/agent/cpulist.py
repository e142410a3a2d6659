"""CPUs as sysfs lists them (Documentation/admin-guide/cputopology.rst)."""

from __future__ import annotations

from pathlib import Path


def online_cpus(root: Path = Path("/")) -> set[int]:
    """The CPUs that run; none where that cannot be read. ValueError for what is no list."""
    try:
        return parse_cpus((root / "sys/devices/system/cpu/online").read_text())
    except OSError:
        return set()


def parse_cpus(text: str) -> set[int]:
    """CPUs of a list as sysfs writes it: "0-3,8". Raises ValueError for anything else."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first:
            found.update(range(int(first), int(last or first) + 1))
    return found
