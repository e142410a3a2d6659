"""What the kernel itself can do without: per-CPU memory, tables, reservations, buffers."""

from __future__ import annotations

from collections.abc import Iterator

from hotkit.core.cmdline import yes_or_no
from hotkit.core.kernelhashes import TABLES, entries
from hotkit.core.remedy import Case, Remedy, within
from hotkit.core.savings import smaller_hash_bytes
from hotkit.core.units import KIB, PAGE_BYTES, format_size

_HASHES = "alloc_large_system_hash"
# arch/x86/include/asm/intel_ds.h: BTS_BUFFER_SIZE and PEBS_BUFFER_SIZE, of each possible CPU.
_DS_BYTES = 2 * 64 * KIB
_TRACE_BYTES = 64 * KIB  # trace_buf_size= of `trace-buffers`
# struct page_ext with page owner: 64 bytes in 6.1 (mm/page_owner.c), 40 before 5.11, 72 in 6.12.
_OWNER_BYTES, _OWNER_LEAST_BYTES, _OWNER_MOST_BYTES = 64, 40, 72


def kernel_remedies(case: Case) -> Iterator[Remedy]:
    """All of them, in no order; those that win nothing too."""
    yield from _nr_cpus(case)
    yield from _hashes(case)
    yield from _crashkernel(case)
    yield from _hugepages(case)
    yield from _debug(case)
    yield from _trace_buffers(case)
    yield from _pebs(case)


def _futex_bytes(cpus: int) -> int:
    """256 buckets of 64 bytes per possible CPU (kernel/futex/core.c, futex_init(), 6.1)."""
    return 64 * (1 << (256 * cpus - 1).bit_length())


def _nr_cpus(case: Case) -> Iterator[Remedy]:
    possible, left = case.cpus_possible, case.cpus_left
    layout_limits = case.layout and any(arg.startswith("nr_cpus=") for arg in case.layout.args)
    if not left or left >= possible or layout_limits:
        return
    out = possible - left
    # Percpu counts the first chunk as well, which lies outside MemTotal (mm/percpu.c,
    # pcpu_setup_first_chunk()); kernels before 4.20 have no such field.
    percpu = case.field("Percpu") or (case.facts.percpu_unit_bytes or 0) * possible
    # The futex table is one of those that vmallocinfo lists, where it lists them.
    futex = _futex_bytes(possible) if case.vmalloc(_HASHES) >= _futex_bytes(possible) else 0
    saves = percpu * out // possible + max(0, futex - _futex_bytes(left))
    yield Remedy(
        name="nr_cpus",
        sentence=f"Of {possible} CPUs {left} come up, and per-CPU memory is there for all: "
        f"{format_size(percpu)} of it, and tables that grow with them. nr_cpus= "
        f"leaves the other {out} out; they cannot come online until the next boot.",
        saves_bytes=saves,
        holds_bytes=percpu + futex,
        basis=f"measured: meminfo Percpu, {out} of {possible} parts"
        + (", computed: the futex table" if futex else ""),
        settings=(("cpu_limit", "nr_cpus"),),
    )


def _scaling_bytes(ram_bytes: int) -> int:
    return sum(entries(table, ram_bytes) * table.bucket_bytes for table in TABLES)


def _hashes(case: Case) -> Iterator[Remedy]:
    measured = case.vmalloc(_HASHES)
    holds = measured or within(_scaling_bytes(case.facts.meminfo["MemTotal"]), case.used_bytes)
    if case.applied("hashes"):
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


def _crashkernel(case: Case) -> Iterator[Remedy]:
    size = case.facts.crashkernel_bytes or 0
    if case.applied("no-crashkernel"):
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
    if asked and case.applied("no-hugepages"):
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
    if case.applied("no-debug"):
        return
    depot = case.vmalloc("stack_depot_init")
    asked = case.given("page_owner")
    owner = case.facts.page_owner is not None or bool(asked and yes_or_no(asked[-1]))
    # The table of stacks has a bucket per 16 KiB of RAM, 4096 to 2^20 (lib/stackdepot.c).
    ram = min(case.kept_bytes, case.facts.meminfo["MemTotal"])
    then = depot * _depot_buckets(ram) // _depot_buckets(case.facts.meminfo["MemTotal"])
    # The depot is counted beside it: both together are no more than is in use.
    nameless = min(case.nameless_bytes, case.used_bytes - depot)
    least, likely, most = (
        within(ram // PAGE_BYTES * size, nameless) if owner else 0
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
    pages = ram_bytes // 64 * 63 // PAGE_BYTES  # nr_free_buffer_pages(): no struct pages
    return min(1 << 20, max(1 << 12, (1 << (pages - 1).bit_length()) >> 2))


def _trace_buffers(case: Case) -> Iterator[Remedy]:
    buffers = case.facts.trace_buffers or ()
    if case.applied("trace-buffers") or not buffers:
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
        basis="measured: tracefs per_cpu/*/buffer_size_kb",
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
