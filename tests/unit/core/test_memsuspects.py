"""Each usual suspect as a whole, for machines that have it, cannot have it, or do not say."""

import pytest

from hotkit.core.labels import Label, Platform
from hotkit.core.memaccount import Fit, Suspect
from hotkit.core.memfacts import Held, MemoryFacts, PmemSpace, Zone
from hotkit.core.memsuspects import suspects
from hotkit.core.units import GIB, KIB, MIB

ORDER = (
    "free pages on lists of CPUs", "ring buffers of tracing", "PEBS and BTS buffers",
    "page_ext (page_owner, allocation profiling)", "receive rings of network cards",
    "page tables of the IOMMU", "zram", "balloon",
)  # fmt: skip
LISTS, TRACING, STORE, PAGE_EXT, RINGS, IOMMU, ZRAM, BALLOON = ORDER
GAP = 100 * MIB


def machine(meminfo=None, platform=None, **more):
    label = None if platform is None else Label(platform=platform)
    fields = {"MemTotal": 16 * GIB, "MemFree": 0} | (meminfo or {})
    return MemoryFacts(name="x", meminfo=fields, label=label, **more)


def one(name, facts, gap=GAP):
    return next((found for found in suspects(facts, gap) if found.name == name), None)


def fits(name, size, what, left, ask=None):
    sentence = f"{what}; it would leave {left} MiB"
    return Suspect(
        name=name, fit=Fit.FITS, size_bytes=size, sentence=sentence, next_command=ask
    )  # fmt: skip


def unknown(name, sentence, ask):
    return Suspect(name=name, fit=Fit.UNKNOWN, sentence=sentence, next_command=ask)


def measured(name, size, sentence):
    return Suspect(name=name, fit=Fit.MEASURED, size_bytes=size, sentence=sentence)


def zones(**fields):
    return tuple(
        Zone(node=node, name="Normal", present=0, managed=0, free=0, **fields) for node in (0, 1)
    )


@pytest.mark.parametrize("gap", [0, -1])
def test_nobody_is_suspected_where_nothing_is_unexplained(gap):
    assert suspects(machine(), gap) == ()


def test_all_of_them_in_their_order():
    every = machine({"Balloon": 1}, pmem_bytes={2: GIB})
    names = [found.name for found in suspects(every, 1)]
    assert names == [
        "struct pages of PMEM, 1/64", "struct pages of PMEM, 1/256",
        "struct pages of PMEM, 8 KiB a GiB", "struct pages of PMEM, in itself", *ORDER,
    ]  # fmt: skip


def test_namespaces_are_in_the_tree_only_where_the_tree_says_so():
    space = PmemSpace(name="n", mode="fsdax", size_bytes=640 * MIB, map_in="mem")
    facts = machine(pmem_spaces=(space,))
    assert suspects(facts, GAP)[0].fit is Fit.FITS
    assert suspects(facts, GAP, namespaces_in_tree=False)[0].fit is Fit.FITS
    assert suspects(facts, GAP, namespaces_in_tree=True)[0].fit is Fit.MEASURED


# 16 GiB: sqrt(16 x 2^24 KiB) = 16384 KiB, and a thousandth of 17179869184 bytes.
FULL = 16 * MIB + 17179869
LOW = "lists that are full hold the zones' low watermarks"
MAY_GROW = f"{LOW} (since 6.7 they may grow to an eighth of the RAM, 2 GiB)"


@pytest.mark.parametrize(
    ("release", "what"),
    [(None, MAY_GROW), ("6.6.9", LOW), ("6.7.0", MAY_GROW), ("6.8.1", MAY_GROW), ("5.8.0", LOW)],
)
def test_lists_of_cpus_hold_the_low_watermarks(release, what):
    found = one(LISTS, machine(kernel_release=release))
    assert found == fits(LISTS, FULL, f"{what}: 32.4 MiB", 67.6, "cat /proc/zoneinfo")


def test_zoneinfo_counts_the_lists_of_cpus_and_zram():
    facts = machine({"SwapTotal": 0}, zones=zones(per_cpu_free=3, zspages=5))
    assert one(LISTS, facts) == measured(LISTS, 6 * 4096, "zoneinfo counts them")
    assert one(ZRAM, facts) == measured(ZRAM, 10 * 4096, "zoneinfo counts it")


BUFFER = "cat /sys/kernel/tracing/buffer_total_size_kb"


def test_trace_buffers():
    held = (Held(name="a", size_bytes=3), Held(name="b", size_bytes=4))
    facts = machine(trace_buffers=held, cpus_possible=9)
    assert one(TRACING, facts) == measured(TRACING, 7, "tracefs counts them")
    for none in (None, ()):
        assert one(TRACING, machine(trace_buffers=none)) == unknown(
            TRACING, "1408 KiB a CPU, once something was traced", BUFFER
        )
    # TRACE_BUF_SIZE_DEFAULT is 1441792 bytes.
    assert one(TRACING, machine(cpus_possible=8, cpus_online=2)) == fits(
        TRACING, 8 * 1441792, "1408 KiB a CPU (8), once something was traced: 11.0 MiB", "89.0",
        BUFFER,
    )  # fmt: skip


def test_buffers_of_the_pmu():
    """64 KiB for PEBS and 64 KiB for BTS."""
    what = "128 KiB a possible CPU (8), on Intel, once perf or the NMI watchdog was used: 1.0 MiB"
    for platform in (None, Platform.METAL, Platform.VIRTUAL):
        facts = machine(platform=platform, cpus_possible=8)
        assert one(STORE, facts) == fits(STORE, 1024 * KIB, what, "99.0")
    assert one(STORE, machine()) == unknown(
        STORE, "128 KiB a possible CPU, on Intel, once perf was used", None
    )
    for known in (None, 8):
        facts = machine(platform=Platform.EMULATED, cpus_possible=known)
        assert one(STORE, facts) == Suspect(
            name=STORE, fit=Fit.NONE, size_bytes=0, sentence="an emulated CPU has neither"
        )


@pytest.mark.parametrize(
    ("cmdline", "suspect"),
    [
        (None, unknown(PAGE_EXT, "page_owner=on takes 1/64 of RAM or more (256.0 MiB); the capture "
                       "has no command line", "cat /proc/cmdline")),
        ("quiet page_owner=off", Suspect(name=PAGE_EXT, fit=Fit.NONE, size_bytes=0,
                                         sentence="the command line does not ask for it")),
        *((f"quiet {word} x", fits(PAGE_EXT, 256 * MIB, "the command line asks for it: 1/64 of RAM "
                                   "or more: 256.0 MiB", "744.0"))
          for word in ("page_owner=on", "page_owner=1", "page_table_check=on",
                       "sysctl.vm.mem_profiling=1")),
    ],
)  # fmt: skip
def test_page_ext_is_there_where_it_is_asked_for(cmdline, suspect):
    facts = machine({"MemTotal": 16 * GIB + 63}, cmdline=cmdline)
    assert one(PAGE_EXT, facts, 1000 * MIB) == suspect
    counted = machine(cmdline=cmdline, vmstat={"nr_memmap_pages": 0})
    assert one(PAGE_EXT, counted) is None


@pytest.mark.parametrize(
    ("possible", "online", "per_cpu", "queues"),
    [(8, 3, 8, 3), (None, 3, 3, 3), (8, None, 8, 8)],
)
def test_rings_are_per_cpu_that_is_online(possible, online, per_cpu, queues):
    """1024 pages of 4 KiB a queue."""
    facts = machine(cpus_possible=possible, cpus_online=online)
    what = f"up to 1024 pages a queue, with a queue a CPU ({queues}), each port: {queues * 4}.0 MiB"
    left = f"{100 - queues * 4}.0"
    ask = "ethtool -g DEV; ethtool -l DEV"
    assert one(RINGS, facts) == fits(RINGS, queues * 4 * MIB, what, left, ask)
    assert one(TRACING, facts).size_bytes == per_cpu * 1408 * KIB
    assert one(STORE, facts).size_bytes == per_cpu * 128 * KIB


def test_rings_of_an_unknown_number_of_cpus():
    assert one(RINGS, machine()) == unknown(
        RINGS,
        "a page a descriptor and queue, often a queue a CPU",
        "ethtool -g DEV; ethtool -l DEV",
    )


NO_COUNTER = unknown(
    IOMMU, "1/512 of what devices map page by page; no counter before 6.10",
    "dmesg | grep -i -e DMAR -e AMD-Vi -e iommu",
)  # fmt: skip
COUNTED = Suspect(name=IOMMU, fit=Fit.NONE, sentence="SecPageTables counts them since 6.10")


@pytest.mark.parametrize(
    ("release", "suspect"),
    [("6.9.1", NO_COUNTER), ("6.10.0", COUNTED), ("6.11.0", COUNTED), (None, NO_COUNTER)],
)
def test_page_tables_of_the_iommu(release, suspect):
    assert one(IOMMU, machine(kernel_release=release)) == suspect
    counted = machine(kernel_release=release, vmstat={"nr_iommu_pages": 3})
    assert one(IOMMU, counted) == measured(
        IOMMU, 3 * 4096, "vmstat counts them, and SecPageTables does, too (since 6.10)"
    )


NO_SWAP = Suspect(
    name=ZRAM, fit=Fit.NONE, sentence="there is no swap (a file system on it apart)"
)  # fmt: skip
NOT_USED = Suspect(
    name=ZRAM, fit=Fit.NONE, sentence="nothing is swapped out (a file system on it apart)"
)
SWAPPED = unknown(ZRAM, "what is swapped out, compressed", "zramctl")


@pytest.mark.parametrize(
    ("meminfo", "suspect"),
    [
        ({"SwapTotal": 0, "SwapFree": 0}, NO_SWAP),
        ({"SwapTotal": 0}, NO_SWAP),
        ({"SwapTotal": 1, "SwapFree": 1}, NOT_USED),
        ({"SwapTotal": 2, "SwapFree": 1}, SWAPPED),
        ({"SwapTotal": 2, "SwapFree": 0}, SWAPPED),
        ({"SwapTotal": 2}, SWAPPED),
        ({"SwapFree": 2}, SWAPPED),
        ({}, SWAPPED),
    ],
)
def test_zram_needs_something_that_is_swapped_out(meminfo, suspect):
    assert one(ZRAM, machine(meminfo)) == suspect


TAKEN = unknown(BALLOON, "what the hypervisor took back", "grep balloon /proc/vmstat")


@pytest.mark.parametrize(
    ("platform", "meminfo", "suspect"),
    [
        (Platform.VIRTUAL, {}, TAKEN),
        (Platform.EMULATED, {}, TAKEN),
        (Platform.METAL, {}, None),
        (None, {}, None),
        (Platform.VIRTUAL, {"Balloon": 0}, None),
        (None, {"Balloon": 1},
         Suspect(name=BALLOON, fit=Fit.UNKNOWN, size_bytes=1,
                 sentence="meminfo counts it; it is in use here only if MemTotal still holds it")),
    ],
)  # fmt: skip
def test_a_balloon_is_a_guests(platform, meminfo, suspect):
    assert one(BALLOON, machine(meminfo, platform)) == suspect
