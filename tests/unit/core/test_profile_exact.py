"""A profile in every field, what it is by default, and every refusal in full."""

from dataclasses import replace

import pytest

from hotkit.core.profile import Profile, ProfileError, Tier, profile_from_dict, scaled
from hotkit.core.savings import SAVINGS
from hotkit.core.units import GIB, MIB

FAST = {"node": 0, "size": "4G"}
WISH = {"fast": FAST, "slow": {"node": 1, "size": "12G"}}
SHARED = {"total": "16G", "fast_share": "1/5", "fast": {"node": 0}, "slow": {"node": 1}}
UNKNOWN = (
    "unknown key; known here: align, cpu_limit, cpus, cpus_on, description, extra, fast,"
    " fast_share, kaslr, mask_units, save, scale, size_means, slow, style, total"
)
NO_UNIT = "has no unit: write it like 3276M or 16G"
TWICE = "total and fast_share say this already: keep one"


def read(**data):
    return profile_from_dict("p", data)


def refused(data):
    with pytest.raises(ProfileError) as caught:
        profile_from_dict("p", data)
    assert str(caught.value) == ": ".join(filter(None, (caught.value.key, caught.value.problem)))
    assert caught.value.args == (str(caught.value),)
    return caught.value.key, caught.value.problem


def test_the_least_that_can_be_asked_for():
    assert read(fast=FAST, slow=None, cpus=None, description=None, scale=None) == Profile(
        name="p", description="", cpus=None, cpu_limit="maxcpus", cpus_on="fast",
        fast=Tier(node=0, size_bytes=4 * GIB, pmem=False, emulated=False), slow=None,
        size_means="present", align_bytes=MIB, style="$", keep_kaslr=False, save=(), mask_units=(),
        extra=(),
    )  # fmt: skip
    assert read(fast=FAST) == Profile(name="p", fast=Tier(node=0, size_bytes=4 * GIB))


def test_all_that_can_be_asked_for():
    found = read(
        description="all", cpus=1, cpu_limit="nr_cpus", cpus_on="any", scale=1, size_means="span",
        fast={"node": 3, "size": "4G", "pmem": False}, slow={"node": 0, "size": "0G", "pmem": True},
        align="128 MiB", style="$", kaslr=True, save=["hashes"], mask_units=["a.service"],
        extra=["quiet", "a=1"],
    )  # fmt: skip
    assert found == Profile(
        name="p", description="all", cpus=1, cpu_limit="nr_cpus", cpus_on="any",
        fast=Tier(node=3, size_bytes=4 * GIB), slow=Tier(node=0, size_bytes=0, pmem=True),
        size_means="span", align_bytes=128 * MIB, style="$", keep_kaslr=True, save=("hashes",),
        mask_units=("a.service",), extra=("quiet", "a=1"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("slow", "tier"),
    [
        ({"pmem": True}, Tier(pmem=True)),
        ({"pmem": True, "node": 2, "size": "1G"}, Tier(node=2, size_bytes=GIB, pmem=True)),
        ({"pmem": "emulated", "node": 1, "size": "1G"},
         Tier(node=1, size_bytes=GIB, pmem=True, emulated=True)),
        ({"node": 1, "size": "0"}, Tier(node=1, size_bytes=0)),
    ],
)  # fmt: skip
def test_the_slow_tier(slow, tier):
    found = read(fast=FAST, slow=slow)
    assert found.slow == tier
    assert found.slow.in_dram is (slow.get("pmem") is not True)


@pytest.mark.parametrize(
    ("change", "fast", "slow"),
    [
        # A fifth of 16 GiB is 3276.8 MiB: whole MiB of it, and the rest is slow.
        ({}, 3276 * MIB, 13108 * MIB),
        ({"fast_share": " 20% "}, 3276 * MIB, 13108 * MIB),
        ({"fast_share": "12.5%"}, 2048 * MIB, 14336 * MIB),
        ({"fast_share": "100%"}, 16384 * MIB, 0),
        ({"fast_share": "3/3"}, 16384 * MIB, 0),
        ({"total": "5M"}, MIB, 4 * MIB),
        ({"slow": {"pmem": True}}, 3276 * MIB, 13108 * MIB),
        ({"slow": None}, 3276 * MIB, None),
    ],
)
def test_shares_of_a_total(change, fast, slow):
    found = read(**SHARED | change)
    assert (found.fast.size_bytes, found.slow and found.slow.size_bytes) == (fast, slow)


@pytest.mark.parametrize(
    ("fast", "slow", "wanted"),
    [
        (Tier(node=1, size_bytes=5), None, {1: 5}),
        (Tier(node=1), Tier(node=0), {1: 0, 0: 0}),
        (Tier(node=1, size_bytes=5), Tier(node=1, size_bytes=7), {1: 12}),
        (Tier(node=1, size_bytes=5), Tier(size_bytes=7), {1: 5}),
        (Tier(node=1, size_bytes=5), Tier(node=2, size_bytes=7, pmem=True), {1: 5}),
        (Tier(node=1, size_bytes=5), Tier(node=2, size_bytes=7, pmem=True, emulated=True), {1: 5}),
    ],
)
def test_dram_that_is_wanted_of_each_node(fast, slow, wanted):
    assert Profile(name="p", fast=fast, slow=slow).kept_by_node == wanted


@pytest.mark.parametrize(
    ("profile", "summary"),
    [
        (Profile(name="p", cpus=4, fast=Tier(node=0, size_bytes=3276 * MIB),
                 slow=Tier(node=1, size_bytes=13108 * MIB)),
         "4 CPUs, 3276 MiB fast on node 0, 13108 MiB slow on node 1"),
        (Profile(name="p", fast=Tier(node=2, size_bytes=GIB)),
         "all CPUs, 1 GiB fast on node 2"),
        (Profile(name="p", fast=Tier(), slow=Tier(pmem=True)),
         "all CPUs, fast on node, slow on PMEM"),
        (Profile(name="p", fast=Tier(node=0, size_bytes=GIB),
                 slow=Tier(node=1, size_bytes=0, pmem=True, emulated=True)),
         "all CPUs, 1 GiB fast on node 0, 0 B slow on emulated PMEM 1"),
    ],
)  # fmt: skip
def test_a_profile_in_a_sentence(profile, summary):
    assert profile.summary == summary


def test_a_profile_times_three():
    once = read(cpus=2, fast=FAST, slow={"pmem": True}, style="%")
    assert scaled(once, 1) is once
    assert scaled(once, 3) == replace(
        once, name="p x 3", cpus=6, fast=Tier(node=0, size_bytes=12 * GIB)
    )
    assert scaled(once, 3).slow is once.slow
    free = read(**WISH)
    assert scaled(free, 2) == replace(
        free, name="p x 2", fast=Tier(node=0, size_bytes=8 * GIB),
        slow=Tier(node=1, size_bytes=24 * GIB),
    )  # fmt: skip
    assert read(scale=2, **WISH) == scaled(free, 2)
    assert scaled(read(fast=FAST), 2).slow is None


@pytest.mark.parametrize(
    ("change", "key", "problem"),
    [
        ({"fst": 1}, "fst", UNKNOWN),
        ({"slow": {"node": 1, "sise": 1}}, "slow.sise",
         "unknown key; known here: node, pmem, size"),
        ({"fast": "4G"}, "fast", "'4G' is not a mapping like {node: 0, size: 4G}"),
        ({"fast": {**FAST, "pmem": True}}, "fast.pmem",
         "the fast tier is DRAM: the kernel boots from it"),
        ({"fast": {"size": "1G"}}, "fast.node", "is missing: which node is the fast tier on?"),
        ({"fast": {**FAST, "node": "0"}}, "fast.node", "'0' is not a node number"),
        ({"fast": {**FAST, "node": False}}, "fast.node", "False is not a node number"),
        ({"fast": {**FAST, "node": -1}}, "fast.node", "-1 is not a node number"),
        ({"fast": {"node": 0}}, "fast.size", "is missing (or give total and fast_share)"),
        ({"fast": {"node": 0, "size": 4}}, "fast.size", f"4 {NO_UNIT}"),
        ({"fast": {"node": 0, "size": " 4 "}}, "fast.size", f"' 4 ' {NO_UNIT}"),
        ({"fast": {"node": 0, "size": " -4G"}}, "fast.size", "' -4G' is negative"),
        ({"fast": {"node": 0, "size": "0"}}, "fast.size", "nothing is left with a size of 0"),
        ({"fast": {"node": 0, "size": "4GB"}}, "fast.size",
         "'4GB': unknown unit 'GB'; use K, M, G, T (powers of 1024)"),
        ({"slow": {"size": "1G"}}, "slow.node", "is missing: which node is the slow tier on?"),
        ({"slow": {"pmem": "emulated"}}, "slow.node",
         "is missing: whose DRAM stands in for the PMEM?"),
        ({"slow": {"node": 0, "size": "1G"}}, "slow.node", "node 0 is the fast tier's already"),
        ({"slow": {"node": 0, "pmem": True}}, "slow.node", "node 0 is the fast tier's already"),
        ({"slow": {"node": 1}}, "slow.size", "is missing (or give total and fast_share)"),
        ({"slow": {"node": 1, "pmem": "emulated"}}, "slow.size",
         "is missing: how much DRAM stands in for the PMEM?"),
        ({"slow": {"pmem": "yes"}}, "slow.pmem", "'yes' is neither true nor false nor emulated"),
        ({"kaslr": 1}, "kaslr", "1 is neither true nor false"),
        ({"fast_share": "1/5"}, "total", "is missing: fast_share is a share of it"),
        ({"total": "16G", "fast_share": "1/5"}, "fast.size", TWICE),
        ({"total": "16G", "fast_share": "1/5", "fast": {"node": 0}}, "slow.size", TWICE),
        ({"cpus": 0}, "cpus", "0 is zero"),
        ({"cpus": -1}, "cpus", "-1 is negative"),
        ({"cpus": 1.0}, "cpus", "1.0 is not a whole number"),
        ({"scale": True}, "scale", "True is not a whole number"),
        ({"cpu_limit": "cpus"}, "cpu_limit", "'cpus' is not one of maxcpus, nr_cpus"),
        ({"cpus_on": "slow"}, "cpus_on", "'slow' is not one of fast, any"),
        ({"size_means": "ram"}, "size_means", "'ram' is not one of present, span, managed"),
        ({"style": "&"}, "style", "'&' is not one of $, %"),
        ({"align": "4K"}, "align", "'4K': use 1M, 2M, 128M or 1G"),
        ({"align": 2}, "align", f"2 {NO_UNIT}"),
        ({"save": ["no-pmem"], "slow": {"pmem": True}}, "save",
         "no-pmem takes away the PMEM that the slow tier is made of"),
        ({"save": ["x"]}, "save", f"'x' is not known; known: {', '.join(SAVINGS)}"),
        ({"mask_units": "x"}, "mask_units", "is a list of systemd units"),
        ({"style": "%", "kaslr": True}, "kaslr",
         "with style % the kernel may put itself into memory that is to be reserved "
         "(arch/x86/boot/compressed/kaslr.c): use style $ or leave kaslr out"),
        ({"extra": "quiet"}, "extra", "is a list of kernel arguments, one text each"),
        ({"extra": ["quiet", ""]}, "extra", "'' cannot be a kernel argument: it is empty"),
        ({"extra": ["mem=1G"]}, "extra", "'mem=1G' is the planner's to write, not extra's"),
        ({"extra": ["--"]}, "extra", "'--' would give all that follows it to init"),
        ({"save": ["hashes"], "extra": ["quiet", "dhash_entries=9"]}, "extra",
         "'dhash_entries=9' is written by save: hashes already: keep one"),
    ],
)  # fmt: skip
def test_refusals_in_full(change, key, problem):
    assert refused(WISH | change) == (key, problem)


def test_where_nothing_is_given():
    fast = "is missing: name its node, like fast: {node: 0, size: 4G}"
    assert refused({}) == ("fast", fast)
    with pytest.raises(ProfileError, match="^profile p is not a mapping$") as caught:
        profile_from_dict("p", [])
    assert (caught.value.key, caught.value.problem) == ("", "profile p is not a mapping")


NO_SHARE = "is not a share: write 1/5, 20% or 0.2"


@pytest.mark.parametrize(
    ("change", "key", "problem"),
    [
        ({"fast_share": "a fifth"}, "fast_share", f"'a fifth' {NO_SHARE}"),
        ({"fast_share": None}, "fast_share", f"'None' {NO_SHARE}"),
        ({"fast_share": "1/0"}, "fast_share", f"'1/0' {NO_SHARE}"),
        ({"fast_share": "1/000"}, "fast_share", f"'1/000' {NO_SHARE}"),
        ({"fast_share": "1.2"}, "fast_share", f"'1.2' {NO_SHARE}"),
        ({"fast_share": " "}, "fast_share",
         "is missing: total needs it (or give fast.size and slow.size)"),
        ({"fast_share": "0/5"}, "fast_share", "0/5 is not between 0 and 1"),
        ({"fast_share": "6/5"}, "fast_share", "6/5 is not between 0 and 1"),
        ({"fast_share": "0%"}, "fast_share", "0% is not between 0 and 1"),
        ({"fast_share": "100.1%"}, "fast_share", "100.1% is not between 0 and 1"),
        ({"total": "4M"}, "fast_share", "leaves less than 1 MiB for the fast tier"),
        ({"total": 16}, "total", f"16 {NO_UNIT}"),
        ({"total": "0G"}, "total", "nothing is left with a size of 0"),
    ],
)  # fmt: skip
def test_shares_that_are_none(change, key, problem):
    assert refused(SHARED | change) == (key, problem)


def test_a_total_without_a_share():
    assert refused({key: SHARED[key] for key in ("total", "fast", "slow")}) == (
        "fast_share", "is missing: total needs it (or give fast.size and slow.size)",
    )  # fmt: skip


def test_what_is_allowed_although_it_is_nearly_refused():
    # Without PMEM in the slow tier, nobody misses it; with $ the kernel may choose its place.
    assert read(**WISH, save=["no-pmem"], kaslr=True).keep_kaslr
    assert not read(**WISH, style="%", kaslr=False).keep_kaslr
    assert read(fast=FAST, save=["no-pmem"]).save == ("no-pmem",)
    assert read(fast=FAST, slow={"pmem": True}, save=["hashes"]).save == ("hashes",)
    for align, size in (("1M", MIB), ("2M", 2 * MIB), ("1G", GIB), ("1024K", MIB)):
        assert read(**WISH, align=align).align_bytes == size
