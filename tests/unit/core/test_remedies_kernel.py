"""What the kernel can do without: each remedy to the last byte and word."""

from __future__ import annotations

import pytest

from hotkit.core.labels import Label
from hotkit.core.memfacts import Held
from hotkit.core.remedies_kernel import kernel_remedies
from hotkit.core.remedy import Remedy
from hotkit.core.units import GIB, KIB, MIB, PAGE_BYTES
from tests.unit.core.test_remedy import MACHINE, area, case, planned

FUTEX_32 = 512 * KIB  # 256 buckets of 64 bytes for each of 32 CPUs
HASHES = "alloc_large_system_hash"


def found(*arguments, **named):
    return {item.name: item for item in kernel_remedies(case(*arguments, **named))}


def test_which_there_are_with_nothing_but_a_total():
    names = ["hashes", "no-crashkernel", "no-hugepages", "no-debug", "pebs-buffers"]
    assert list(found()) == names


def cpus(left, percpu, out, possible, saves, holds, futex=False):
    return Remedy(
        name="nr_cpus",
        sentence=f"Of {possible} CPUs {left} come up, and per-CPU memory is there for all:"
        f" {percpu} of it, and tables that grow with them. nr_cpus= leaves the other {out} out;"
        " they cannot come online until the next boot.",
        saves_bytes=saves,
        holds_bytes=holds,
        basis=f"measured: meminfo Percpu, {out} of {possible} parts"
        + (", computed: the futex table" if futex else ""),
        settings=(("cpu_limit", "nr_cpus"),),
    )


FOUR = planned("maxcpus=4")


@pytest.mark.parametrize(
    ("meminfo", "facts", "remedy"),
    [
        ({"Percpu": 32 * MIB}, {}, cpus(4, "32 MiB", 28, 32, 28 * MIB, 32 * MIB)),
        # Before 4.20 the first chunk of each CPU.
        ({}, {"percpu_unit_bytes": 256 * KIB}, cpus(4, "8 MiB", 28, 32, 7 * MIB, 8 * MIB)),
        ({}, {}, cpus(4, "0 B", 28, 32, 0, 0)),
        # Of what does not divide nobody wins a fraction.
        ({"Percpu": 33}, {"cpus_possible": 5}, cpus(4, "33 B", 1, 5, 6, 33)),
        # The futex table, where the list of tables is so large that it can be in it.
        ({"Percpu": 32 * MIB}, {"vmalloc": (area(HASHES, FUTEX_32 // PAGE_BYTES),)},
         cpus(4, "32 MiB", 28, 32, 28 * MIB + 448 * KIB, 32 * MIB + FUTEX_32, futex=True)),
        ({"Percpu": 32 * MIB}, {"vmalloc": (area(HASHES, FUTEX_32 // PAGE_BYTES - 1),)},
         cpus(4, "32 MiB", 28, 32, 28 * MIB, 32 * MIB)),
        # Buckets are a power of two: 256 x 5 is 2048 of them.
        ({"Percpu": 5 * MIB}, {"cpus_possible": 5, "vmalloc": (area(HASHES, 32),)},
         cpus(4, "5 MiB", 1, 5, MIB + 64 * KIB, 5 * MIB + 128 * KIB, futex=True)),
    ],
)  # fmt: skip
def test_cpus_that_do_not_come_up(meminfo, facts, remedy):
    assert found(meminfo, layout=FOUR, **{"cpus_possible": 32} | facts)["nr_cpus"] == remedy


@pytest.mark.parametrize(
    ("layout", "facts"),
    [
        (planned("maxcpus=32"), {}),
        (planned("maxcpus=33"), {}),
        (planned("quiet"), {}),
        (planned("quiet", "nr_cpus=4", "maxcpus=2"), {}),
        (None, {"cpus_online": 32}),
        (None, {}),
    ],
)
def test_where_no_cpu_stays_down_or_the_layout_says_so(layout, facts):
    assert "nr_cpus" not in found({"Percpu": 32 * MIB}, layout=layout, cpus_possible=32, **facts)


def test_one_cpu_of_32_that_stays_down():
    remedy = found({"Percpu": 32 * MIB}, cmdline="maxcpus=31", cpus_possible=32)["nr_cpus"]
    assert remedy == cpus(31, "32 MiB", 1, 32, MIB, 32 * MIB)


def tables(there, kept, saves, holds, measured=False):
    return Remedy(
        name="hashes",
        sentence=f"Hash tables of the kernel take {there}. An eighth of them would do for a"
        " measurement: look-ups of files and sockets walk longer chains.",
        saves_bytes=saves,
        holds_bytes=holds,
        basis=f"computed: mm/page_alloc.c alloc_large_system_hash() for {kept}"
        + (", measured today: vmallocinfo" if measured else ""),
        settings=(("save", "hashes"),),
    )


# Of 64 GiB: 8 Mi dentries, 4 Mi inodes and 2 x 128 Ki mounts of 8 bytes, 512 Ki of TCP of 8 and
# 64 Ki of 32, 2 x 32 Ki of UDP of 32. An eighth stays, of TCP's three what thash_entries= makes.
ALL_64 = (64 + 32 + 2 + 4 + 2 + 2) * MIB
WON_64 = ALL_64 // 8 * 7 - (2 * MIB - 256 * KIB) - 512 * KIB


@pytest.mark.parametrize(
    ("meminfo", "facts", "remedy"),
    [
        ({}, {}, tables("106 MiB", "64 GiB", WON_64, ALL_64)),
        # No more than is in use.
        ({"MemFree": 64 * GIB - MIB}, {}, tables("1 MiB", "64 GiB", MIB, MIB)),
        ({}, {"vmalloc": (area(HASHES, 512),)},
         tables("2 MiB", "64 GiB", 2 * MIB, 2 * MIB, measured=True)),
        ({}, {"vmalloc": (area(HASHES, 51200),)},
         tables("200 MiB", "64 GiB", WON_64, 200 * MIB, measured=True)),
    ],
)  # fmt: skip
def test_hash_tables(meminfo, facts, remedy):
    assert found(meminfo, **facts)["hashes"] == remedy


def test_hash_tables_in_a_layout_are_smaller_already():
    remedy = found(layout=planned(), vmalloc=(area(HASHES, 51200),))["hashes"]
    there = (
        "200 MiB here; in the layout the kernel makes those that follow the RAM 28 MiB by itself"
    )
    assert remedy == tables(there, "16 GiB", 24 * MIB + 128 * KIB, 200 * MIB, measured=True)


def test_what_the_layout_has_already_is_no_remedy():
    args = (
        "dhash_entries=262144", "ihash_entries=131072", "mhash_entries=4096", "mphash_entries=4096",
        "thash_entries=16384", "uhash_entries=1024", "crashkernel=0", "hugepages=0",
        "page_owner=off", "slub_debug=-", "stack_depot_disable=on", "trace_buf_size=64K",
    )  # fmt: skip
    facts = {
        "crashkernel_bytes": GIB, "cmdline": "hugepages=9",
        "trace_buffers": (Held(name="t", size_bytes=GIB),),
    }  # fmt: skip
    assert list(found(layout=planned(), **facts)) == [
        "hashes", "no-crashkernel", "no-hugepages", "no-debug", "trace-buffers", "pebs-buffers",
    ]  # fmt: skip
    assert list(found(layout=planned(*args), **facts)) == ["pebs-buffers"]
    # A pool that the command line does not ask for is there in spite of hugepages=0.
    assert "no-hugepages" in found(layout=planned(*args), cmdline="ro")


@pytest.mark.parametrize(("size", "said"), [(512 * MIB, "512 MiB"), (None, "0 B")])
def test_a_crash_kernel(size, said):
    assert found(crashkernel_bytes=size)["no-crashkernel"] == Remedy(
        name="no-crashkernel",
        sentence=f"{said} are set aside for a crash kernel, outside of MemTotal. Without it no dump"
        " is written when the kernel dies.",
        saves_bytes=size or 0,
        holds_bytes=size or 0,
        basis="measured: the kernel's crash_size, or /proc/iomem",
        settings=(("save", "no-crashkernel"),),
    )


@pytest.mark.parametrize(
    ("meminfo", "facts", "size", "words", "basis"),
    [
        ({"Hugetlb": GIB}, {}, GIB, "1 GiB are in pools of huge pages, and", "Hugetlb"),
        ({"Hugetlb": GIB}, {"hugepages": {(0, 1): 2 * GIB, (1, 1): MIB}}, 2 * GIB + MIB,
         "2049 MiB are in pools of huge pages, and", "sysfs nr_hugepages"),
        ({}, {"hugepages": {(0, 1): 9 * GIB}}, 4 * GIB, "4 GiB are in pools of huge pages, and",
         "sysfs nr_hugepages"),
        ({"Hugetlb": GIB}, {"cmdline": "hugepages=7 hugepages=8"}, GIB,
         "1 GiB are in pools of huge pages, as hugepages=8 asks for at boot, and", "Hugetlb"),
    ],
)  # fmt: skip
def test_huge_pages(meminfo, facts, size, words, basis):
    assert found(meminfo, **facts)["no-hugepages"] == Remedy(
        name="no-hugepages",
        sentence=f"{words} no other program gets them. Who needs them asks for them after the boot"
        ".",
        saves_bytes=size,
        holds_bytes=size,
        basis=f"measured: {basis}",
        settings=(("save", "no-hugepages"),) if "cmdline" in facts else (),
        step="find who sets vm.nr_hugepages: grep -r nr_hugepages /etc/sysctl.conf /etc/sysctl.d",
    )


def debug(kept, saves, holds, basis, between=None, slub=False):
    more = "slub_debug= makes Slab larger as well, by how much nobody counts. "
    return Remedy(
        name="no-debug",
        sentence=f"The kernel keeps {kept}. {more if slub else ''}Without them it does not remember"
        " who allocated what.",
        saves_bytes=saves,
        between=between,
        holds_bytes=holds,
        basis=basis,
        settings=(("save", "no-debug"),),
    )


DEPOT = {"vmalloc": (area("stack_depot_init", 2048), area("x", 9))}
STACKS = "8 MiB for call stacks (stack depot)"
BY_DEPOT = "measured: vmallocinfo stack_depot_init"
BY_OWNER = "computed: 64 B per page (mm/page_owner.c)"
OWNED = (640 * MIB, 1152 * MIB)  # 40 and 72 bytes for each of 16 Mi pages


@pytest.mark.parametrize(
    ("facts", "nameless", "remedy"),
    [
        ({}, GIB, debug("", 0, 0, "")),
        (DEPOT, GIB, debug(STACKS, 8 * MIB, 8 * MIB, BY_DEPOT)),
        (DEPOT | {"cmdline": "slub_debug=FZ"}, GIB,
         debug(STACKS, 8 * MIB, 8 * MIB, BY_DEPOT, slub=True)),
        (DEPOT | {"cmdline": "slab_debug"}, GIB,
         debug(STACKS, 8 * MIB, 8 * MIB, BY_DEPOT, slub=True)),
        ({"page_owner": ()}, 2 * GIB,
         debug("about 1 GiB for the owners of pages (page_owner)", GIB, OWNED[1], BY_OWNER, OWNED)),
        # No more than is there without a name.
        ({"page_owner": ()}, 700 * MIB,
         debug("about 700 MiB for the owners of pages (page_owner)", 700 * MIB, 700 * MIB, BY_OWNER,
               (640 * MIB, 700 * MIB))),
        (DEPOT | {"page_owner": ()}, 2 * GIB,
         debug(f"{STACKS} and about 1 GiB for the owners of pages (page_owner)", GIB + 8 * MIB,
               OWNED[1] + 8 * MIB, f"{BY_DEPOT}, {BY_OWNER}",
               (OWNED[0] + 8 * MIB, OWNED[1] + 8 * MIB))),
    ],
)  # fmt: skip
def test_what_the_kernel_remembers(facts, nameless, remedy):
    assert found(nameless=nameless, **facts)["no-debug"] == remedy


def test_stacks_and_owners_together_are_no_more_than_is_in_use():
    used = {"MemTotal": GIB, "MemFree": GIB - 20 * MIB}
    item = found(used, nameless=2 * GIB, page_owner=(), **DEPOT)["no-debug"]
    # 2^18 pages have 10 MiB of owners at least; 16 likely, of which 12 have room beside the stacks.
    assert item.between == (18 * MIB, 20 * MIB)
    assert item.saves_bytes == item.holds_bytes == 20 * MIB


@pytest.mark.parametrize(
    ("line", "on"),
    [
        *((f"page_owner={word}", True) for word in ("on", "1", "y", "Y", "yes")),
        *((f"page_owner={word}", False) for word in ("off", "0", "")),
        ("page_owner=off page_owner=on", True),
        ("page_owner=on page_owner=off", False),
        ("page_owner", False),
    ],
)
def test_whether_the_owners_of_pages_are_noted(line, on):
    assert (found(cmdline=line)["no-debug"].between is not None) is on


def won(depot_pages, kept, total=64 * GIB):
    """Bytes that are won of the depot's table where the layout keeps less RAM."""
    facts = {"vmalloc": (area("stack_depot_init", depot_pages),)}
    meminfo = {"MemTotal": total, "MemFree": 0}
    size = found(meminfo, layout=planned(kept=(kept,)), **facts)["no-debug"].saves_bytes
    assert type(size) is int
    return size


def with_pages(count):
    """The least RAM that has so many pages beside its struct pages."""
    return -(-count * PAGE_BYTES // 63) * 64


@pytest.mark.parametrize(
    ("kept", "buckets"),
    [
        # A bucket for four pages, rounded up to a power of two, of 63/64 of the RAM (the rest are
        # struct pages): 4096 at least, 2^20 at most (lib/stackdepot.c).
        (64 * GIB, 1 << 20), (16 * GIB, 1 << 20), (8 * GIB, 1 << 19), (4 * GIB, 1 << 18),
        (MIB, 1 << 12), (PAGE_BYTES, 1 << 12),
        (with_pages(1 << 20), 1 << 18), (with_pages((1 << 20) + 1), 1 << 19),
    ],
)  # fmt: skip
def test_the_table_of_stacks_follows_the_ram(kept, buckets):
    assert won(1 << 20, kept) == buckets * PAGE_BYTES
    # Never more than the capture's own, which is of less RAM here.
    assert won(1 << 12, 64 * GIB, total=GIB) == PAGE_BYTES << 12


def test_owners_of_pages_are_those_of_the_layout():
    remedy = found(layout=planned(), page_owner=())["no-debug"]
    assert (remedy.saves_bytes, remedy.between) == (256 * MIB, (160 * MIB, 288 * MIB))


def rings(size, cpu_count, largest, saves, holds):
    return Remedy(
        name="trace-buffers",
        sentence=f"Ring buffers of tracing take {size} on {cpu_count} CPUs, most of it {largest}."
        " With 64 KiB per CPU a tracer that sets no size of its own loses events sooner.",
        saves_bytes=saves,
        holds_bytes=holds,
        basis="measured: tracefs per_cpu/*/buffer_size_kb",
        settings=(("save", "trace-buffers"),),
    )


def buffers(*sizes):
    return tuple(Held(name=name, size_bytes=size) for name, size in zip("abc", sizes, strict=False))


TWO = buffers(2 * MIB, 6 * MIB)  # of four CPUs: 512 KiB and 1.5 MiB each


@pytest.mark.parametrize(
    ("sizes", "facts", "remedy"),
    [
        (TWO, {"cpus_online": 4, "cpus_possible": 8},
         rings("8 MiB", 4, "b", 8 * MIB - 8 * 64 * KIB, 8 * MIB)),
        (TWO, {"cpus_possible": 4}, rings("8 MiB", 4, "b", 8 * MIB - 8 * 64 * KIB, 8 * MIB)),
        (TWO, {}, rings("8 MiB", 1, "b", 8 * MIB - 2 * 64 * KIB, 8 * MIB)),
        # A CPU of four comes up in the layout; of more than four it cannot be.
        (TWO, {"cpus_online": 4, "layout": planned("maxcpus=1")},
         rings("8 MiB", 4, "b", 2 * MIB - 2 * 64 * KIB, 8 * MIB)),
        (TWO, {"cpus_online": 4, "layout": planned("maxcpus=5")},
         rings("8 MiB", 4, "b", 8 * MIB - 8 * 64 * KIB, 8 * MIB)),
        (TWO, {"cpus_online": 4, "layout": planned("quiet")},
         rings("8 MiB", 4, "b", 8 * MIB - 8 * 64 * KIB, 8 * MIB)),
        # Smaller ones stay as they are.
        (buffers(4 * 60 * KIB, MIB, 0), {"cpus_online": 4},
         rings("1264 KiB", 4, "b", MIB - 256 * KIB, MIB + 240 * KIB)),
        # No more than is in use.
        (buffers(5 * GIB), {"cpus_online": 4},
         rings("4 GiB", 4, "a", 4 * GIB - 256 * KIB, 4 * GIB)),
    ],
)  # fmt: skip
def test_buffers_of_tracing(sizes, facts, remedy):
    assert found(trace_buffers=sizes, **facts)["trace-buffers"] == remedy


def test_bytes_of_buffers_are_whole():
    """Of 100,001 bytes a CPU of three has 33,333, and two of the three 66,667."""
    for line, won in (("quiet", 2), ("maxcpus=2", 1)):
        facts = {"cpus_online": 3, "layout": planned(line)}
        size = found(trace_buffers=buffers(100_001), **facts)["trace-buffers"].saves_bytes
        assert (size, type(size)) == (won, int)


def test_buffers_larger_than_what_is_in_use_win_nothing():
    facts = {"trace_buffers": buffers(5 * GIB), "cpus_online": 4}
    assert found({"MemFree": 64 * GIB - 4}, **facts)["trace-buffers"].saves_bytes == 0


def pebs(cpu_count, size):
    return Remedy(
        name="pebs-buffers",
        sentence="On Intel CPUs the first hardware event, which the NMI watchdog is, takes 128 KiB"
        f" of PEBS and BTS buffers for each of {cpu_count} possible CPUs, up or not. They are gone"
        " while nobody counts, and come back with perf.",
        saves_bytes=size,
        between=(0, size),
        holds_bytes=size,
        basis="computed: arch/x86/events/intel/ds.c reserve_ds_buffers()",
        step="sysctl kernel.nmi_watchdog=0 once the layout is verified (`hotkit sweep` does it);"
        " nr_cpus ends the buffers of CPUs that stay down",
    )


@pytest.mark.parametrize(
    ("facts", "remedy"),
    [
        ({"cpus_possible": 64}, pebs(64, 8 * MIB)),
        ({"topology": MACHINE}, pebs(6, 768 * KIB)),
        ({}, pebs(0, 0)),
        ({"cpus_possible": 64, "nameless": MIB}, pebs(64, MIB)),
        ({"cpus_possible": 64, "label": Label(platform="metal")}, pebs(64, 8 * MIB)),
        # Only nr_cpus= ends those of CPUs that stay down.
        ({"cpus_possible": 64, "layout": planned("maxcpus=4")}, pebs(64, 8 * MIB)),
        ({"cpus_possible": 64, "layout": planned("quiet", "nr_cpus=4")}, pebs(4, 512 * KIB)),
        ({"cpus_possible": 2, "layout": planned("nr_cpus=4")}, pebs(2, 256 * KIB)),
        ({"cpus_possible": 64, "layout": planned("nr_cpus=0")}, pebs(64, 8 * MIB)),
    ],
)  # fmt: skip
def test_buffers_of_pebs(facts, remedy):
    assert found(**facts)["pebs-buffers"] == remedy


@pytest.mark.parametrize("platform", ["virtual", "emulated"])
def test_a_vm_has_no_buffers_of_pebs(platform):
    assert "pebs-buffers" not in found(cpus_possible=64, label=Label(platform=platform))
