"""What can be won: the captured machine's figures, made-up machines for the rest, and bounds."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotkit.core.labels import Label
from hotkit.core.memfacts import AllocSite, Held, MemoryFacts, PmemSpace, Process, VmallocArea
from hotkit.core.memremedies import profile_text, remedies
from hotkit.core.plan import plan
from hotkit.core.pmem_preflight import pmem_cost_bytes
from hotkit.core.profile import profile_from_dict
from hotkit.core.remedy import LIST_KEYS, WORTH_BYTES
from hotkit.core.units import GIB, KIB, MIB, PAGE_BYTES
from hotkit.host.profiles import load_profile, parse_setting
from hotkit.parse.memfacts import memory_facts
from tests.unit.machines import captured

CAPTURE = Path(__file__).parents[2] / "data" / "captures" / "lab-2s-256g"
FACTS = memory_facts("lab", {path.stem: path.read_text() for path in CAPTURE.glob("*.txt")})
MACHINE = captured()
REMOTE = plan(MACHINE, load_profile("4C16G-remote"))
EMPTY = {"MemTotal": 64 * GIB, "MemFree": 60 * GIB}


def layout(name="4C16G-remote", **over):
    return plan(MACHINE, load_profile(name, over))


def figures(facts, **more):
    """Name and MiB of each, without the tables that every kernel has."""
    return [(item.name, won(item)) for item in remedies(facts, **more) if item.name != "hashes"]


def named(facts, **more):
    return {item.name: item for item in remedies(facts, **more)}


def made(meminfo=None, **more):
    return MemoryFacts(name="made up", meminfo=EMPTY | (meminfo or {}), **more)


def area(caller, mib):
    pages = int(mib * MIB / PAGE_BYTES)
    return VmallocArea(
        size_bytes=(pages + 1) * PAGE_BYTES, caller=caller, pages=pages, kinds=("vmalloc",)
    )


def won(item):
    return round(item.saves_bytes / MIB, 1)


def test_the_captured_machine():
    found = remedies(FACTS, layout=REMOTE, topology=MACHINE)
    assert [(item.name, won(item)) for item in found] == [
        ("no-pmem", 4032.0),
        ("mounts: f2fs", 863.3),
        ("program: Runner.Listener (2180)", 117.5),
        ("nr_cpus", 88.7),
        ("program: caddy (2517)", 45.0),
        ("program: node (2156)", 38.9),
        ("program: cloudflared (2284)", 38.5),
        ("hashes", 24.1),
        ("pebs-buffers", 18.0),
        ("no-debug", 16.0),
        ("program: gvfsd-fuse (2356)", 9.3),
        ("caches", 1313.5),
    ]
    assert found[-1].by_itself and not any(item.by_itself for item in found[:-1])
    assert profile_text(found) == "cpu_limit: nr_cpus\nsave: [no-pmem, hashes, no-debug]"


def test_what_the_profile_says_is_what_is_then_no_longer_won():
    """The lines that apply a layout's remedies are a profile, and its layout has them no more."""
    lines = profile_text(remedies(FACTS, layout=REMOTE)).splitlines()
    over = {}
    for line in lines:
        over |= parse_setting(line.replace(": ", "=", 1))
    again = named(FACTS, layout=layout(**over))
    assert set(again).isdisjoint({"nr_cpus", "no-pmem", "hashes", "no-debug"})
    # And PEBS buffers are only those of four CPUs, half a MiB.
    assert "pebs-buffers" not in again


def test_without_a_layout_the_machine_as_it_runs():
    found = named(FACTS)
    assert "nr_cpus" not in found  # nobody says that CPUs stay down
    assert won(found["hashes"]) == 178.5
    assert "214.5 MiB" in found["hashes"].sentence
    limited = named(replace(FACTS, cmdline="ro maxcpus=4"))
    assert won(limited["nr_cpus"]) == 88.7


def test_hashes_in_a_small_layout_shrink_by_themselves():
    found = named(FACTS, layout=REMOTE)["hashes"]
    assert "214.5 MiB here" in found.sentence and "28 MiB by itself" in found.sentence
    assert found.holds_bytes == int(214.5 * MIB)


def test_the_pmem_guess_says_that_it_is_one():
    item = named(FACTS)["no-pmem"]
    assert item.between is not None and item.between[0] == 0
    assert round(item.between[1] / MIB, 1) == 5077.5
    for part in ("1008 GiB", "16128 MiB", "4032 MiB", "5077.5 MiB"):
        assert part in item.sentence
    assert item.settings == (("save", "no-pmem"),)
    # More PMEM than any mapping of it in DRAM could explain: nothing is claimed.
    assert "no-pmem" not in named(replace(FACTS, pmem_bytes={2: 4096 * GIB}))


def space(size_gib, **more):
    return PmemSpace(name="namespace0.0", size_bytes=size_gib * GIB, **({"mode": "fsdax"} | more))


@pytest.mark.parametrize(
    ("pmem", "release", "won_mib", "between"),
    [
        (space(64, map_in="mem"), "6.1.0", 1024, None),
        (space(64, map_in="dev"), "6.1.0", None, None),
        (space(64, mode="raw"), "6.1.0", None, None),
        (space(64, mode="devdax", map_in="mem", align_bytes=2 * MIB), "6.1.0", 256, None),
        (space(64, mode="devdax", map_in="mem", align_bytes=2 * MIB), "5.10.0", 1024, None),
        (space(64, mode="devdax", map_in="mem", align_bytes=2 * MIB), None, 256, None),
        (space(64, mode="devdax", map_in="mem", align_bytes=4 * KIB), "6.1.0", 1024, None),
        (space(64, mode="devdax", map_in="dev", system_ram=True), "6.1.0", 1024, None),
        # 4 GiB are in use, and nobody's struct pages are more than that.
        (space(512, map_in="mem"), "6.1.0", 4096, None),
    ],
)
def test_pmem_namespaces(pmem, release, won_mib, between):
    facts = made(pmem_spaces=(pmem,), kernel_release=release, pmem_bytes={1: 64 * GIB})
    item = named(facts).get("no-pmem")
    assert (item and won(item)) == won_mib
    if item:
        assert (item.between and tuple(size / MIB for size in item.between)) == between
        assert "namespace0.0" in item.sentence


def test_pmem_that_nobody_mapped_costs_nothing():
    """raw and sector: what the kernel maps of it is not in the direct map."""
    plain = made({"DirectMap1G": 64 * GIB}, pmem_bytes={1: 64 * GIB})
    mapped = made({"DirectMap1G": 128 * GIB}, pmem_bytes={1: 64 * GIB})
    assert "no-pmem" not in named(plain) and won(named(mapped)["no-pmem"]) == 1024


def test_pmem_that_was_asked_to_hold_its_struct_pages():
    facts = made(
        pmem_spaces=(space(64, mode="devdax", map_in="dev", system_ram=True),),
        cmdline="memory_hotplug.memmap_on_memory=1",
    )
    assert named(facts)["no-pmem"].between == (0, GIB)


def test_a_kernel_that_counts_its_struct_pages_ends_the_guess():
    facts = made(pmem_bytes={1: 64 * GIB}, vmstat={"nr_memmap_pages": 300 * MIB // PAGE_BYTES})
    item = named(facts)["no-pmem"]
    assert won(item) == 256 and item.between == (0, 300 * MIB)


def test_pmem_that_is_the_slow_tier_is_not_taken_away():
    slow = layout("4C16G-pmem")
    found = named(FACTS, layout=slow)
    assert not found["no-pmem"].in_profile and "--map=dev" in found["no-pmem"].apply
    memmap = found["memmap-on-memory"]
    assert memmap.settings == (("save", "memmap-on-memory"),)
    assert memmap.saves_bytes == pmem_cost_bytes(slow, virtual=False)
    assert memmap.between == (0, memmap.saves_bytes)  # nobody knows which kernel ran
    new = named(replace(FACTS, kernel_release="6.12.1"), layout=slow)["memmap-on-memory"]
    assert new.between is None
    asked = layout("4C16G-pmem", save=["memmap-on-memory"])
    assert "memmap-on-memory" not in named(FACTS, layout=asked)


def test_per_cpu_memory_counts_the_first_chunk_once():
    """Percpu has it; where there is no Percpu the log has."""
    facts = made({"Percpu": 32 * MIB}, cpus_possible=32, percpu_unit_bytes=256 * KIB)
    item = named(facts, layout=REMOTE)["nr_cpus"]
    assert won(item) == 28 and item.holds_bytes == 32 * MIB
    old = named(replace(facts, meminfo=EMPTY), layout=REMOTE)["nr_cpus"]
    assert won(old) == 7 and old.holds_bytes == 8 * MIB
    assert "nr_cpus" not in named(facts, layout=layout(cpu_limit="nr_cpus"))


def test_what_is_set_aside():
    facts = made(
        {"Hugetlb": 2 * GIB},
        crashkernel_bytes=512 * MIB,
        hugepages={(0, 2 * MIB): GIB, (1, 2 * MIB): GIB},
        cmdline="crashkernel=512M hugepages=1024",
    )
    found = named(facts, layout=REMOTE)
    assert won(found["no-crashkernel"]) == 512 and won(found["no-hugepages"]) == 2048
    assert profile_text(found.values()) == "save: [no-hugepages, no-crashkernel, hashes]"
    gone = layout(save=["no-crashkernel", "no-hugepages", "hashes"])
    assert not named(facts, layout=gone)
    # Asked for by a sysctl, no kernel argument helps.
    later = named(replace(facts, cmdline="ro"))["no-hugepages"]
    assert not later.in_profile and "sysctl" in later.apply


def test_debug_options():
    facts = made(
        {"VmallocUsed": 16 * MIB},
        vmalloc=(area("stack_depot_init", 16),),
        cmdline="page_owner=on slub_debug=FZ",
    )
    here = named(facts)["no-debug"]
    assert won(here) == 16 + 1024  # 64 bytes for each page of 64 GiB
    assert here.between == (16 * MIB + 640 * MIB, 16 * MIB + 1152 * MIB)
    assert "slub_debug" in here.sentence
    there = named(facts, layout=REMOTE)["no-debug"]
    assert won(there) == pytest.approx(16 + 256, abs=0.1)
    # The table of stacks has its largest size from 16 GiB on, half of it at 8.
    small = layout(total="8G", fast_share="1/2")
    owner_off = replace(facts, cmdline="page_owner=on page_owner=off")
    assert won(named(owner_off, layout=small)["no-debug"]) == 8


def test_trace_buffers():
    buffers = (Held(name="tracing", size_bytes=0), Held(name="rasdaemon", size_bytes=140 * MIB))
    facts = made(trace_buffers=buffers, cpus_online=100, cpus_possible=100)
    item = named(facts)["trace-buffers"]
    assert won(item) == 140 - 6.2 and "rasdaemon" in item.sentence
    in_layout = named(facts, layout=REMOTE)["trace-buffers"]  # four CPUs
    assert won(in_layout) == round(5.6 - 0.25, 1)
    assert "trace-buffers" not in named(facts, layout=layout(save=["trace-buffers"]))


def test_pebs_buffers_are_of_metal():
    facts = made(cpus_possible=64, label=Label(platform="metal"))
    assert won(named(facts)["pebs-buffers"]) == 8
    virtual = replace(facts, label=Label(platform="virtual"))
    assert "pebs-buffers" not in named(virtual)


def test_services_by_cgroup_the_largest_first_and_none_that_is_needed():
    groups = [("system.slice", 900), ("system.slice/caddy.service", 40),
              ("a.slice/big.service", 50), ("b.slice/big.service", 30),
              ("system.slice/ssh.service", 300), ("system.slice/small.service", 2),
              ("system.slice/system-x\\x2dy.service", 50)]  # fmt: skip
    facts = made(
        cgroups=tuple(Held(name=name, size_bytes=mib * MIB) for name, mib in groups),
        processes=(Process(pid=2, name="caddy", rss_bytes=50 * MIB),),
    )
    assert figures(facts) == [("service: big.service", 80), ("service: caddy.service", 40)]
    assert profile_text(remedies(facts)).endswith("mask_units: [big.service, caddy.service]")
    masked = layout(mask_units=["big.service"])
    assert "service: big.service" not in named(facts, layout=masked)


def test_programs_where_no_cgroup_is_known():
    programs = [
        Process(pid=1, name="/usr/lib/systemd/systemd", rss_bytes=99 * MIB),
        Process(pid=2, name="sshd: me [priv]", rss_bytes=99 * MIB),
        Process(pid=3, name="/opt/x/agent --fast", pss_bytes=30 * MIB, anonymous_bytes=20 * MIB),
        Process(pid=4, name="tiny", rss_bytes=MIB),
        Process(pid=5, name="big", rss_bytes=90 * GIB),
    ]
    facts = made({"AnonPages": GIB, "Mapped": GIB}, processes=tuple(programs))
    # No more than all programs have mapped.
    assert figures(facts) == [("program: big (5)", 2048), ("program: agent (3)", 30)]
    found = named(facts)
    assert found["program: agent (3)"].between == (20 * MIB, 30 * MIB)


def test_tables_of_disks_swap_and_drivers():
    sites = (
        AllocSite(size_bytes=60 * MIB, calls=1, place="a.c:1", function="f", module="mlx5_core"),
        AllocSite(size_bytes=40 * MIB, calls=1, place="b.c:1", function="g", module="mlx5_core"),
        AllocSite(size_bytes=70 * MIB, calls=1, place="c.c:1", function="h", module="nd_pmem"),
        AllocSite(size_bytes=90 * MIB, calls=1, place="mm/d.c:1", function="i"),
    )
    facts = made(
        vmalloc=(area("xfs_buf_alloc", 12), area("f2fs_build_segment_manager", 30),
                 area("f2fs_build_node_manager", 5), area("alloc_swap_info", 24),
                 area("load_module", 50)),
        alloc_sites=sites,
    )  # fmt: skip
    assert figures(facts) == [
        ("driver: mlx5_core", 100), ("mounts: f2fs", 35), ("swap", 24), ("mounts: xfs", 12),
    ]  # fmt: skip
    assert named(facts)["driver: mlx5_core"].apply == "extra: [module_blacklist=mlx5_core]"


def test_files_in_memory():
    mounts = [("/tmp", 300), ("/run", 64), ("/dev/shm", 2)]
    facts = made(
        {"Shmem": 280 * MIB, "Cached": 280 * MIB},
        tmpfs=tuple(Held(name=name, size_bytes=mib * MIB) for name, mib in mounts),
    )
    assert figures(facts) == [("tmpfs: /tmp", 280), ("tmpfs: /run", 64)]
    found = named(facts)
    assert found["tmpfs: /tmp"].settings == (("mask_units", "tmp.mount"),)
    assert "journald.conf" in found["tmpfs: /run"].apply


def test_a_capture_with_nothing_but_a_total():
    assert [item.name for item in remedies(made())] == ["hashes"]
    assert remedies(made({"MemFree": 90 * GIB})) == ()  # damaged: more free than there is


SIZES = st.integers(0, 200 * GIB)
HELD = st.lists(st.builds(Held, name=st.sampled_from(["/tmp", "a/b.service", "x"]),
                          size_bytes=SIZES), max_size=3,
                unique_by=lambda item: item.name).map(tuple)  # fmt: skip
CALLERS = st.sampled_from(
    ["alloc_large_system_hash", "stack_depot_init", "f2fs_x", "alloc_swap_info", "vmap"]
)
FIELDS = ("MemTotal", "MemFree", "Percpu", "Cached", "Shmem", "AnonPages", "Mapped", "Hugetlb",
          "SReclaimable", "Slab", "KernelStack", "VmallocUsed", "Buffers")  # fmt: skip
MACHINES = st.builds(
    MemoryFacts,
    name=st.just("any"),
    label=st.sampled_from([None, Label(platform="metal"), Label(platform="emulated")]),
    kernel_release=st.sampled_from([None, "5.10.1", "6.1.0-56-amd64", "6.12", "?"]),
    cmdline=st.sampled_from([None, "ro", "maxcpus=2", "page_owner=on hugepages=9 nr_cpus=8"]),
    cpus_online=st.none() | st.integers(1, 300),
    cpus_possible=st.none() | st.integers(1, 300),
    meminfo=st.fixed_dictionaries(dict.fromkeys(FIELDS, SIZES)),
    vmalloc=st.none() | st.lists(
        st.builds(VmallocArea, size_bytes=SIZES, caller=CALLERS, kinds=st.just(()),
                  pages=st.none() | st.integers(0, 1 << 25)), max_size=4).map(tuple),
    alloc_sites=st.none() | st.lists(
        st.builds(AllocSite, size_bytes=SIZES, calls=st.just(1), place=st.just("a.c:1"),
                  function=st.just("f"), module=st.sampled_from([None, "m"])),
        max_size=3).map(tuple),
    processes=st.none() | st.lists(
        st.builds(Process, pid=st.integers(2, 9), name=st.just("p q"), rss_bytes=st.none() | SIZES,
                  pss_bytes=st.none() | SIZES, anonymous_bytes=st.none() | SIZES),
        max_size=3, unique_by=lambda item: item.pid).map(tuple),
    cgroups=st.none() | HELD,
    tmpfs=st.none() | HELD,
    trace_buffers=st.none() | HELD,
    page_owner=st.none() | HELD,
    pmem_spaces=st.none() | st.lists(
        st.builds(PmemSpace, name=st.just("n"), size_bytes=SIZES,
                  mode=st.sampled_from(["fsdax", "devdax", "raw"]),
                  map_in=st.sampled_from([None, "mem", "dev"]),
                  align_bytes=st.sampled_from([None, 4096, 2 << 20, 1 << 30]),
                  system_ram=st.booleans()), max_size=3).map(tuple),
    pmem_bytes=st.dictionaries(st.integers(0, 3), SIZES, max_size=2),
    hugepages=st.dictionaries(st.tuples(st.just(0), st.just(2 << 20)), SIZES, max_size=1),
    crashkernel_bytes=st.none() | st.integers(0, GIB),
    percpu_unit_bytes=st.none() | st.integers(0, MIB),
    vmstat=st.dictionaries(st.just("nr_memmap_pages"), st.integers(0, 1 << 26), max_size=1),
)  # fmt: skip
LAYOUTS = [
    None,
    REMOTE,
    layout("4C16G-pmem"),
    layout(cpu_limit="nr_cpus", save=["hashes", "no-pmem", "no-debug", "trace-buffers"]),
]


@settings(max_examples=150, deadline=None)
@given(MACHINES, st.sampled_from(LAYOUTS), st.sampled_from([None, MACHINE]))
def test_no_remedy_claims_more_than_there_is(facts, planned, topology):
    found = remedies(facts, layout=planned, topology=topology)
    used = max(0, facts.meminfo["MemTotal"] - facts.meminfo["MemFree"])
    cpus = facts.cpus_possible or len(MACHINE.cpus)
    outside = {
        "no-crashkernel": facts.crashkernel_bytes or 0,
        "nr_cpus": used + (facts.percpu_unit_bytes or 0) * cpus,
        # Not there yet: what the layout's own slow tier would take.
        "memmap-on-memory": planned
        and max(pmem_cost_bytes(planned, virtual=virtual) for virtual in (False, True)),
    }
    for item in found:
        low, high = item.between or (item.saves_bytes, item.saves_bytes)
        assert 0 <= low <= item.saves_bytes <= high <= item.holds_bytes
        assert item.holds_bytes <= outside.get(item.name, used)
        assert item.saves_bytes >= WORTH_BYTES
        assert item.sentence.endswith(".") and "\n" not in item.sentence
        assert item.apply and item.basis
        assert item.to_dict()["apply"] == item.apply
    ranked = [(item.by_itself, -item.saves_bytes) for item in found]
    assert ranked == sorted(ranked)
    assert len({item.name for item in found}) == len(found)
    # What it says to write is a profile that can be read.
    over = {}
    for line in profile_text(found).splitlines():
        over |= parse_setting(line.replace(": ", "=", 1))
    assert set(over) <= {"cpu_limit", *LIST_KEYS}
    profile_from_dict("p", {"fast": {"node": 0, "size": "1G"}} | over)


def test_a_mebibyte_is_worth_it_and_one_byte_less_is_not():
    assert named(made(crashkernel_bytes=MIB))["no-crashkernel"].saves_bytes == MIB
    assert "no-crashkernel" not in named(made(crashkernel_bytes=MIB - 1))


def test_the_cpus_of_the_topology_count_where_the_capture_has_none():
    facts = made({"Percpu": 32 * MIB})
    assert "nr_cpus" in named(facts, layout=REMOTE, topology=MACHINE)
    assert "nr_cpus" not in named(facts, layout=REMOTE)


def test_of_equal_size_by_name():
    facts = made({"Hugetlb": 2 * MIB}, crashkernel_bytes=2 * MIB, cmdline="hugepages=1")
    assert [name for name, _ in figures(facts)] == ["no-crashkernel", "no-hugepages"]
