"""The usual suspects for memory that no field counts, each computed for this machine."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hotkit.core.kernelage import is_since
from hotkit.core.labels import Platform
from hotkit.core.memaccount import Fit, Suspect
from hotkit.core.memfacts import MemoryFacts
from hotkit.core.suspectpmem import compared, pmem_suspects
from hotkit.core.units import KIB, MIB, PAGE_BYTES, format_size

_TRACE_BUFFER_BYTES = 1408 * KIB  # TRACE_BUF_SIZE_DEFAULT, kernel/trace/trace.c
_DS_BYTES = 128 * KIB  # PEBS_BUFFER_SIZE and BTS_BUFFER_SIZE, arch/x86/include/asm/intel_ds.h
_RING_BYTES = 1024 * PAGE_BYTES  # a receive ring as many drivers make it, a page a descriptor
_PAGE_EXT_SHARE = 64  # struct page_ext with page_owner: 64 bytes a page (6.1), 72 later
_PAGE_EXT_WORDS = ("page_owner=on", "page_owner=1", "page_table_check=on", "mem_profiling=1")


def suspects(
    facts: MemoryFacts, gap: int, *, namespaces_in_tree: bool = False
) -> tuple[Suspect, ...]:
    """All of them, for `gap` bytes that are unexplained; none when nothing is."""
    if gap <= 0:
        return ()
    cpus = facts.cpus_possible or facts.cpus_online
    online = facts.cpus_online or cpus
    found = [*pmem_suspects(facts, gap, namespaces_in_tree), *_cpu_lists(facts, gap)]
    found += [*_tracing(facts, cpus, gap), *_debug_store(facts, cpus, gap), *_page_ext(facts, gap)]
    found += [*_rings(online, gap), *_iommu(facts), *_zram(facts), *_balloon(facts)]
    return tuple(found)


def _cpu_lists(facts: MemoryFacts, gap: int) -> Iterator[Suspect]:
    """Free pages that CPUs keep; full lists hold the zones' low watermarks (before 6.7)."""
    name = "free pages on lists of CPUs"
    if facts.zones is not None:
        size = sum(zone.per_cpu_free for zone in facts.zones) * PAGE_BYTES
        yield Suspect(name=name, fit=Fit.MEASURED, size_bytes=size, sentence="zoneinfo counts them")
        return
    ram = facts.meminfo["MemTotal"]
    # min_free_kbytes without huge pages, and watermark_scale_factor: mm/page_alloc.c.
    full = math.isqrt(ram // KIB * 16) * KIB + ram // 1000
    what = "lists that are full hold the zones' low watermarks"
    if is_since(facts, (6, 7)) is not False:
        what += f" (since 6.7 they may grow to an eighth of the RAM, {format_size(ram // 8)})"
    yield compared(name, full, gap, what, "cat /proc/zoneinfo")


def _tracing(facts: MemoryFacts, cpus: int | None, gap: int) -> Iterator[Suspect]:
    name = "ring buffers of tracing"
    ask = "cat /sys/kernel/tracing/buffer_total_size_kb"
    if facts.trace_buffers:
        size = sum(item.size_bytes for item in facts.trace_buffers)
        yield Suspect(name=name, fit=Fit.MEASURED, size_bytes=size, sentence="tracefs counts them")
    elif cpus is None:
        yield _unknown(name, "1408 KiB a CPU, once something was traced", ask)
    else:
        what = f"1408 KiB a CPU ({cpus}), once something was traced"
        yield compared(name, cpus * _TRACE_BUFFER_BYTES, gap, what, ask)


def _debug_store(facts: MemoryFacts, cpus: int | None, gap: int) -> Iterator[Suspect]:
    name = "PEBS and BTS buffers"
    if facts.label is not None and facts.label.platform is Platform.EMULATED:
        yield Suspect(name=name, fit=Fit.NONE, size_bytes=0, sentence="an emulated CPU has neither")
    elif cpus is None:
        yield _unknown(name, "128 KiB a possible CPU, on Intel, once perf was used", None)
    else:
        what = f"128 KiB a possible CPU ({cpus}), on Intel, once perf or the NMI watchdog was used"
        yield compared(name, cpus * _DS_BYTES, gap, what)


def _page_ext(facts: MemoryFacts, gap: int) -> Iterator[Suspect]:
    name = "page_ext (page_owner, allocation profiling)"
    if "nr_memmap_pages" in facts.vmstat:
        return  # counted there
    size = facts.meminfo["MemTotal"] // _PAGE_EXT_SHARE
    if facts.cmdline is None:
        yield _unknown(
            name,
            f"page_owner=on takes 1/64 of RAM or more ({size / MIB:.1f} MiB); the capture has no "
            "command line",
            "cat /proc/cmdline",
        )
    elif any(word in facts.cmdline for word in _PAGE_EXT_WORDS):
        yield compared(name, size, gap, "the command line asks for it: 1/64 of RAM or more")
    else:
        yield Suspect(
            name=name, fit=Fit.NONE, size_bytes=0, sentence="the command line does not ask for it"
        )


def _rings(online: int | None, gap: int) -> Iterator[Suspect]:
    name = "receive rings of network cards"
    ask = "ethtool -g DEV; ethtool -l DEV"
    if online is None:
        yield _unknown(name, "a page a descriptor and queue, often a queue a CPU", ask)
        return
    what = f"up to 1024 pages a queue, with a queue a CPU ({online}), each port"
    yield compared(name, online * _RING_BYTES, gap, what, ask)


def _iommu(facts: MemoryFacts) -> Iterator[Suspect]:
    name = "page tables of the IOMMU"
    if "nr_iommu_pages" in facts.vmstat:
        size = facts.vmstat["nr_iommu_pages"] * PAGE_BYTES
        sentence = "vmstat counts them, and SecPageTables does, too (since 6.10)"
        yield Suspect(name=name, fit=Fit.MEASURED, size_bytes=size, sentence=sentence)
    elif is_since(facts, (6, 10)):
        yield Suspect(name=name, fit=Fit.NONE, sentence="SecPageTables counts them since 6.10")
    else:
        yield _unknown(
            name,
            "1/512 of what devices map page by page; no counter before 6.10",
            "dmesg | grep -i -e DMAR -e AMD-Vi -e iommu",
        )


def _zram(facts: MemoryFacts) -> Iterator[Suspect]:
    name = "zram"
    swap = facts.meminfo.get("SwapTotal")
    if facts.zones is not None:
        size = sum(zone.zspages for zone in facts.zones) * PAGE_BYTES
        yield Suspect(name=name, fit=Fit.MEASURED, size_bytes=size, sentence="zoneinfo counts it")
    elif swap == 0:
        sentence = "there is no swap (a file system on it apart)"
        yield Suspect(name=name, fit=Fit.NONE, sentence=sentence)
    elif swap is not None and swap == facts.meminfo.get("SwapFree"):
        sentence = "nothing is swapped out (a file system on it apart)"
        yield Suspect(name=name, fit=Fit.NONE, sentence=sentence)
    else:
        yield _unknown(name, "what is swapped out, compressed", "zramctl")


def _balloon(facts: MemoryFacts) -> Iterator[Suspect]:
    """A balloon's pages leave MemTotal, but for one that gives back when memory is short."""
    size = facts.meminfo.get("Balloon")
    if size:
        sentence = "meminfo counts it; it is in use here only if MemTotal still holds it"
        yield Suspect(name="balloon", fit=Fit.UNKNOWN, size_bytes=size, sentence=sentence)
    elif size is None and facts.label is not None and facts.label.platform is not Platform.METAL:
        yield _unknown("balloon", "what the hypervisor took back", "grep balloon /proc/vmstat")


def _unknown(name: str, sentence: str, ask: str | None) -> Suspect:
    return Suspect(name=name, fit=Fit.UNKNOWN, sentence=sentence, next_command=ask)
