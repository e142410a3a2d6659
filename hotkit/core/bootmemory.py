"""The forecast: what a layout will leave of each node, what will be used, whether it can boot.

It stands on one boot of the same machine (core/bootreference.py). What is computed there and for
the layout differs by known rules; what cannot be computed is measured once and taken over. How far
that is off is kept, pair by pair, by `hotkit verify` (`hotkit memory model`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hotkit.core import cmdline, kernelhashes
from hotkit.core.bootreference import NODE_DATA_BYTES, BootReference, highest, kept, swiotlb_node
from hotkit.core.layout import Layout
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.savings import smaller_hash_bytes
from hotkit.core.units import MIB, format_size

FORECAST_SCHEMA_VERSION = 1
# The model's stated doubt: MemTotal of a node, and use of the whole machine.
MEMTOTAL_DOUBT = 0.01
USED_DOUBT = 0.10
USED_DOUBT_BYTES = 64 * MIB
# Of each CPU that is online: kernel threads, slab and page lists of its own. 1.1 MiB in QEMU
# (Linux 6.1, 2 and 8 CPUs); 6.7 MiB on the captured server, whose drivers have queues per CPU.
CPU_BYTES, CPU_MOST_BYTES = 11 * MIB // 10, 7 * MIB
# Where nokaslr puts the kernel: CONFIG_PHYSICAL_START.
_LOAD_AT = 16 * MIB
# Before services run: slab, vmalloc and page tables of a kernel with an initramfs and nothing else
# (26 MiB on 256 MiB to 1 GiB, Linux 6.1), and its modules.
_EARLY_BYTES = 40 * MIB
# Least, likely, most that booting needs: so much of what is in use and cannot be given back, and
# on top of it what is held for a while (udev's workers, generators, pages of programs that run).
_NEED = ((0.8, 24 * MIB), (1.0, 40 * MIB), (1.1, 80 * MIB))
# What of MemTotal is in use after the boot where memory is short (153 MiB: 74 %; lab-small, 6.1).
_FILLED = 0.75
# What is used hours after the boot says little about booting.
FRESH_S = 3600.0


class Fit(StrEnum):
    """`tight`: it may boot, and may run out of memory."""

    FITS = "fits"
    TIGHT = "tight"
    NO_BOOT = "will not boot"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeForecast:
    """One node with DRAM; `used_bytes` is a share of the forecast of the whole machine."""

    node: int
    ram_bytes: int
    memtotal_bytes: int
    used_bytes: int

    @property
    def free_bytes(self) -> int:
        return max(0, self.memtotal_bytes - self.used_bytes)

    def to_dict(self) -> dict[str, int]:
        return {
            "node": self.node,
            "ram_bytes": self.ram_bytes,
            "memtotal_bytes": self.memtotal_bytes,
            "used_bytes": self.used_bytes,
            "free_bytes": self.free_bytes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One thing that changes between the reference and the layout; bytes, negative when less."""

    name: str
    change_bytes: int
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "change_bytes": self.change_bytes, "sentence": self.sentence}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a layout leaves. `used` and `need` are (least, likely, most).

    `need` is the MemTotal with which the machine still boots: what initramfs or services hold at
    once. `terms` say how the use differs from the reference. `cache_bytes` of the likely use can be
    given back: page cache above all, as much as the reference had, which may have read more files
    than a boot does. So the least is without it.
    """

    layout_id: str
    reference: str
    nodes: tuple[NodeForecast, ...]
    used: tuple[int, int, int]
    need: tuple[int, int, int]
    terms: tuple[Term, ...]
    cache_bytes: int = 0

    @property
    def memtotal_bytes(self) -> int:
        return sum(node.memtotal_bytes for node in self.nodes)

    @property
    def fit(self) -> Fit:
        if self.memtotal_bytes < self.need[0]:
            return Fit.NO_BOOT
        return Fit.TIGHT if self.memtotal_bytes < self.need[2] else Fit.FITS

    @property
    def sentence(self) -> str:
        """The verdict, with its figures."""
        least, likely, most = map(format_size, self.used)
        has = f"{format_size(self.memtotal_bytes)} for the kernel to hand out"
        if self.fit is Fit.NO_BOOT:
            return (
                f"will not boot: {has}, booting takes at least {format_size(self.need[0])}, "
                f"likely {format_size(self.need[1])}"
            )
        word = "is tight" if self.fit is Fit.TIGHT else "fits"
        said = f"{word}: {has}, {likely} of it used after boot ({least} to {most})"
        if self.fit is Fit.TIGHT:
            said += (
                f", and booting takes {format_size(self.need[0])} to {format_size(self.need[2])}"
            )
        return said

    def to_dict(self) -> dict[str, Any]:
        """JSON form; what `verify` compares with (core/memorypair.py)."""
        return {
            "schema_version": FORECAST_SCHEMA_VERSION,
            "layout_id": self.layout_id,
            "reference": self.reference,
            "fit": str(self.fit),
            "sentence": self.sentence,
            "memtotal_bytes": self.memtotal_bytes,
            "nodes": [node.to_dict() for node in self.nodes],
            "used_bytes": dict(zip(("least", "likely", "most"), self.used, strict=True)),
            "cache_bytes": self.cache_bytes,
            "need_bytes": dict(zip(("least", "likely", "most"), self.need, strict=True)),
            "terms": [term.to_dict() for term in self.terms],
        }


def forecast(
    reference: BootReference,
    layout: Layout,
    *,
    pmem_pages_bytes: int = 0,
    image_change_bytes: int = 0,
    trace_bytes: int = 0,
) -> Forecast:
    """What `layout` will leave of the machine that `reference` saw booted.

    `pmem_pages_bytes` is what the struct pages of a PMEM tier take from DRAM;
    `image_change_bytes` how much larger the layout's kernel is than the reference's; `trace_bytes`
    the buffers of a trace from boot.
    """
    ram = {plan.node: plan.predicted for plan in layout.nodes if plan.predicted}
    memtotal = _memtotal(reference, layout, ram, image_change_bytes)
    total = sum(item.size_bytes for item in ram.values())
    terms = _terms(reference, layout, ram, pmem_pages_bytes, trace_bytes)
    whole = max(0, reference.used_bytes + sum(term.change_bytes for term in terms))
    squeezed = _squeezed(reference, whole, sum(memtotal.values()))
    terms += squeezed
    likely = whole + sum(term.change_bytes for term in squeezed)
    doubt = max(int(USED_DOUBT * likely), USED_DOUBT_BYTES)
    fewer = reference.cpus_online - _cpus_online(reference, layout)
    metal = max(0, fewer) * (CPU_MOST_BYTES - CPU_BYTES)
    cache = max(0, reference.reclaimable_bytes + sum(term.change_bytes for term in squeezed))
    used = (max(0, likely - doubt - metal - cache), likely, likely + doubt)
    hashes = kernelhashes.used_bytes(total, len(ram))
    shares = _shares(reference, layout, memtotal, likely - hashes)
    nodes = tuple(
        NodeForecast(
            node=node,
            ram_bytes=ram[node].size_bytes,
            memtotal_bytes=memtotal[node],
            used_bytes=min(memtotal[node], shares[node] + hashes // len(ram)),
        )
        for node in sorted(ram)
    )
    return Forecast(
        layout_id=layout.id,
        reference=reference.name,
        nodes=nodes,
        used=used,
        need=_need(reference, whole),
        terms=terms,
        cache_bytes=cache,
    )


def _memtotal(
    reference: BootReference, layout: Layout, ram: Mapping[int, RangeSet], image_change: int
) -> dict[int, int]:
    """MemTotal per node: System RAM less what boot code keeps."""
    lowest = min(ram, key=lambda node: ram[node].ranges[0].start, default=None)
    total = sum(item.size_bytes for item in ram.values())
    early = kernelhashes.early_bytes(total, len(ram))
    image = reference.image_bytes + image_change
    possible = _cpus_possible(reference, layout)
    bounce, top = swiotlb_node(ram), reference.top_bytes
    found = {}
    for node, ranges in ram.items():
        here = [cpu for cpu in possible if (reference.cpu_nodes[cpu] in ram or node == lowest)]
        mine = sum(reference.cpu_nodes[cpu] == node or reference.cpu_nodes[cpu] not in ram
                   for cpu in here)  # fmt: skip
        residual = reference.residual(node) if node in reference.nodes else NODE_DATA_BYTES
        residual += top * ((node == highest(ram)) - (node == highest(reference.ram)))
        takes = kept(
            ranges,
            image=_image_part(reference, layout, ranges, image, node == lowest),
            swiotlb=reference.swiotlb_bytes if node == bounce else 0,
            percpu=mine * reference.percpu_first_bytes,
            early=early,
        )
        found[node] = max(0, ranges.size_bytes - takes - residual)
    return found


def _image_part(
    reference: BootReference, layout: Layout, ranges: RangeSet, image: int, lowest: bool
) -> int:
    """How much of the kernel lies on this node: at its fixed place, or as the firmware did it."""
    if reference.image_at is None:
        return 0  # in the residual, wherever it lay
    if "nokaslr" in layout.args:
        return RangeSet((Range(_LOAD_AT, _LOAD_AT + image),)).intersect(ranges).size_bytes
    return image if lowest else 0


def _cpus_possible(reference: BootReference, layout: Layout) -> list[int]:
    """The CPUs that get per-CPU memory: all that the firmware names, but for nr_cpus=."""
    known = sorted(reference.cpu_nodes)
    return known[: cmdline.possible_limit(layout.cmdline)]


def _cpus_online(reference: BootReference, layout: Layout) -> int:
    return len(layout.cpus) or reference.cpus_online


def _terms(
    reference: BootReference,
    layout: Layout,
    ram: Mapping[int, RangeSet],
    pmem_pages: int,
    trace: int,
) -> tuple[Term, ...]:
    total = sum(item.size_bytes for item in ram.values())
    before = kernelhashes.used_bytes(reference.ram_bytes, len(reference.nodes))
    after = kernelhashes.used_bytes(total, len(ram))
    online = _cpus_online(reference, layout)
    possible = len(_cpus_possible(reference, layout))
    known = len(reference.cpu_nodes)
    each = max(0, reference.percpu_bytes // max(1, known) - reference.percpu_first_bytes)
    pages_now = reference.pmem_online_bytes // 64
    found = (
        Term(
            name="large hashes",
            change_bytes=after - before,
            sentence=f"{format_size(before)} for {format_size(reference.ram_bytes)} of RAM, "
            f"{format_size(after)} for {format_size(total)}",
        ),
        Term(
            name="smaller hashes",
            change_bytes=-smaller_hash_bytes(total) if _smaller_hashes(layout) else 0,
            sentence="save: [hashes]",
        ),
        Term(
            name="CPUs",
            change_bytes=(online - reference.cpus_online) * CPU_BYTES,
            sentence=f"{online} online instead of {reference.cpus_online}, "
            f"{CPU_BYTES / MIB:.1f} to {CPU_MOST_BYTES / MIB:.0f} MiB each",
        ),
        Term(
            name="per-CPU memory",
            change_bytes=(possible - known) * each,
            sentence=f"{possible} CPUs possible instead of {known}, {format_size(each)} each",
        ),
        Term(
            name="struct pages of PMEM",
            change_bytes=pmem_pages - pages_now,
            sentence=f"{format_size(pmem_pages)} instead of {format_size(pages_now)}",
        ),
        Term(name="trace buffers", change_bytes=trace, sentence="page_alloc is traced from boot"),
    )
    return tuple(term for term in found if term.change_bytes)


def _squeezed(reference: BootReference, used: int, total: int) -> tuple[Term, ...]:
    """Page cache that a small machine gives back: kswapd keeps a part of its RAM free."""
    fits = max(int(_FILLED * total), used - reference.reclaimable_bytes)
    if fits >= used:
        return ()
    sentence = "page cache that does not fit is given back, or is not read ahead"
    return (Term(name="page cache", change_bytes=fits - used, sentence=sentence),)


def _smaller_hashes(layout: Layout) -> bool:
    return bool(cmdline.values(layout.cmdline, "dhash_entries"))


def _shares(
    reference: BootReference, layout: Layout, memtotal: Mapping[int, int], used: int
) -> dict[int, int]:
    """How `used` bytes lie on the nodes: where the CPUs are, and what does not fit elsewhere."""
    online = layout.cpus or tuple(reference.cpu_nodes)
    counts = dict.fromkeys(memtotal, 0)
    for cpu in online:
        node = reference.cpu_nodes.get(cpu)
        if node in counts:
            counts[node] += 1
    if not any(counts.values()):
        counts = dict.fromkeys(memtotal, 1)
    weight = sum(counts.values())
    found = {node: used * count // weight for node, count in counts.items()}
    # A node keeps a little free (its watermarks); what is more goes to the others.
    room = {node: size * 19 // 20 for node, size in memtotal.items()}
    left = 0
    for node in found:
        left += max(0, found[node] - room[node])
        found[node] = min(found[node], room[node])
    for node in found:
        more = min(left, room[node] - found[node])
        found[node] += more
        left -= more
    return found


def _need(reference: BootReference, used: int) -> tuple[int, int, int]:
    """The MemTotal that booting takes: the initramfs at its largest, or the services.

    `used` is what would be in use if there were room for all of it.
    """
    initramfs = _EARLY_BYTES + reference.initrd_bytes + reference.initrd_unpacked_bytes
    # Of a machine that has been up for long only what the kernel holds is certain: users' programs
    # need not be there after a boot.
    fresh = reference.uptime_s <= FRESH_S
    certain = used - reference.reclaimable_bytes - (0 if fresh else reference.programs_bytes)
    services = max(0, used - reference.reclaimable_bytes)
    held = (max(0, certain), services, services)
    least, likely, most = (
        int(share * size + more) for (share, more), size in zip(_NEED, held, strict=True)
    )
    return max(least, initramfs * 4 // 5), max(likely, initramfs), max(most, initramfs * 13 // 10)
