"""Profiles from their YAML form: what they mean, and how the bad ones are refused."""

import pytest

from hotkit.core.profile import ProfileError, profile_from_dict, scaled
from hotkit.core.units import GIB, MIB

SIZES = {"fast": {"node": 0, "size": "3276M"}, "slow": {"node": 1, "size": "13108M"}}
SHARES = {"total": "16384M", "fast_share": "1/5", "fast": {"node": 0}, "slow": {"node": 1}}


def read(**data):
    return profile_from_dict("p", data)


@pytest.mark.parametrize("share", ["1/5", "20%", 0.2, "0.2", "20.0%", ".2"])
def test_total_and_share(share):
    found = read(**SHARES | {"fast_share": share})
    assert found.kept_by_node == {0: 3276 * MIB, 1: 13108 * MIB}


def test_outright_sizes_mean_the_same():
    assert read(**SIZES).kept_by_node == read(**SHARES).kept_by_node


def test_defaults():
    found = read(**SIZES)
    assert (found.size_means, found.align_bytes, found.style, found.cpu_limit, found.cpus) == (
        "present", MIB, "$", "maxcpus", None,
    )  # fmt: skip
    assert not found.keep_kaslr


def test_pmem_takes_no_dram():
    found = read(fast={"node": 0, "size": "36G"}, slow={"pmem": True})
    assert found.kept_by_node == {0: 36 * GIB}
    assert found.summary == "all CPUs, 36 GiB fast on node 0, slow on PMEM"


def test_scale():
    found = read(cpus=4, scale=9, **SIZES)
    assert (found.cpus, found.kept_by_node) == (36, {0: 9 * 3276 * MIB, 1: 9 * 13108 * MIB})
    assert found == scaled(read(cpus=4, **SIZES), 9)


def test_savings():
    plain = read(**SIZES)
    assert (plain.save, plain.mask_units) == ((), ())
    found = read(**SIZES, save=["no-debug", "hashes"], mask_units=["caddy.service"], extra=["a=1"])
    assert (found.save, found.mask_units) == (("no-debug", "hashes"), ("caddy.service",))
    assert found.extra == ("a=1",)


@pytest.mark.parametrize(
    ("change", "key", "problem"),
    [
        ({"fst": 1}, "fst", "unknown key"),
        ({"fast": {"node": 0, "sise": "1G"}}, "fast.sise", "unknown key"),
        ({"fast": {"node": 0, "size": "3276MB"}}, "fast.size", "unknown unit 'MB'"),
        ({"fast": {"node": 0, "size": 3276}}, "fast.size", "has no unit"),
        ({"fast": {"node": 0, "size": "3276"}}, "fast.size", "has no unit"),
        ({"fast": {"node": 0, "size": "-1G"}}, "fast.size", "is negative"),
        ({"fast": {"node": 0, "size": "0G"}}, "fast.size", "nothing is left"),
        ({"fast": {"node": -1, "size": "1G"}}, "fast.node", "not a node number"),
        ({"fast": {"size": "1G"}}, "fast.node", "is missing"),
        ({"fast": {"node": 0, "size": "1G", "pmem": True}}, "fast.pmem", "is DRAM"),
        ({"fast": "4G"}, "fast", "not a mapping"),
        ({"fast": None}, "fast", "not a mapping"),
        ({"slow": {"size": "1G"}}, "slow.node", "is missing"),
        ({"slow": {"node": 0, "size": "1G"}}, "slow.node", "fast tier's already"),
        ({"slow": {"node": 1}}, "slow.size", "is missing"),
        ({"slow": {"pmem": "yes"}}, "slow.pmem", "neither true nor false"),
        ({"total": "16G"}, "fast.size", "keep one"),
        ({"fast_share": "1/5"}, "total", "is missing"),
        ({"cpus": 0}, "cpus", "is zero"),
        ({"cpus": -4}, "cpus", "is negative"),
        ({"cpus": "4"}, "cpus", "not a whole number"),
        ({"cpus": True}, "cpus", "not a whole number"),
        ({"cpu_limit": "cpus"}, "cpu_limit", "not one of maxcpus, nr_cpus"),
        ({"align": "4K"}, "align", "use 1M, 2M, 128M or 1G"),
        ({"size_means": "ram"}, "size_means", "not one of"),
        ({"style": "&"}, "style", "not one of"),
        ({"style": "%", "kaslr": True}, "kaslr", "with style %"),
        ({"kaslr": 1}, "kaslr", "neither true nor false"),
        ({"extra": "quiet"}, "extra", "a list"),
        ({"extra": ["a b"]}, "extra", "white space"),
        ({"extra": ["memmap=1G"]}, "extra", "planner's to write"),
        ({"extra": ["nr-cpus=1"]}, "extra", "planner's to write"),
        ({"extra": ['x="y"']}, "extra", "a quote"),
        ({"extra": [1]}, "extra", "a list"),
        ({"extra": None}, "extra", "a list"),
        ({"extra": 7}, "extra", "a list"),
        ({"extra": {"quiet": True}}, "extra", "a list"),
        ({"extra": ["quiet", "--", "single"]}, "extra", "'--' would give all that follows"),
        ({"scale": 0}, "scale", "is zero"),
        ({"save": "hashes"}, "save", "a list of names"),
        ({"save": ["hash"]}, "save", "known: hashes, memmap-on-memory"),
        ({"slow": {"pmem": True}, "save": ["no-pmem"]}, "save", "the slow tier is made of"),
        ({"mask_units": ["caddy"]}, "mask_units", "NAME and one of .service"),
        ({"mask_units": ["ssh.service"]}, "mask_units", "needed to reach the machine"),
        (
            {"save": ["hashes"], "extra": ["dhash_entries=9"]},
            "extra",
            "'dhash_entries=9' is written by save: hashes already",
        ),
        (
            {"mask_units": ["a.service"], "extra": ["systemd.mask=a.service"]},
            "extra",
            "written by mask_units: a.service already",
        ),
    ],
)
def test_bad_profiles(change, key, problem):
    with pytest.raises(ProfileError) as caught:
        profile_from_dict("p", SIZES | change)
    assert caught.value.key == key
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    "share", ["5", "1/0", "1/00", "120%", "-1/5", "", "a fifth", None, "2/1", "9" * 5000 + "%"]
)
def test_bad_shares(share):
    with pytest.raises(ProfileError) as caught:
        profile_from_dict("p", SHARES | {"fast_share": share})
    assert caught.value.key == "fast_share"


def test_no_fast_tier():
    with pytest.raises(ProfileError, match="fast: is missing"):
        profile_from_dict("p", {})


def test_no_mapping():
    with pytest.raises(ProfileError, match="not a mapping"):
        profile_from_dict("p", ["cpus"])  # type: ignore[arg-type]
