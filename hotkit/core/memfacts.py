"""What one capture of a running machine says about its memory: every source in one value.

A capture is partial as a rule: a source that is missing is None (or empty where it is a mapping),
one that could not be read is named in `problems`. Sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hotkit.core.labels import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class VmallocArea:
    """One line of /proc/vmallocinfo (mm/vmalloc.c, vmalloc_info_show()).

    `size_bytes` is address space, with the guard page that the line counts. RAM is only what
    `pages=` says: `pages`, None when the line has no such word (ioremap, vmap of pages that
    somebody else accounts for, the per-CPU allocator's areas). `nodes` splits them (N0=128: pages
    per node). `kinds` are the words behind it: vmalloc, vmap, ioremap, user, vpages ...
    """

    size_bytes: int
    caller: str
    pages: int | None
    kinds: tuple[str, ...]
    nodes: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlabCache:
    """One line of /proc/slabinfo: `size_bytes` is what its slabs take (slabs x pages x 4 KiB)."""

    name: str
    size_bytes: int
    objects: int
    object_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocSite:
    """One line of /proc/allocinfo (CONFIG_MEM_ALLOC_PROFILING, 6.10 and later)."""

    size_bytes: int
    calls: int
    place: str  # "mm/slub.c:2345"
    function: str
    module: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One zone of /proc/zoneinfo; all in pages."""

    node: int
    name: str
    present: int
    managed: int
    free: int
    low: int = 0  # watermark
    per_cpu_free: int = 0  # free pages on the lists of CPUs: MemFree does not count them
    zspages: int = 0  # zsmalloc: zram, zswap


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process. `pss_bytes` shares out what several map; `rss_bytes` (a bare `ps`) does not."""

    pid: int
    name: str
    pss_bytes: int | None = None
    anonymous_bytes: int | None = None  # of the PSS
    rss_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Something else that has a name and a size: a tmpfs mount, a cgroup, a trace buffer."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PmemSpace:
    """One namespace. `map_in` says where its struct pages lie: "mem", "dev", None: it has none."""

    name: str
    mode: str  # fsdax, devdax, sector, raw
    size_bytes: int
    map_in: str | None = None
    align_bytes: int | None = None
    node: int | None = None
    system_ram: bool = False  # a dax device of it is online as RAM


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFacts:
    """One machine at one moment.

    `meminfo` and `nodes` (per node) map fields to bytes as parse_meminfo() reads them.
    `pmem_bytes` is what the firmware calls non-volatile, per node (SRAT); `crashkernel_bytes` what
    is reserved for a crash kernel; `hugepages` bytes per (node, page size). `percpu_unit_bytes` is
    one CPU's part of the first per-CPU chunk, which boot code takes before MemTotal is counted
    (the pages of dmesg "percpu: Embedded N pages/cpu", mm/percpu.c; what is left of the unit, the
    word u<bytes>, goes back to the kernel); `percpu_units` how many such parts there are (possible
    CPUs, and what fills the last group). `present_bytes` is RAM per node as the kernel found it;
    `node_cpus` how many CPUs of a node are online. `vmstat` are counts of /proc/vmstat, in pages
    where they are called nr_*. `truncated` names the sources that are known to be only a part
    ("vmallocinfo"). `unknown_fields` are meminfo fields that this hotkit cannot place.
    """

    name: str
    label: Label | None = None
    kernel_release: str | None = None
    cmdline: str | None = None
    cpus_online: int | None = None
    cpus_possible: int | None = None
    uptime_s: float | None = None
    meminfo: Mapping[str, int]
    nodes: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    vmalloc: tuple[VmallocArea, ...] | None = None
    slabs: tuple[SlabCache, ...] | None = None
    alloc_sites: tuple[AllocSite, ...] | None = None
    zones: tuple[Zone, ...] | None = None
    processes: tuple[Process, ...] | None = None
    cgroups: tuple[Held, ...] | None = None
    tmpfs: tuple[Held, ...] | None = None
    trace_buffers: tuple[Held, ...] | None = None
    page_owner: tuple[Held, ...] | None = None  # by the function that allocated
    traced: tuple[Held, ...] | None = None  # pages that a trace of page_alloc saw and nobody freed
    traced_tasks: tuple[Held, ...] | None = None  # the same of a trace that has no stacks, by task
    pmem_spaces: tuple[PmemSpace, ...] | None = None
    memmap_on_memory: bool | None = None  # plugged-in RAM may hold its struct pages itself
    pmem_bytes: Mapping[int, int] = field(default_factory=dict)
    hugepages: Mapping[tuple[int, int], int] = field(default_factory=dict)
    crashkernel_bytes: int | None = None
    percpu_unit_bytes: int | None = None
    percpu_units: int | None = None
    present_bytes: Mapping[int, int] = field(default_factory=dict)
    node_cpus: Mapping[int, int] = field(default_factory=dict)
    vmstat: Mapping[str, int] = field(default_factory=dict)
    truncated: tuple[str, ...] = ()
    unknown_fields: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def used_bytes(self) -> int:
        """MemTotal - MemFree: all that is not free, page cache included."""
        return self.meminfo["MemTotal"] - self.meminfo["MemFree"]
