"""What the kernel does to memory by itself: THP, NUMA balancing, swap, KSM, compaction, caches."""

from __future__ import annotations

import re
from pathlib import Path

from hotkit.agent.gather import text
from hotkit.agent.protocol import AgentError
from hotkit.agent.quiesce.steps import Act, Missing, Step, SwapArea, knob

THP = "sys/kernel/mm/transparent_hugepage"
# What must stay free beside what comes back from swap: reclaim would only send it out again.
_SPARE_KIB = 256 << 10
# swapon(2), include/linux/swap.h.
_PREFER, _DISCARD, _DISCARD_ONCE, _DISCARD_PAGES = 0x8000, 0x10000, 0x20000, 0x40000
_MOST_PRIORITY = 0x7FFF


def swap(root: Path, wanted: str) -> list[Step]:
    """Every swap area is switched off. AgentError when what lies there would not fit into memory.

    The area of the lowest priority goes first: put back in the other order, those whose priority
    the kernel gives (negative ones, each below the one before) have the same again.
    """
    areas = swap_areas(root)
    used_kib = sum(used for _, used, _ in areas)
    available_kib = _available_kib(root)
    if used_kib and used_kib + _SPARE_KIB > available_kib:
        raise AgentError(
            f"swap cannot be switched off: {used_kib >> 10} MiB lie there, and of memory "
            f"{available_kib >> 10} MiB are available",
            "stop what uses the memory, or set swap: leave",
        )
    gone = [name for name, _, _ in areas if name.endswith(" (deleted)")]
    if gone:
        raise AgentError(
            f"swap cannot be switched off: nobody could switch {gone[0]} on again",
            "swapoff it by hand, or set swap: leave",
        )
    return [
        SwapArea(name, "on", "off", _flags(root, name, priority))
        for name, _, priority in sorted(areas, key=lambda area: area[2])
    ]


def swap_areas(root: Path) -> list[tuple[str, int, int]]:
    """(path, used KiB, priority) of each area in /proc/swaps, in which \\040 stands for a space."""
    said = text(str(root / "proc/swaps"))
    if said is None:
        raise Missing("there is no /proc/swaps: a kernel without swap")
    rows = [row.split() for row in said.splitlines()[1:]]
    return [(_unescaped(row[0]), int(row[3]), int(row[4])) for row in rows]


def thp(root: Path, wanted: str) -> list[Step]:
    return [_choice(root, f"{THP}/enabled", wanted)]


def thp_defrag(root: Path, wanted: str) -> list[Step]:
    return [_choice(root, f"{THP}/defrag", wanted)]


def numa_balancing(root: Path, wanted: str) -> list[Step]:
    return [knob(root, "proc/sys/kernel/numa_balancing", wanted)]


def ksm(root: Path, wanted: str) -> list[Step]:
    return [knob(root, "sys/kernel/mm/ksm/run", wanted)]


def compaction_proactiveness(root: Path, wanted: str) -> list[Step]:
    return [knob(root, "proc/sys/vm/compaction_proactiveness", wanted)]


def overcommit_memory(root: Path, wanted: str) -> list[Step]:
    return [knob(root, "proc/sys/vm/overcommit_memory", wanted)]


def drop_caches(root: Path, wanted: str) -> list[Step]:
    """Clean page cache (1), dentries and inodes (2) or both (3) go, once, the dirty ones too."""
    name = "proc/sys/vm/drop_caches"
    if not (root / name).exists():
        raise Missing(f"there is no /{name}")
    return [Act(f"/{name}", "", wanted, root / name)]


def _choice(root: Path, name: str, wanted: str) -> Step:
    step = knob(root, name, wanted)
    offered = (text(str(root / name)) or "").split("\n")[0].replace("[", " ").replace("]", " ")
    if wanted not in offered.split():
        raise Missing(f"/{name} does not offer {wanted} (it offers {', '.join(offered.split())})")
    return step


def _available_kib(root: Path) -> int:
    match = re.search(r"(?m)^MemAvailable:\s+(\d+) kB", text(str(root / "proc/meminfo")) or "")
    return int(match[1]) if match else 0


def _flags(root: Path, name: str, priority: int) -> int:
    """For swapon(2). /proc/swaps does not say whether an area discards: /etc/fstab may."""
    flags = _PREFER | min(priority, _MOST_PRIORITY) if priority >= 0 else 0
    for row in (text(str(root / "etc/fstab")) or "").splitlines():
        fields = row.split()
        if len(fields) < 4 or fields[0].startswith("#") or fields[2] != "swap":
            continue
        if _device(root, fields[0]) == name:
            for option in fields[3].split(","):
                flags |= {
                    "discard": _DISCARD,
                    "discard=once": _DISCARD | _DISCARD_ONCE,
                    "discard=pages": _DISCARD | _DISCARD_PAGES,
                }.get(option, 0)
    return flags


def _device(root: Path, spec: str) -> str:
    """The path that /proc/swaps has for a first field of fstab."""
    for tag in ("UUID", "LABEL", "PARTUUID", "PARTLABEL"):
        if spec.startswith(tag + "="):
            spec = f"/dev/disk/by-{tag.lower()}/" + spec[len(tag) + 1 :].strip('"')
    path = root / _unescaped(spec).lstrip("/")
    resolved = path.resolve()
    return "/" + str(resolved.relative_to(root.resolve())) if path.exists() else spec


def _unescaped(name: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), name)
