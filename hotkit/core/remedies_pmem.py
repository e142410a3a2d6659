"""What the struct pages of PMEM take from DRAM, and how they can lie elsewhere or not be there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hotkit.core.cmdline import yes_or_no
from hotkit.core.kernelage import is_since
from hotkit.core.memaccount import Fit
from hotkit.core.pmem_preflight import pmem_cost_bytes
from hotkit.core.remedy import Case, Remedy, within
from hotkit.core.suspectpmem import direct_map, struct_pages_of
from hotkit.core.units import PAGE_BYTES, format_size


def pmem_remedies(case: Case) -> Iterator[Remedy]:
    """All of them; those that win nothing too."""
    yield from _pmem(case)
    yield from _memmap_on_memory(case)


def _pmem(case: Case) -> Iterator[Remedy]:
    if case.applied("no-pmem"):
        return
    guess = _known_pmem(case) if case.facts.pmem_spaces is not None else _guessed_pmem(case)
    needed = case.layout is not None and case.layout.slow_pmem is not None
    cost = (
        "Disabled, a namespace takes none; with map=dev it holds its own, and loses what was in it"
        if needed
        else "Without their drivers namespaces take none, and are not there"
    )
    yield Remedy(
        name="no-pmem",
        sentence=f"{guess.what}. {cost}.",
        saves_bytes=guess.saves,
        between=guess.between,
        holds_bytes=guess.most,
        basis=guess.basis,
        settings=() if needed else (("save", "no-pmem"),),
        step="of namespaces that the slow tier does not need: ndctl disable-namespace NAME, or, "
        "where nothing in them matters, ndctl create-namespace --force --reconfig=NAME "
        "--mode=devdax --map=dev",
    )


@dataclass(frozen=True, slots=True)
class _Guess:
    what: str
    basis: str
    saves: int
    between: tuple[int, int] | None
    most: int


def _most_struct_pages(case: Case) -> int:
    """What struct pages of PMEM can take at most; kernels since 6.11 count what came after boot."""
    pages = case.facts.vmstat.get("nr_memmap_pages")
    return case.nameless_bytes if pages is None else within(pages * PAGE_BYTES, case.used_bytes)


def _known_pmem(case: Case) -> _Guess:
    most = _most_struct_pages(case)
    spaces = {space: struct_pages_of(space, case.facts) for space in case.facts.pmem_spaces or ()}
    high = within(sum(spaces.values()), most)
    # RAM of a node that was asked to hold its own struct pages may do so (6.8), or not.
    asked = case.given("memory_hotplug.memmap_on_memory")
    unsure = bool(asked) and yes_or_no(asked[-1]) is not False
    low = within(sum(n for space, n in spaces.items() if not (unsure and space.system_ram)), most)
    names = ", ".join(space.name for space, size in spaces.items() if size)
    return _Guess(
        what=f"The struct pages of {names} lie in DRAM, {format_size(high)}",
        basis="computed: 64 B per page of each namespace that sysfs says is mapped in DRAM, a "
        "quarter and less where devdax shares them",
        saves=high,
        between=(low, high) if low < high else None,
        most=most,
    )


def _guessed_pmem(case: Case) -> _Guess:
    most = _most_struct_pages(case)
    found = sum(case.facts.pmem_bytes.values())
    if not found and case.topology:
        found = sum(case.topology.pmem(node).size_bytes for node in case.topology.nodes)
    mapped = direct_map(case.facts)
    if mapped is not None and mapped.fit is Fit.NONE:
        found = 0
    whole, shared = found // 64, found // 256
    if is_since(case.facts, (5, 19)) is False:
        shared = whole
    return _Guess(
        what=f"Struct pages of {format_size(found)} of PMEM may lie in DRAM: 1/64 of it is "
        f"{format_size(whole)}, 1/256 (devdax of 2M pages since 5.19) {format_size(found // 256)}; "
        f"{format_size(most)} are there that nothing else has a name for",
        basis="a guess by size, not measured; `ndctl list -N` and `daxctl list` would tell",
        saves=whole if whole <= most else shared if shared <= most else 0,
        between=(0, within(whole, most)),
        most=most,
    )


def _memmap_on_memory(case: Case) -> Iterator[Remedy]:
    if case.layout is None or case.layout.slow_pmem is None or case.applied("memmap-on-memory"):
        return
    label = case.facts.label
    cost = pmem_cost_bytes(case.layout, virtual=label is not None and label.platform != "metal")
    new = is_since(case.facts, (6, 8))
    yield Remedy(
        name="memmap-on-memory",
        sentence="The PMEM that becomes RAM has its struct pages in DRAM; with memmap_on_memory it "
        "holds them itself, and is so much smaller. It takes Linux 6.8 or later"
        + ("." if new else f" ({case.facts.kernel_release or 'unknown'} ran here)."),
        saves_bytes=cost,
        between=None if new else (0, cost),
        holds_bytes=cost,
        basis="computed: 64 B per page of the PMEM that the layout puts online",
        settings=(("save", "memmap-on-memory"),),
    )
