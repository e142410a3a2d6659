"""A plan in every field, and every refusal in full: sentence, advice, and the key to blame."""

from dataclasses import replace
from functools import partial

import pytest

from hotkit.core import cmdline, memmap
from hotkit.core import plan as planning
from hotkit.core.layout import Layout, SlowPmem
from hotkit.core.plan import low_node, plan, spell
from hotkit.core.plan_error import PlanError
from hotkit.core.profile import Profile, Tier
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.topology import Cpu, MemoryAffinity
from hotkit.core.units import GIB, MIB
from hotkit.host.profiles import load_profile
from tests.unit.machines import captured, machine

MACHINE = captured()
ORDER = "maxcpus= counts in the firmware's order; write cpus_on: any when that is meant"
REMOTE, PMEM = "4C16G-remote", "4C16G-pmem"


def refused(topology, profile):
    with pytest.raises(PlanError) as caught:
        plan(topology, profile)
    return str(caught.value), caught.value.hint, caught.value.key


@pytest.mark.parametrize(
    ("over", "sentence", "hint", "key"),
    [
        ({"fast": {"node": 7}}, f"{REMOTE} wants its fast tier on node 7, lab-2s-256g has nodes "
         "0, 1, 2, 3", None, "fast.node"),
        ({"slow": {"node": 2}}, f"{REMOTE} wants its slow tier on node 2, which has PMEM only: "
         "write pmem: true", None, "slow.node"),
        ({"cpus": 200}, f"{REMOTE} wants 200 CPUs, lab-2s-256g has 144", None, "cpus"),
        ({"cpus": 40}, "of the first 40 CPUs that lab-2s-256g brings up, CPU 36 is on node 1, not "
         "on the fast node 0", ORDER, "cpus"),
        ({"fast": {"size": "200G"}}, f"{REMOTE} wants 200 GiB on node 0, which has 127.7 GiB of "
         "RAM", None, "fast.size"),
        ({"size_means": "managed", "fast": {"size": "130700M"}}, f"{REMOTE} wants 130700 MiB "
         "(132915 MiB before the kernel's own share) on node 0, which has 127.7 GiB of RAM", None,
         "fast.size"),
        ({"size_means": "span", "fast": {"size": "200G"}}, f"{REMOTE} wants 200 GiB on node 0, "
         "which has 128 GiB of span", None, "fast.size"),
        ({"fast": {"node": 1}, "slow": None, "cpus": None}, "node 0 holds the lowest memory, where "
         "the kernel lives: the profile must keep some of it",
         "give node 0 to the fast or to the slow tier", None),
        ({"fast": {"size": "32M"}}, "32.6 MiB on node 0 hold no kernel: keep at least 64 MiB of "
         "the lowest memory", None, None),
    ],
)  # fmt: skip
def test_refusals_of_the_captured_machine(over, sentence, hint, key):
    profile = load_profile(REMOTE, {"slow": {"size": "1G"}, **over})
    assert refused(MACHINE, profile) == (sentence, hint, key)


def test_machines_that_cannot_have_any_layout():
    profile = load_profile(REMOTE)
    assert refused(replace(MACHINE, arch="aarch64"), profile) == (
        "lab-2s-256g is aarch64: its kernel has no memmap= that reserves ranges",
        "layouts work on x86_64 only; elsewhere try mem= or the lab machine", None,
    )  # fmt: skip
    bare = replace(MACHINE, firmware=())
    assert refused(bare, profile) == ("lab-2s-256g has no RAM in its firmware map", None, None)


def test_a_fast_node_with_too_few_cpus_is_counted():
    few = replace(MACHINE, cpus=tuple(Cpu(number=n, node=n // 4) for n in range(8)))
    for cpus, stray, node, more in ((5, 4, 1, ", which has 4 CPUs in all"), (4, None, None, "")):
        profile = load_profile(REMOTE, {"cpus": cpus})
        if stray is None:
            assert plan(few, profile).cpus == (0, 1, 2, 3)
            continue
        assert refused(few, profile)[0] == (
            f"of the first {cpus} CPUs that lab-2s-256g brings up, CPU {stray} is on node {node}, "
            f"not on the fast node 0{more}"
        )
    # As many as it has, but behind another's: no word of how many there are.
    turned = replace(MACHINE, cpus=tuple(Cpu(number=n, node=1 - n // 4) for n in range(8)))
    assert refused(turned, load_profile(REMOTE, {"cpus": 4}))[0].endswith("not on the fast node 0")


def test_cpus_that_are_not_known_are_counted_from_zero():
    unknown = replace(MACHINE, cpus=())
    assert plan(unknown, load_profile(REMOTE)).cpus == (0, 1, 2, 3)
    assert plan(unknown, load_profile(REMOTE, {"cpus": None})).cpus == ()


def test_a_layout_says_what_it_is_of():
    layout = plan(MACHINE, load_profile(PMEM))
    where = MACHINE.pmem(2).ranges[0]
    assert (layout.profile, layout.topology, layout.style, layout.size_means) == (
        PMEM, "lab-2s-256g", "$", "present",
    )  # fmt: skip
    assert layout.slow_pmem == SlowPmem(node=2, range=where, wanted_bytes=13744734208)
    assert (layout.tiers, layout.cpus) == ((0, 2), (0, 1, 2, 3))
    assert [(n.node, n.role, n.wanted_bytes, n.present_bytes) for n in layout.nodes] == [
        (0, "fast", 3435134976, MACHINE.node_ram(0).size_bytes),
        (1, "off", None, 128 * GIB), (2, "pmem", None, 0), (3, "pmem", None, 0),
    ]  # fmt: skip
    assert plan(MACHINE, load_profile(REMOTE, {"style": "%"})).style == "%"
    assert plan(MACHINE, load_profile(REMOTE)).tiers == (0, 1)
    only = plan(MACHINE, load_profile(REMOTE, {"slow": None}))
    assert only.tiers == (0,) and [n.role for n in only.nodes] == ["fast", "off", "pmem", "pmem"]
    nothing = plan(MACHINE, load_profile(REMOTE, {"slow": {"size": "0G"}})).nodes[1]
    assert (nothing.role, nothing.wanted_bytes) == ("slow", 0)
    # All of that node: from its first byte.
    assert nothing.reserved[0].start == MACHINE.node_ram(1).ranges[0].start


made = partial(machine, unit_bytes=MIB)


def wants(fast_bytes, **more):
    return Profile(name="made", fast=Tier(node=0, size_bytes=fast_bytes), **more)


def test_a_node_with_both_kinds_of_memory_is_no_node_of_pmem():
    both = made((0, 0, 4096, 1), (1, 4096, 8192, 1), (1, 8192, 16384, None))
    mixed = (*both.affinity[:2], replace(both.affinity[2], nonvolatile=True))
    layout = plan(replace(both, affinity=mixed), wants(2 * GIB))
    assert [node.role for node in layout.nodes] == ["fast", "off"]


def test_by_span_a_region_has_all_that_is_in_it():
    """The published spelling covers a hole that nobody claims; by RAM it is two regions."""
    holed = made((0, 0, 4096, 1), (0, 6144, 8192, 1))
    whole = replace(holed, affinity=(MemoryAffinity(node=0, range=Range(0, 8 * GIB)),))
    line = {means: plan(whole, wants(2 * GIB, size_means=means)).args[0] for means in
            ("span", "present")}  # fmt: skip
    assert line == {
        "span": "memmap=6144M$2048M",
        "present": "memmap=2047M$2049M,2048M$6144M",
    }


def test_exactly_as_much_as_a_kernel_needs():
    """Of the lowest memory 64 MiB are enough; the first page is no RAM and does not count."""
    low = made((0, 0, 512, 1))
    least = plan(low, wants(64 * MIB, align_bytes=4096))
    assert least.nodes[0].kept_bytes == 64 * MIB
    sentence, _, _ = refused(low, wants(64 * MIB - 4096, align_bytes=4096))
    assert sentence.endswith("hold no kernel: keep at least 64 MiB of the lowest memory")


def test_the_lowest_memory_need_not_be_on_the_first_node():
    turned = made((0, 4096, 8192, 1), (1, 0, 2048, 1))
    assert low_node(turned) == 1 and low_node(replace(turned, firmware=())) is None
    assert refused(turned, wants(GIB))[1] == "give node 1 to the fast or to the slow tier"


def test_the_slow_tier_may_hold_the_lowest_memory():
    turned = made((0, 0, 2048, 1), (1, 4096, 8192, 1))
    tiers = {"fast": Tier(node=1, size_bytes=GIB), "slow": Tier(node=0, size_bytes=GIB)}
    layout = plan(turned, Profile(name="made", **tiers))
    assert [(item.node, item.role, item.wanted_bytes) for item in layout.nodes] == [
        (0, "slow", GIB), (1, "fast", GIB),
    ]  # fmt: skip
    assert layout.tiers == (1, 0)


def test_as_long_as_the_kernel_reads(monkeypatch):
    profile = load_profile(REMOTE)
    length = len(cmdline.render(plan(MACHINE, profile).args))
    monkeypatch.setattr(cmdline, "MAX_LENGTH", length)
    assert plan(MACHINE, profile)
    monkeypatch.setattr(cmdline, "MAX_LENGTH", length - 1)
    assert refused(MACHINE, profile)[0] == (
        f"{REMOTE} needs a command line of {length} characters, the kernel reads {length - 1}"
    )


def test_a_line_that_would_panic_is_no_plan(monkeypatch):
    outcome = memmap.apply(MACHINE.firmware, ())
    monkeypatch.setattr(memmap, "apply", lambda *_: replace(outcome, panic="no RAM is left"))
    said = refused(MACHINE, load_profile(REMOTE))
    assert said[0] == "the planned command line would not boot: no RAM is left"


def test_a_plan_that_the_parser_does_not_share_is_refused():
    """Two nodes claim the same range: what one gives up the other still counts."""
    both = made((0, 0, 4096, 1), (1, 2048, 4096, None))
    profile = wants(3 * GIB)
    assert refused(both, profile) == (
        "node 0 of made: the plan keeps 3072.6 MiB, the kernel's parser leaves 2047.6 MiB",
        "do the ranges of two nodes overlap in its SRAT? else this is a bug in hotkit", None,
    )  # fmt: skip


def test_emulated_pmem_keeps_the_spelling_of_the_rest():
    slow = {"pmem": "emulated", "node": 1}
    for style, mark in (("$", "!"), ("%", "-1+12")):
        wanted = load_profile(REMOTE, {"style": style, "slow": slow})
        layout = plan(MACHINE, wanted)
        assert mark in layout.args[1]
        assert spell(layout.slow_pmem.range, style, pmem=True) in layout.args[1]


def test_addresses_above_the_highest_are_not_asked_for():
    with pytest.raises(AssertionError, match="checked before"):
        planning._address_of(RangeSet((Range(0, 4096),)), 8192)


def test_a_layout_from_a_record():
    """One that an older version wrote has no tiers; one of another form is refused."""
    layout = plan(MACHINE, load_profile(REMOTE))
    record = layout.to_dict()
    assert Layout.from_dict(record) == layout
    old = {key: value for key, value in record.items() if key not in ("tiers", "distance")}
    assert Layout.from_dict(old) == replace(layout, tiers=(), distance=0)
    with pytest.raises(ValueError, match="^layout schema_version 99 is not known here$"):
        Layout.from_dict(record | {"schema_version": 99})


def test_blocks_are_those_of_what_is_kept():
    """With RAM beyond 64 GiB a block on metal is 2 GiB, and less than one cannot be online."""
    small = {"slow": {"size": "512M"}}
    assert plan(MACHINE, load_profile(PMEM, small)).slow_pmem.wanted_bytes == 512 * MIB
    _, _, key = refused(MACHINE, load_profile(PMEM, {**small, "fast": {"size": "80G"}}))
    assert key == "slow.size"
