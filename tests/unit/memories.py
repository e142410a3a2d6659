"""Memory facts for tests: the captured machine's, and random ones of any kernel."""

from __future__ import annotations

from hypothesis import strategies as st

from hotkit.core.labels import Label, Platform
from hotkit.core.memfacts import (
    AllocSite,
    Held,
    MemoryFacts,
    PmemSpace,
    Process,
    SlabCache,
    VmallocArea,
    Zone,
)
from hotkit.core.meminfofields import INSIDE, PARTS
from hotkit.core.units import GIB, KIB, MIB, PAGE_BYTES
from hotkit.memory import load_facts
from tests.unit.machines import CAPTURE

FIELDS = sorted((PARTS | set(INSIDE)) - {"MemFree", "MemUsed"})
SIZES = st.integers(0, 1 << 24).map(lambda pages: pages * KIB)


def captured_facts() -> MemoryFacts:
    """What tests/data/captures/lab-2s-256g says of the machine of DESIGN.md."""
    return load_facts(str(CAPTURE))


@st.composite
def _fields(draw: st.DrawFn) -> dict[str, int]:
    total = draw(SIZES)
    free = draw(st.integers(0, total // KIB)) * KIB
    some = draw(st.dictionaries(st.sampled_from(FIELDS), SIZES, max_size=len(FIELDS)))
    return {"MemTotal": total, "MemFree": free} | some


@st.composite
def _areas(draw: st.DrawFn) -> VmallocArea:
    pages = draw(st.one_of(st.none(), st.integers(0, 1 << 16)))
    nodes = {} if pages is None else {draw(st.integers(0, 3)): pages}
    caller = draw(st.sampled_from(["kernel_clone", "f2fs_build", "pcpu_get_vm_areas", "x_shmem"]))
    kinds = draw(st.lists(st.sampled_from(["ioremap", "vmap", "vmalloc", "dma-coherent"])))
    size = (pages or 0) * PAGE_BYTES + PAGE_BYTES
    return VmallocArea(size_bytes=size, caller=caller, pages=pages, kinds=tuple(kinds), nodes=nodes)


def _many(item: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...] | None]:
    return st.one_of(st.none(), st.lists(item, max_size=20).map(tuple))


NAMES = st.sampled_from(
    ["allocate_slab", "alloc_page_ext", "mlx5_alloc [mlx5_core]", "/run", "a/b"]
)
HELD = st.builds(Held, name=NAMES, size_bytes=SIZES)
COUNTS = st.integers(0, 1 << 20)


@st.composite
def any_facts(draw: st.DrawFn) -> MemoryFacts:
    """Fields in any relation to each other, sources there or not: what no sane machine has, too."""
    nodes = draw(st.dictionaries(st.integers(0, 3), _fields(), max_size=3))
    zones = st.builds(
        Zone, node=st.integers(0, 3), name=st.just("Normal"), present=COUNTS, managed=COUNTS,
        free=COUNTS, per_cpu_free=COUNTS, zspages=COUNTS,
    )  # fmt: skip
    site = st.builds(
        AllocSite, size_bytes=SIZES, calls=COUNTS, function=NAMES, module=st.none(),
        place=st.sampled_from(["mm/page_ext.c:2", "mm/slub.c:9", "kernel/dma/direct.c:1"]),
    )  # fmt: skip
    process = st.builds(
        Process, pid=COUNTS, name=NAMES, pss_bytes=st.one_of(st.none(), SIZES), rss_bytes=SIZES
    )
    space = st.builds(
        PmemSpace, name=NAMES, mode=st.sampled_from(["fsdax", "devdax", "raw"]), size_bytes=SIZES,
        map_in=st.sampled_from(["mem", "dev", None]), system_ram=st.booleans(),
        align_bytes=st.sampled_from([None, PAGE_BYTES, 2 * MIB, GIB]),
    )  # fmt: skip
    return MemoryFacts(
        name="any",
        label=draw(st.sampled_from([None, Label(platform=Platform.EMULATED)])),
        kernel_release=draw(st.sampled_from([None, "4.19.0", "5.15.3-generic", "6.12.1", "odd"])),
        cmdline=draw(st.sampled_from([None, "quiet", "page_owner=on"])),
        cpus_online=draw(st.sampled_from([None, 2])),
        cpus_possible=draw(st.sampled_from([None, 144])),
        meminfo=draw(_fields()),
        nodes=nodes,
        vmalloc=draw(_many(_areas())),  # type: ignore[arg-type]
        slabs=draw(_many(st.builds(SlabCache, name=NAMES, size_bytes=SIZES, objects=COUNTS,
                                   object_bytes=COUNTS))),  # type: ignore[arg-type]
        alloc_sites=draw(_many(site)),  # type: ignore[arg-type]
        zones=draw(_many(zones)),  # type: ignore[arg-type]
        processes=draw(_many(process)),  # type: ignore[arg-type]
        cgroups=draw(_many(HELD)),  # type: ignore[arg-type]
        tmpfs=draw(_many(HELD)),  # type: ignore[arg-type]
        trace_buffers=draw(_many(HELD)),  # type: ignore[arg-type]
        page_owner=draw(_many(HELD)),  # type: ignore[arg-type]
        traced=draw(_many(HELD)),  # type: ignore[arg-type]
        pmem_spaces=draw(_many(space)),  # type: ignore[arg-type]
        pmem_bytes=draw(st.dictionaries(st.integers(-1, 3), SIZES, max_size=2)),
        present_bytes=draw(st.dictionaries(st.integers(0, 3), SIZES, max_size=2)),
        hugepages=draw(st.dictionaries(
            st.tuples(st.integers(0, 3), st.sampled_from([2 * MIB, GIB])), SIZES, max_size=3)),
        percpu_unit_bytes=draw(st.sampled_from([None, 61 * PAGE_BYTES])),
        percpu_units=draw(st.sampled_from([None, 4])),
        vmstat=draw(st.dictionaries(
            st.sampled_from(["nr_memmap_pages", "nr_iommu_pages"]), COUNTS, max_size=2)),
        truncated=draw(st.sampled_from([(), ("vmallocinfo",)])),
    )  # fmt: skip
