"""Where every field of /proc/meminfo and node*/meminfo belongs: a part of RAM, inside one, or none.

From fs/proc/meminfo.c, drivers/base/node.c and mm/ of Linux 3.10 to 6.19. A field that is in none
of the three is one that this hotkit cannot place: it is named, and counted nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable

# Pages in use that no other field here counts. VmallocUsed holds the kernel's stacks too where
# they are vmapped, Percpu a first chunk that lies outside MemTotal: core/memtree.py corrects both.
PARTS = frozenset({
    "Buffers", "Cached", "SwapCached", "AnonPages", "Slab", "KReclaimable", "KernelStack",
    "PageTables", "SecPageTables", "Quicklists", "Bounce", "WritebackTmp", "VmallocUsed", "Percpu",
    "Hugetlb", "Zswap", "HardwareCorrupted", "GPUActive", "GPUReclaim",
    "FilePages",  # of a node: Cached, Buffers and SwapCached of the machine
})  # fmt: skip

# field -> the field whose pages it is some of
INSIDE = {
    "Shmem": "Cached", "Mapped": "Cached", "FileHugePages": "Cached", "FilePmdMapped": "Cached",
    "ShmemHugePages": "Shmem", "ShmemPmdMapped": "Shmem", "Dirty": "Cached", "Writeback": "Cached",
    "NFS_Unstable": "Cached", "AnonHugePages": "AnonPages", "SReclaimable": "Slab",
    "SUnreclaim": "Slab", "ShadowCallStack": "VmallocUsed", "HugePages_Total": "Hugetlb",
    "HugePages_Free": "Hugetlb", "HugePages_Rsvd": "Hugetlb", "HugePages_Surp": "Hugetlb",
    "MemFree": "MemTotal", "MemUsed": "MemTotal", "HighTotal": "MemTotal", "LowTotal": "MemTotal",
    "HighFree": "MemFree", "LowFree": "MemFree", "CmaTotal": "MemTotal", "CmaFree": "MemFree",
    # Not accepted yet from the hypervisor; __free_unaccepted() counts it as free.
    "Unaccepted": "MemFree",
}  # fmt: skip

# Limits, address space, swap, lists that cut the same pages otherwise, and what lies outside
# MemTotal (a balloon's pages leave it; EarlyMemtestBad never was in it).
NO_PART = frozenset({
    "MemTotal", "MemAvailable", "Active", "Inactive", "Active(anon)", "Inactive(anon)",
    "Active(file)", "Inactive(file)", "Unevictable", "Mlocked", "SwapTotal", "SwapFree", "Zswapped",
    "CommitLimit", "Committed_AS", "VmallocTotal", "VmallocChunk", "MmapCopy", "Hugepagesize",
    "EarlyMemtestBad", "Balloon",
    "DirectMap4k", "DirectMap64k", "DirectMap1M", "DirectMap2M", "DirectMap4M", "DirectMap1G",
    "DirectMap2G",
})  # fmt: skip


def unknown(fields: Iterable[str]) -> tuple[str, ...]:
    """Those of `fields` that have no place here, in their order."""
    return tuple(
        name for name in fields if name not in PARTS and name not in INSIDE and name not in NO_PART
    )
