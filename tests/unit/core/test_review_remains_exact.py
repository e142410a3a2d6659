"""What a line leaves of memory and CPUs, judged rule by rule: whole findings, exact limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core import review_rules
from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.memmap import Outcome
from hotkit.core.plan import plan
from hotkit.core.profile import Profile, Tier
from hotkit.core.ranges import Range
from hotkit.core.units import GIB, MIB
from tests.unit.core.test_review_rules_exact import (
    ERROR,
    INFO,
    MADE,
    WARNING,
    finding,
    mib,
    outcome,
)

BOOTS = "the kernel is loaded at [mem 0x1000000-0x3ffffff], and {} of that are taken away; node"
WISH = Profile(
    name="p", cpus=2, fast=Tier(node=0, size_bytes=2560 * MIB),
    slow=Tier(node=1, size_bytes=1024 * MIB),
)  # fmt: skip


def remains(*kept, topology=MADE, **more):
    table = tuple(E820Entry(item, E820Type.RAM) for item in kept)
    return list(review_rules.remains(topology, Outcome(entries=(), table=table, **more)))


def little(size, where="node 0"):
    return finding(
        WARNING, "little-memory", f"{size} on {where}: a distribution's kernel and services may "
        "run out of memory while they boot",
    )  # fmt: skip


def test_the_low_memory_must_stay():
    assert remains(mib(16, 64), mib(4096, 5072)) == []  # 1 GiB
    assert remains(mib(16, 64), mib(4096, 5071)) == [little("1023 MiB")]
    assert remains(mib(16, 80)) == [little("64 MiB")]
    assert remains(mib(16, 79)) == [
        finding(ERROR, "no-low-memory", f"{BOOTS.format('0 B')} 0 keeps 63 MiB")
    ]
    assert remains(mib(16, 20), mib(24, 1536), mib(8191, 8192)) == [
        finding(ERROR, "no-low-memory", f"{BOOTS.format('4 MiB')} 0 keeps 1516 MiB",
                range=mib(20, 24))
    ]  # fmt: skip
    assert remains(mib(17, 63), mib(64, 1536)) == [
        finding(ERROR, "no-low-memory", f"{BOOTS.format('2 MiB')} 0 keeps 1518 MiB",
                range=mib(16, 17))
    ]  # fmt: skip


def test_a_line_that_does_not_boot_leaves_nothing_to_be_judged():
    assert remains(panic="no") == []


def test_a_machine_whose_low_memory_is_of_no_node_and_ram_that_no_node_owns():
    lost = replace(MADE, affinity=())
    sentence = "64 MiB of RAM belong to no node: the kernel gives up NUMA then"
    assert remains(mib(16, 80), topology=lost) == [
        little("64 MiB", "the machine"),
        finding(WARNING, "no-node", sentence, range=mib(16, 80)),
    ]
    assert remains(mib(16, 79), topology=lost)[0] == finding(
        ERROR,
        "no-low-memory",
        f"{BOOTS.format('0 B').removesuffix('node')}the machine keeps 63 MiB",
    )
    more = mib(16, 1536)
    assert remains(more, mib(9000, 9001)) == []
    assert remains(more, mib(9000, 9001), Range(9100 * MIB, 9100 * MIB + 4096)) == [
        finding(
            WARNING, "no-node", "1028 KiB of RAM belong to no node: the kernel gives up NUMA then",
            range=mib(9000, 9001),
        )
    ]  # fmt: skip


def against(line, profile=WISH):
    return list(review_rules.against(MADE, plan(MADE, profile), profile, outcome(line)))


def test_what_a_plan_would_keep_to_the_mib():
    """635 KiB and 1535 MiB lie low; up to 5121 MiB that makes 2560 MiB and a bit."""
    assert against("memmap=1023M$5121M,1G$7G") == []
    assert against("memmap=1023M$5121M,1048572K$7340036K") == []
    assert against("memmap=1G$5G,1G$7G") == [
        finding(
            ERROR, "missing-ram", "node 0 keeps 2559.6 MiB of RAM, p wants 2560 MiB (present): "
            f"1 MiB are missing, at {mib(5120, 5121)}", range=mib(5120, 5121),
        )
    ]  # fmt: skip
    assert against("memmap=1M$5G,1022M$5122M,1022M$7G,1M$8191M") == [
        finding(
            ERROR, "left-over", "node 1 keeps 1025 MiB of RAM, p wants 1 GiB (present): 1 MiB more "
            f"than asked for, at {mib(8190, 8191)}", range=mib(8190, 8191),
        )
    ]  # fmt: skip


def test_a_node_of_which_nothing_is_wanted():
    only = replace(WISH, slow=None, size_means="span", fast=Tier(node=0, size_bytes=3072 * MIB))
    pieces = f"{mib(6144, 6145)}, {mib(7168, 8192)}"
    assert against("memmap=1G$5G,1023M$6145M", only) == [
        finding(
            ERROR, "left-over", "node 1 keeps 1025 MiB of RAM, p wants nothing: 1025 MiB more than "
            f"asked for, at {pieces}", range=mib(6144, 6145),
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "means", "other"),
    [
        ([(10 * MIB, 12 * MIB, 12 * MIB)], "present", ["span"]),
        ([(10 * MIB, 12 * MIB, 12 * MIB)], "span", []),
        ([(10 * MIB, 12 * MIB, 10 * MIB)], "span", ["present"]),
        ([(10 * MIB, 10 * MIB, 10 * MIB)], "managed", ["present", "span"]),
        ([(10 * MIB, 12 * MIB, 11 * MIB)], "managed", []),  # a MiB off
        ([(10 * MIB, 13 * MIB, 11 * MIB - 1)], "managed", ["present"]),
        ([(10 * MIB, 13 * MIB, 12 * MIB + 1)], "managed", ["span"]),
        ([(9, 9, 9), (10 * MIB, 12 * MIB, 12 * MIB)], "present", ["span"]),
        ([(10 * MIB, 13 * MIB, 13 * MIB), (MIB, MIB, 9 * MIB)], "present", []),
    ],
)
def test_another_meaning_of_size(sizes, means, other):
    profile = replace(WISH, size_means=means)
    assert list(review_rules.other_meaning(sizes, profile)) == [
        finding(
            INFO, "other-meaning", f"with sizes that mean {name}, instead of {means}, this is "
            "exactly what p wants",
        )
        for name in other
    ]  # fmt: skip


ALL = (0, 1, 4, 2, 3, 5)
ANY = replace(WISH, cpus_on="any")
FAR = replace(WISH, fast=Tier(node=1, size_bytes=GIB), slow=None)


def off(strays, online, node, first, where):
    return (
        f"{strays} of {online} CPUs come up off node {node}, the first is CPU {first} on node"
        f" {where}"
    )


@pytest.mark.parametrize(
    ("line", "online", "profile", "found"),
    [
        ("", ALL, None, []),
        ("maxcpus=2", (0, 1), None, []),
        ("maxcpus=2", (0, 4), None, [(WARNING, "cpu-node", off(1, 2, 0, 4, 1))]),
        ("maxcpus=6", ALL, None, [(WARNING, "cpu-node", off(2, 6, 0, 4, 1))]),
        ("maxcpus=7", ALL, None, [
            (WARNING, "cpu-limit", "the limit of 7 CPUs is beyond the 6 there are"),
            (WARNING, "cpu-node", off(2, 6, 0, 4, 1)),
        ]),
        ("maxcpus=2", (0, 1), WISH, []),
        ("maxcpus=3", (0, 1, 4), WISH, [
            (ERROR, "cpu-count", "3 CPUs would come up, the profile wants 2"),
            (ERROR, "cpu-node", off(1, 3, 0, 4, 1)),
        ]),
        ("maxcpus=1", (0,), WISH, [
            (ERROR, "cpu-count", "1 CPUs would come up, the profile wants 2"),
        ]),
        ("maxcpus=3", (0, 1, 4), replace(ANY, cpus=3), [
            (WARNING, "cpu-node", off(1, 3, 0, 4, 1)),
        ]),
        ("", ALL, replace(WISH, cpus=6), [(ERROR, "cpu-node", off(2, 6, 0, 4, 1))]),
        ("", ALL, replace(WISH, cpus=None), []),
        ("maxcpus=2", (0, 1), FAR, [(ERROR, "cpu-node", off(2, 2, 1, 0, 0))]),
        ("maxcpus=3", (0, 1, 4), replace(WISH, cpus=None), [
            (ERROR, "cpu-node", off(1, 3, 0, 4, 1)),
        ]),
    ],
)  # fmt: skip
def test_cpus(line, online, profile, found):
    assert list(review_rules.cpus(MADE, line, online, profile)) == [finding(*one) for one in found]


def test_cpus_that_the_topology_does_not_name():
    nameless = replace(MADE, cpus=())
    assert list(review_rules.cpus(nameless, "", (), WISH)) == []
    sentence = "the topology names no CPUs: which ones come up cannot be told"
    assert list(review_rules.cpus(nameless, "maxcpus=2", (), WISH)) == [
        finding(INFO, "cpus-unknown", sentence)
    ]
