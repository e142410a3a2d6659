"""What the kernel itself can do without: per-CPU memory, tables, reservations, struct pages."""

from __future__ import annotations

from collections.abc import Iterator

from hotkit.core.footprint import STRUCT_PAGE_BYTES
from hotkit.core.kernelhashes import TABLES, entries
from hotkit.core.memfacts import PmemSpace
from hotkit.core.pmem_preflight import pmem_cost_bytes
from hotkit.core.remedy import Case, Remedy, within
from hotkit.core.savings import SAVINGS, smaller_hash_bytes
from hotkit.core.units import KIB, PAGE_BYTES, format_size

_HASHES = "alloc_large_system_hash"
# arch/x86/include/asm/intel_ds.h: BTS_BUFFER_SIZE and PEBS_BUFFER_SIZE, of each possible CPU.
_DS_BYTES = 2 * 64 * KIB
_TRACE_BYTES = 64 * KIB  # trace_buf_size= of `trace-buffers`
# struct page_ext with page owner: 64 bytes in 6.1 (mm/page_owner.c), 40 before 5.11, 72 in 6.12.
_OWNER_BYTES, _OWNER_LEAST_BYTES, _OWNER_MOST_BYTES = 64, 40, 72
_ON = ("on", "1", "y", "Y", "yes")


def kernel_remedies(case: Case) -> Iterator[Remedy]:
    """All of them, in no order; those that win nothing too."""
    yield from _nr_cpus(case)
    yield from _hashes(case)
    yield from _pmem(case)
    yield from _memmap_on_memory(case)
    yield from _crashkernel(case)
    yield from _hugepages(case)
    yield from _debug(case)
    yield from _trace_buffers(case)
    yield from _pebs(case)


def _applied(case: Case, name: str) -> bool:
    """Whether the layout has this option already."""
    if case.layout is None:
        return False
    return set(SAVINGS[name].arguments(case.kept_bytes)) <= set(case.layout.args)


def _futex_bytes(cpus: int) -> int:
    """256 buckets of 64 bytes per possible CPU (kernel/futex/core.c, futex_init(), 6.1)."""
    return 64 * (1 << (256 * cpus - 1).bit_length())


def _nr_cpus(case: Case) -> Iterator[Remedy]:
    possible, left = case.cpus_possible, case.cpus_left
    layout_limits = case.layout and any(arg.startswith("nr_cpus=") for arg in case.layout.args)
    if not left or left >= possible or layout_limits:
        return
    out = possible - left
    percpu = case.field("Percpu")
    first = case.facts.percpu_unit_bytes or 0
    # The futex table is one of those that vmallocinfo lists, where it lists them.
    futex = _futex_bytes(possible) if case.vmalloc(_HASHES) >= _futex_bytes(possible) else 0
    saves = percpu * out // possible + first * out + max(0, futex - _futex_bytes(left))
    reserved = f", {format_size(first)} each that boot code takes" if first else ""
    yield Remedy(
        name="nr_cpus",
        sentence=f"Of {possible} CPUs {left} come up, and per-CPU memory is there for all: "
        f"{format_size(percpu)} in Percpu{reserved}, and tables that grow with them. nr_cpus= "
        f"leaves the other {out} out; they cannot come online until the next boot.",
        saves_bytes=within(saves, percpu + first * possible + futex),
        holds_bytes=percpu + first * possible + futex,
        basis=f"measured: meminfo Percpu, {out} of {possible} parts"
        + (", the log's size of a first part" if first else "")
        + (", computed: the futex table" if futex else ""),
        settings=(("cpu_limit", "nr_cpus"),),
    )


def _scaling_bytes(ram_bytes: int) -> int:
    return sum(entries(table, ram_bytes) * table.bucket_bytes for table in TABLES)


def _hashes(case: Case) -> Iterator[Remedy]:
    measured = case.vmalloc(_HASHES)
    holds = measured or within(_scaling_bytes(case.facts.meminfo["MemTotal"]), case.used_bytes)
    if _applied(case, "hashes"):
        return
    there = f"Hash tables of the kernel take {format_size(holds)}"
    if case.layout:
        there += (
            " here; in the layout the kernel makes those that follow the RAM "
            f"{format_size(_scaling_bytes(case.kept_bytes))} by itself"
        )
    yield Remedy(
        name="hashes",
        sentence=f"{there}. An eighth of them would do for a measurement: look-ups of files and "
        "sockets walk longer chains.",
        saves_bytes=within(smaller_hash_bytes(case.kept_bytes), holds),
        holds_bytes=holds,
        basis="computed: mm/page_alloc.c alloc_large_system_hash() for "
        f"{format_size(case.kept_bytes)}" + (", measured today: vmallocinfo" if measured else ""),
        settings=(("save", "hashes"),),
    )


def _mapped_bytes(space: PmemSpace, case: Case) -> tuple[int, int]:
    """Between what DRAM the struct pages of a namespace take."""
    plain = space.size_bytes // PAGE_BYTES * STRUCT_PAGE_BYTES
    if space.system_ram:
        on_memory = case.given("memory_hotplug.memmap_on_memory")
        return (0 if on_memory else plain), plain
    if space.map_in != "mem":
        return 0, 0
    if space.mode != "devdax" or (space.align_bytes or 0) <= PAGE_BYTES:
        return plain, plain
    # Of a compound page two pages of struct pages are kept (mm/sparse-vmemmap.c,
    # vmemmap_populate_compound_pages(), since 5.19).
    assert space.align_bytes is not None
    few = min(plain, space.size_bytes // space.align_bytes * 2 * PAGE_BYTES)
    shared = case.kernel_since(5, 19)
    return (plain if shared is False else few), (few if shared else plain)


def _pmem(case: Case) -> Iterator[Remedy]:
    pages = case.facts.vmstat.get("nr_memmap_pages")
    most = case.nameless_bytes if pages is None else min(case.used_bytes, pages * PAGE_BYTES)
    between: tuple[int, int] | None
    if case.facts.pmem_spaces is not None:
        costs = [_mapped_bytes(space, case) for space in case.facts.pmem_spaces]
        low = within(sum(cost[0] for cost in costs), most)
        high = within(sum(cost[1] for cost in costs), most)
        saves, between = low, (low, high) if low < high else None
        named = [space.name for space, cost in zip(case.facts.pmem_spaces, costs, strict=True)
                 if cost[1]]  # fmt: skip
        what = f"the struct pages of {', '.join(named)} lie in DRAM"
        basis = "computed: 64 B per page of each namespace that sysfs says is mapped in DRAM"
    else:
        found = sum(case.facts.pmem_bytes.values())
        if not found and case.topology:
            found = sum(case.topology.pmem(node).size_bytes for node in case.topology.nodes)
        whole, shared = found // 64, found // 256
        saves = whole if whole <= most else shared if shared <= most else 0
        between = (0, within(whole, most))
        what = (
            f"the struct pages of {format_size(found)} of PMEM may lie in DRAM: 1/64 of it is "
            f"{format_size(whole)}, 1/256 (devdax of 2M pages since 5.19) {format_size(shared)}, "
            f"and {format_size(most)} are in use that no field of meminfo names"
        )
        basis = "a guess by size; `ndctl list -N` and `daxctl list` would tell"
    if case.layout and case.layout.slow_pmem:
        how = {
            "step": "of namespaces that the slow tier does not need: ndctl disable-namespace NAME, "
            "or, where nothing in them matters, ndctl create-namespace --force --reconfig=NAME "
            "--mode=devdax --map=dev"
        }
        cost = "They are not there then, or lose what is in them."
    else:
        if _applied(case, "no-pmem"):
            return
        how = {}
        cost = "Without their drivers they take none, and are not there."
    yield Remedy(
        name="no-pmem",
        sentence=f"{what[0].upper()}{what[1:]}. {cost}",
        saves_bytes=saves,
        between=between,
        holds_bytes=most,
        basis=basis,
        settings=() if how else (("save", "no-pmem"),),
        step=how.get("step", ""),
    )


def _memmap_on_memory(case: Case) -> Iterator[Remedy]:
    if case.layout is None or case.layout.slow_pmem is None or _applied(case, "memmap-on-memory"):
        return
    label = case.facts.label
    cost = pmem_cost_bytes(case.layout, virtual=label is not None and label.platform != "metal")
    new = case.kernel_since(6, 8)
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


def _crashkernel(case: Case) -> Iterator[Remedy]:
    size = case.facts.crashkernel_bytes or 0
    if _applied(case, "no-crashkernel"):
        return
    yield Remedy(
        name="no-crashkernel",
        sentence=f"{format_size(size)} are set aside for a crash kernel, outside of MemTotal. "
        "Without it no dump is written when the kernel dies.",
        saves_bytes=size,
        holds_bytes=size,
        basis="measured: the kernel's crash_size, or /proc/iomem",
        settings=(("save", "no-crashkernel"),),
    )


def _hugepages(case: Case) -> Iterator[Remedy]:
    size = within(sum(case.facts.hugepages.values()) or case.field("Hugetlb"), case.used_bytes)
    asked = case.given("hugepages")
    if asked and _applied(case, "no-hugepages"):
        return
    yield Remedy(
        name="no-hugepages",
        sentence=f"{format_size(size)} are in pools of huge pages, "
        + (f"as hugepages={asked[-1]} asks for at boot, " if asked else "")
        + "and no other program gets them. Who needs them asks for them after the boot.",
        saves_bytes=size,
        holds_bytes=size,
        basis="measured: sysfs nr_hugepages" if case.facts.hugepages else "measured: Hugetlb",
        settings=(("save", "no-hugepages"),) if asked else (),
        step="find who sets vm.nr_hugepages: grep -r nr_hugepages /etc/sysctl.conf /etc/sysctl.d",
    )


def _debug(case: Case) -> Iterator[Remedy]:
    if _applied(case, "no-debug"):
        return
    depot = case.vmalloc("stack_depot_init")
    asked = case.given("page_owner")
    owner = case.facts.page_owner is not None or bool(asked and asked[-1] in _ON)
    # The table of stacks has a bucket per 16 KiB of RAM, 4096 to 2^20 (lib/stackdepot.c).
    ram = min(case.kept_bytes, case.facts.meminfo["MemTotal"])
    then = depot * _depot_buckets(ram) // _depot_buckets(case.facts.meminfo["MemTotal"])
    least, likely, most = (
        within(ram // PAGE_BYTES * size, case.nameless_bytes) if owner else 0
        for size in (_OWNER_LEAST_BYTES, _OWNER_BYTES, _OWNER_MOST_BYTES)
    )
    parts = [f"{format_size(depot)} for call stacks (stack depot)"] if depot else []
    parts += [f"about {format_size(likely)} for the owners of pages (page_owner)"] if owner else []
    slub = case.given("slub_debug") or case.given("slab_debug")
    yield Remedy(
        name="no-debug",
        sentence=f"The kernel keeps {' and '.join(parts)}. "
        + ("slub_debug= makes Slab larger as well, by how much nobody counts. " if slub else "")
        + "Without them it does not remember who allocated what.",
        saves_bytes=then + likely,
        between=(then + least, then + most) if owner else None,
        holds_bytes=depot + most,
        basis=", ".join(
            ["measured: vmallocinfo stack_depot_init"] * bool(depot)
            + [f"computed: {_OWNER_BYTES} B per page (mm/page_owner.c)"] * owner
        ),
        settings=(("save", "no-debug"),),
    )


def _depot_buckets(ram_bytes: int) -> int:
    pages = max(1, ram_bytes // 64 * 63 // PAGE_BYTES)  # nr_free_buffer_pages(): no struct pages
    return min(1 << 20, max(1 << 12, (1 << (pages - 1).bit_length()) >> 2))


def _trace_buffers(case: Case) -> Iterator[Remedy]:
    buffers = case.facts.trace_buffers or ()
    if _applied(case, "trace-buffers") or not buffers:
        return
    size = within(sum(item.size_bytes for item in buffers), case.used_bytes)
    online = case.facts.cpus_online or case.cpus_possible or 1
    then = min(online, case.cpus_left or online)
    kept = sum(min(item.size_bytes // online, _TRACE_BYTES) for item in buffers)
    largest = max(buffers, key=lambda item: item.size_bytes)
    yield Remedy(
        name="trace-buffers",
        sentence=f"Ring buffers of tracing take {format_size(size)} on {online} CPUs, most of it "
        f"{largest.name}. With {_TRACE_BYTES // KIB} KiB per CPU a tracer that sets no size of its "
        "own loses events sooner.",
        saves_bytes=within(size * then // online - kept * then, size),
        holds_bytes=size,
        basis="measured: tracefs buffer_total_size_kb",
        settings=(("save", "trace-buffers"),),
    )


def _pebs(case: Case) -> Iterator[Remedy]:
    label = case.facts.label
    if label is not None and label.platform != "metal":
        return
    layout = case.layout
    cpus = case.cpus_possible
    if layout and any(arg.startswith("nr_cpus=") for arg in layout.args):
        cpus = min(cpus, case.cpus_left or cpus)
    most = within(cpus * _DS_BYTES, case.nameless_bytes)
    yield Remedy(
        name="pebs-buffers",
        sentence="On Intel CPUs the first hardware event, which the NMI watchdog is, takes 128 KiB "
        f"of PEBS and BTS buffers for each of {cpus} possible CPUs, up or not. They are gone while "
        "nobody counts, and come back with perf.",
        saves_bytes=most,
        between=(0, most),
        holds_bytes=most,
        basis="computed: arch/x86/events/intel/ds.c reserve_ds_buffers()",
        step="sysctl kernel.nmi_watchdog=0 once the layout is verified (`hotkit sweep` does it); "
        "nr_cpus ends the buffers of CPUs that stay down",
    )
