"""Who holds the memory that is in use: a tree per node that adds up, with nothing in it twice."""

from __future__ import annotations

from hotkit.core.memaccount import MemoryAccount, MemoryItem, Step
from hotkit.core.memfacts import MemoryFacts
from hotkit.core.memparts import (
    huge_pages,
    kernel_stacks,
    other_reclaimable,
    page_cache,
    per_cpu_areas,
    plain_field,
    processes_anonymous,
    slab,
    swap_cache,
    vmalloc_memory,
)
from hotkit.core.memrest import PMEM_STRUCT_PAGES, no_field
from hotkit.core.memsuspects import suspects
from hotkit.core.memviews import views
from hotkit.core.memvmalloc import Vmalloc, split_vmalloc, stacks_are_vmapped, vmalloc_used
from hotkit.core.units import MIB

# Fields that somebody adds up who does not look inside them.
_PLAIN = (
    "Buffers", "Cached", "SwapCached", "AnonPages", "Slab", "KernelStack", "PageTables",
    "SecPageTables", "Quicklists", "Bounce", "WritebackTmp", "VmallocUsed", "Percpu", "Hugetlb",
    "Zswap", "HardwareCorrupted", "GPUActive", "GPUReclaim",
)  # fmt: skip


def explain(facts: MemoryFacts) -> MemoryAccount:
    """The account of one capture."""
    vmalloc = split_vmalloc(facts)
    used_vmalloc, odd = vmalloc_used(facts, vmalloc)
    vmapped, why = stacks_are_vmapped(facts, vmalloc)
    stacks = facts.meminfo.get("KernelStack", 0)
    inside = vmapped and 0 < stacks <= used_vmalloc
    outside = _first_chunk(facts)
    known = _known(facts, vmalloc, used_vmalloc, inside, outside)
    rest = facts.used_bytes - sum(item.size_bytes for item in known)
    node_used = {node: of["MemTotal"] - of["MemFree"] for node, of in facts.nodes.items()}
    rest_nodes = {
        node: used - sum(item.nodes.get(node, 0) for item in known)
        for node, used in node_used.items()
    }
    left = no_field(facts, rest, rest_nodes, vmalloc)
    unexplained = left.children[-1] if left.children else left
    return MemoryAccount(
        name=facts.name,
        label=facts.label,
        kernel_release=facts.kernel_release,
        total_bytes=facts.meminfo["MemTotal"],
        free_bytes=facts.meminfo["MemFree"],
        unavailable_bytes=_unavailable(facts),
        node_used=node_used,
        items=(*(item for item in known if _shown(item)), left),
        beside=vmalloc.beside,
        views=views(facts, outside),
        steps=_steps(facts, (inside, why), outside, left.size_bytes, unexplained.size_bytes),
        suspects=suspects(
            facts,
            unexplained.size_bytes,
            namespaces_in_tree=any(item.name == PMEM_STRUCT_PAGES for item in left.children),
        ),
        notes=_notes(facts, vmalloc, odd, known),
        problems=_problems(facts),
    )


def _known(
    facts: MemoryFacts, vmalloc: Vmalloc, used_vmalloc: int, inside: bool, outside: int
) -> tuple[MemoryItem, ...]:
    """What fields of meminfo count, largest first; nothing is in two of them."""
    items = (
        page_cache(facts),
        swap_cache(facts),
        processes_anonymous(facts),
        slab(facts),
        other_reclaimable(facts),
        kernel_stacks(facts),
        plain_field(facts, "PageTables", "page tables", "processes, and what they map"),
        plain_field(facts, "SecPageTables", "page tables of devices and VMs", "IOMMU, VMs"),
        plain_field(facts, "Quicklists", "page tables kept for reuse"),
        vmalloc_memory(facts, vmalloc, used_vmalloc, inside),
        per_cpu_areas(facts, outside),
        huge_pages(facts),
        plain_field(facts, "Zswap", "zswap", "what is swapped out"),
        plain_field(facts, "GPUActive", "GPU memory", "what is drawn"),
        plain_field(facts, "GPUReclaim", "GPU memory, reclaimable"),
        plain_field(facts, "WritebackTmp", "FUSE pages under writeback"),
        plain_field(facts, "Bounce", "bounce buffers"),
        plain_field(facts, "HardwareCorrupted", "broken memory"),
    )
    return tuple(sorted(items, key=lambda item: -item.size_bytes))


def _shown(item: MemoryItem) -> bool:
    return item.size_bytes != 0 or any(item.nodes.values())


def _first_chunk(facts: MemoryFacts) -> int:
    """The first per-CPU chunk, which Percpu counts and MemTotal does not; 0 when unknown.

    pcpu_setup_first_chunk() counts its pages for every unit (mm/percpu.c).
    """
    units = facts.percpu_units or facts.cpus_possible
    if facts.percpu_unit_bytes is None or not units:
        return 0
    return min(facts.percpu_unit_bytes * units, facts.meminfo.get("Percpu", 0))


def _unavailable(facts: MemoryFacts) -> int | None:
    available = facts.meminfo.get("MemAvailable")
    return None if available is None else facts.meminfo["MemTotal"] - available


def _steps(
    facts: MemoryFacts, stacks: tuple[bool, str], outside: int, left: int, unexplained: int
) -> tuple[Step, ...]:
    """From the plain sum of fields to what no field counts, and what nobody has a name for."""
    meminfo = facts.meminfo
    plain = sum(meminfo.get(field, 0) for field in _PLAIN)
    rest = facts.used_bytes - plain
    steps = [Step(rest_bytes=rest, sentence="by the plain sum of meminfo's fields")]
    inside, why = stacks
    if inside:
        rest += meminfo["KernelStack"]
        sentence = f"with vmapped kernel stacks counted once: VmallocUsed holds them ({why})"
        steps.append(Step(rest_bytes=rest, sentence=sentence))
    if outside:
        rest += outside
        sentence = "without the first per-CPU chunk, which Percpu counts and MemTotal does not"
        steps.append(Step(rest_bytes=rest, sentence=sentence))
    if rest != left:
        sentence = "with swap cache, vmalloc memory and other reclaimable memory set right"
        steps.append(Step(rest_bytes=left, sentence=sentence))
    if unexplained != left:
        sentence = "without what sources beside meminfo have a name for"
        steps.append(Step(rest_bytes=unexplained, sentence=sentence))
    return tuple(steps)


def _notes(
    facts: MemoryFacts, vmalloc: Vmalloc, odd: str | None, known: tuple[MemoryItem, ...]
) -> tuple[str, ...]:
    notes = []
    apart = sum(of["MemTotal"] - of["MemFree"] for of in facts.nodes.values()) - facts.used_bytes
    if facts.nodes and abs(apart) > MIB:
        notes.append(
            f"the nodes' files are of another moment than meminfo: together {apart / MIB:+.1f} MiB"
        )
    if "vmallocinfo" in facts.truncated:
        listed = (vmalloc.ram_bytes + vmalloc.stack_bytes) / MIB
        used = facts.meminfo.get("VmallocUsed", 0) / MIB
        notes.append(
            f"vmallocinfo is a part of a listing: {listed:.1f} of {used:.1f} MiB are in it; sums "
            "from it are lower bounds"
        )
    if odd:
        notes.append(odd)
    unsplit = [item for item in known if item.size_bytes and not item.nodes]
    if facts.nodes and not any("FilePages" in of for of in facts.nodes.values()):
        notes.append("per node only totals are known: the capture has no meminfo of its nodes")
    elif facts.nodes and unsplit:
        names = ", ".join(f"{item.name} {item.size_bytes / MIB:.1f} MiB" for item in unsplit)
        notes.append(f"per node the unexplained holds what has no figure per node, too: {names}")
    hashes = sum(
        item.size_bytes for item in vmalloc.callers if item.name == "alloc_large_system_hash"
    )
    if hashes:
        notes.append(
            f"less RAM would save little of this: the large hash tables follow it "
            f"(alloc_large_system_hash, {hashes / MIB:.1f} MiB), and struct pages of RAM are not "
            "part of MemTotal"
        )
    return tuple(notes)


def _problems(facts: MemoryFacts) -> tuple[str, ...]:
    if not facts.unknown_fields:
        return facts.problems
    names = ", ".join(facts.unknown_fields)
    return (
        *facts.problems,
        f"meminfo: fields that this hotkit cannot place, counted nowhere: {names}",
    )
