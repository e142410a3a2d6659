"""Planning: known answers from the captured machine, and laws on random ones."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hotkit.core import memmap
from hotkit.core.e820 import E820Type
from hotkit.core.layout import Layout
from hotkit.core.memparse import memparse
from hotkit.core.plan import CLAIMED, plan, spell
from hotkit.core.plan_error import PlanError
from hotkit.core.plan_pmem import pmem_node
from hotkit.core.profile import Profile, Tier
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.topology import Cpu, Topology
from hotkit.core.units import GIB, MIB
from hotkit.host.profiles import load_profile
from tests.unit.machines import captured, machine, machines

PUBLISHED = "memmap=127796M$5324M,117964M$146228M"
MACHINE = captured()


def kept(layout: Layout) -> dict[int, float]:
    return {item.node: round(item.kept_bytes / MIB, 1) for item in layout.nodes}


def test_span_reproduces_the_published_line():
    layout = plan(MACHINE, load_profile("4C16G-remote", {"size_means": "span"}))
    assert layout.args == ("maxcpus=4", PUBLISHED, "nokaslr")
    assert kept(layout) == {0: 2927.8, 1: 13108.0, 2: 0, 3: 0}


def test_ram_in_the_first_two_gib_of_the_capture():
    low = MACHINE.node_ram(0).intersect(RangeSet((Range(0, 2 * GIB),)))
    assert round(low.size_bytes / MIB, 1) == 1699.8


@pytest.mark.parametrize(
    ("profile", "line", "sizes"),
    [
        (
            "4C16G-remote",
            "maxcpus=4 memmap=127447M$5673M,117964M$146228M nokaslr",
            {0: 3276.8, 1: 13108.0},
        ),
        ("4C16G-pmem", "maxcpus=4 memmap=258519M$5673M nokaslr", {0: 3276.8, 1: 0}),
        (
            "36C144G-remote",
            "maxcpus=36 memmap=93859M$39261M,20480M$243712M nokaslr",
            {0: 36864.8, 1: 110592},
        ),
        ("36C36G-pmem", "maxcpus=36 memmap=224931M$39261M nokaslr", {0: 36864.8, 1: 0}),
    ],
)
def test_the_four_profiles(profile, line, sizes):
    layout = plan(MACHINE, load_profile(profile))
    assert layout.cmdline == line
    assert kept(layout) == {2: 0, 3: 0, **sizes}
    assert layout.cpus == tuple(range(len(layout.cpus)))
    assert [node for node, _ in layout.pmem] == [2, 3]
    assert Layout.from_dict(layout.to_dict()) == layout


def test_percent_style_and_extra_arguments():
    layout = plan(MACHINE, load_profile("4C16G-remote", {"style": "%", "extra": ["panic=10"]}))
    assert layout.cmdline == (
        "maxcpus=4 memmap=127447M%5673M-1+2,117964M%146228M-1+2 nokaslr panic=10"
    )
    assert kept(layout)[0] == 3276.8


def test_savings_stand_before_extra_and_name_another_layout():
    plain = plan(MACHINE, load_profile("4C16G-remote", {"extra": ["quiet"]}))
    over = {"save": ["no-crashkernel", "hashes"], "mask_units": ["a.service"], "extra": ["quiet"]}
    layout = plan(MACHINE, load_profile("4C16G-remote", over))
    assert layout.args == (
        *plain.args[:-1],
        "crashkernel=0",
        # For the 16384.8 MiB that are kept: as for 16 GiB.
        "dhash_entries=262144", "ihash_entries=131072", "mhash_entries=4096",
        "mphash_entries=4096", "thash_entries=16384", "uhash_entries=1024",
        "systemd.mask=a.service",
        "quiet",
    )  # fmt: skip
    assert layout.id != plain.id
    assert layout.nodes == plain.nodes


def test_hashes_are_for_what_emulated_pmem_leaves():
    slow = {"node": 1, "pmem": "emulated", "size": "64G"}
    over = {"save": ["hashes"], "fast": {"node": 0, "size": "4G"}, "slow": slow}
    layout = plan(MACHINE, load_profile("4C16G-pmem", over))
    assert "dhash_entries=65536" in layout.args  # 4 GiB of RAM, not 68


@pytest.mark.parametrize("align", ["2M", "128M", "1G"])
def test_alignment(align):
    layout = plan(MACHINE, load_profile("4C16G-remote", {"align": align}))
    unit = memparse(align)[0]
    for item in layout.nodes[:2]:
        assert item.reserved[0].start % unit == 0
        assert 0 <= item.kept_bytes - (item.wanted_bytes or 0) < unit


def test_managed_keeps_more_than_present():
    present = plan(MACHINE, load_profile("4C16G-remote"))
    managed = plan(MACHINE, load_profile("4C16G-remote", {"size_means": "managed"}))
    fewer = {"size_means": "managed", "cpu_limit": "nr_cpus"}
    assert kept(managed)[0] > kept(present)[0] + 100
    assert kept(plan(MACHINE, load_profile("4C16G-remote", fewer)))[0] < kept(managed)[0]


def test_everything_wanted_reserves_nothing():
    whole = {node: MACHINE.node_ram(node).size_bytes for node in (0, 1)}
    profile = Profile(
        name="all", fast=Tier(node=0, size_bytes=whole[0]), slow=Tier(node=1, size_bytes=whole[1])
    )
    assert plan(MACHINE, profile).args == ()


@pytest.mark.parametrize("arch", ["aarch64", "ppc64le", "s390x", "riscv64"])
def test_an_architecture_without_memmap_is_refused_by_name(arch):
    with pytest.raises(PlanError, match=arch):
        plan(replace(MACHINE, arch=arch), load_profile("4C16G-remote"))


@pytest.mark.parametrize(
    ("base", "over", "message"),
    [
        ("4C16G-remote", {"fast": {"size": "200G"}, "slow": {"size": "1G"}}, "200 GiB on node 0"),
        ("4C16G-remote", {"fast": {"node": 7}}, "node 7, lab-2s-256g has nodes 0, 1, 2, 3"),
        ("4C16G-remote", {"slow": {"node": 2}}, "node 2, which has PMEM only"),
        ("4C16G-remote", {"cpus": 200}, "wants 200 CPUs, lab-2s-256g has 144"),
        ("4C16G-remote", {"cpus": 40}, "CPU 36 is on node 1"),
        ("4C16G-pmem", {"slow": {"node": 1}}, "PMEM on node 1"),
        ("4C16G-remote", {"total": "600G"}, "480 GiB on node 1"),
        ("4C16G-remote", {"fast": {"node": 1}, "slow": None, "cpus": None}, "lowest memory"),
        ("4C16G-remote", {"fast": {"size": "32M"}}, "hold no kernel"),
        ("4C16G-remote", {"size_means": "managed", "fast": {"size": "130700M"}}, "own share"),
        ("4C16G-remote", {"extra": ["x" * 2040]}, "characters"),
    ],
)
def test_what_the_machine_cannot_give(base, over, message):
    with pytest.raises(PlanError, match=message):
        plan(MACHINE, load_profile(base, over))


def test_a_slow_tier_of_nothing():
    layout = plan(MACHINE, load_profile("36C144G-remote", {"slow": {"size": "0G"}}))
    assert kept(layout) == {0: 36864.8, 1: 0, 2: 0, 3: 0}


def test_any_cpu_when_asked_for():
    layout = plan(MACHINE, load_profile("4C16G-remote", {"cpus": 40, "cpus_on": "any"}))
    assert layout.cpus == tuple(range(40))


def test_interleaved_cpus_are_not_given_silently():
    odd = replace(MACHINE, cpus=tuple(Cpu(number=n, node=n % 2) for n in range(8)))
    with pytest.raises(PlanError, match="CPU 1 is on node 1, not on the fast node 0"):
        plan(odd, load_profile("4C16G-remote"))


def gib(*sizes: int) -> Profile:
    """Sizes of fast and slow; page 0 and the BIOS area are no RAM, so that node 0's cut comes
    1 MiB later than the round address."""
    return Profile(
        name="made",
        fast=Tier(node=0, size_bytes=sizes[0] * GIB),
        slow=Tier(node=1, size_bytes=sizes[1] * GIB) if len(sizes) > 1 else None,
    )


def test_a_node_of_several_ranges_with_another_in_between():
    found = plan(machine((0, 0, 2, 1), (1, 2, 3, 1), (0, 4, 8, 1), (1, 8, 12, 1)), gib(3, 2))
    assert found.args[0] == "memmap=3071M$5121M,3072M$9216M"


def test_the_one_tib_hole_is_never_reserved_when_nobody_claims_it():
    topology = machine((0, 0, 3, 1), (0, 4, 1012, 1), (1, 1024, 1100, 1))
    found = plan(topology, gib(100, 8))
    assert found.args[0] == f"memmap={911 * 1024 - 1}M$103425M,{68 * 1024}M${1032 * 1024}M"


def test_a_claimed_hole_is_covered_to_save_a_region():
    topology = machine((0, 0, 4, 1), (0, 4, 6, 2), (0, 6, 8, 1))
    assert plan(topology, gib(2)).args[0] == "memmap=6143M$2049M"
    unclaimed = machine((0, 0, 4, 1), (0, 4, 6, None), (0, 6, 8, 1))
    assert plan(unclaimed, gib(2)).args[0] == "memmap=2047M$2049M,2048M$6144M"


def test_storage_is_never_covered():
    topology = machine((0, 0, 4, 1), (0, 4, 6, int(E820Type.PMEM)), (0, 6, 8, 1))
    assert plan(topology, gib(2)).args[0] == "memmap=2047M$2049M,2048M$6144M"


def test_one_node():
    assert plan(machine((0, 0, 2, 1), (0, 4, 10, 1)), gib(4)).args[0] == "memmap=4095M$6145M"


def test_a_node_without_memory():
    topology = machine((0, 0, 8, 1), (1, 8, 9, None), (2, 9, 12, 1))
    with pytest.raises(PlanError, match="slow tier on node 1, which has no RAM"):
        plan(topology, gib(2, 1))
    third = replace(gib(2), slow=Tier(node=2, size_bytes=GIB))
    layout = plan(topology, third)
    assert kept(layout) == {0: 2048.6, 1: 0, 2: 1024}
    assert [item.role for item in layout.nodes] == ["fast", "off", "slow"]


def test_pmem_on_the_fast_node_makes_no_node_of_its_own():
    made = machine((0, 0, 8, 1), (0, 8, 16, None))
    shared = replace(made, affinity=(made.affinity[0], replace(made.affinity[1], nonvolatile=True)))
    with pytest.raises(PlanError, match="on the fast node 0 only"):
        plan(shared, replace(gib(2), slow=Tier(pmem=True)))


def test_the_nearest_pmem_is_the_slow_tier():
    near_3 = replace(
        MACHINE, distances=((10, 20, 30, 17), (20, 10, 17, 30), (30, 17, 10, 30), (17, 30, 30, 10))
    )
    profile = load_profile("4C16G-pmem")
    assert pmem_node(MACHINE, profile) == 2
    assert pmem_node(near_3, profile) == 3
    assert pmem_node(near_3, load_profile("4C16G-pmem", {"slow": {"node": 2}})) == 2


def test_spelling():
    region = Range(0x40000800, 0x80000000)
    assert spell(region, "$") == "1048574K$1048578K"
    assert spell(Range(0x40000001, 0x40000003), "%") == "0x2%0x40000001-1+2"


def profiles(topology: Topology) -> st.SearchStrategy[Profile]:
    """Profiles that ask for part of what there is; node 0 always keeps low memory."""
    ram = {node: topology.node_ram(node).size_bytes // MIB for node in topology.nodes}
    others = [node for node in topology.nodes[1:] if ram[node] > 0]

    @st.composite
    def build(draw: st.DrawFn) -> Profile:
        slow = draw(st.sampled_from([None, *others]))
        return Profile(
            name="random",
            cpus_on="any",
            fast=Tier(node=0, size_bytes=draw(st.integers(70, ram[0])) * MIB),
            slow=None
            if slow is None
            else Tier(node=slow, size_bytes=draw(st.integers(1, ram[slow])) * MIB),
            align_bytes=draw(st.sampled_from([MIB, 2 * MIB, 128 * MIB, GIB])),
            style=draw(st.sampled_from("$%")),
            size_means=draw(st.sampled_from(["present", "present", "span"])),
        )

    return build()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_laws_of_planning(data):
    topology = data.draw(machines())
    profile = data.draw(profiles(topology))
    stock = memmap.stock_ram(topology.firmware)
    try:
        layout = plan(topology, profile)
    except PlanError as error:
        # RAM that the kernel itself takes back (page 0, the BIOS area) makes the last MiB unfit.
        assert "which has" in str(error) or "hold no kernel" in str(error)
        assume(False)
        return
    real = memmap.system_ram_under(topology.firmware, layout.cmdline)
    wanted = profile.kept_by_node
    for item in layout.nodes:
        there = stock.intersect(topology.span(item.node))
        left = real.intersect(topology.span(item.node))
        assert left == item.predicted
        if item.node not in wanted:
            assert not left
        elif profile.size_means == "present":
            # Within one unit, and what is kept are the lowest addresses.
            assert wanted[item.node] <= left.size_bytes < wanted[item.node] + profile.align_bytes
        if left:
            below = RangeSet((Range(0, left.ranges[-1].end),))
            assert there.intersect(below) == left
    reserved = RangeSet.of(region for item in layout.nodes for region in item.reserved)
    pmem = RangeSet.of(item for node in topology.nodes for item in topology.pmem(node))
    assert not reserved.intersect(pmem)
    if profile.size_means == "present":
        claimed = RangeSet.of(e.range for e in topology.firmware if e.type in CLAIMED)
        assert not reserved.subtract(topology.ram).subtract(claimed)
    assert reserved.intersect(topology.ram) == stock.subtract(real)
