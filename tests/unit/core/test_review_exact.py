"""A review in full, of the machine made in test_review_rules_exact.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core.finding import Finding, Severity
from hotkit.core.plan import plan
from hotkit.core.plan_error import PlanError
from hotkit.core.profile import Profile, Tier
from hotkit.core.review import cpus_coming_up, review
from hotkit.core.units import GIB, KIB, MIB
from tests.unit.core.test_review_rules_exact import MADE, mib

WISH = Profile(
    name="p", cpus=2, fast=Tier(node=0, size_bytes=2560 * MIB),
    slow=Tier(node=1, size_bytes=1024 * MIB),
)  # fmt: skip
# Page 0 is no RAM, nor is what lies between 639 KiB and 1 MiB.
LOW = [[4096, 0x9FC00], [MIB, 1536 * MIB]]
LOW_BYTES = 635 * KIB + 1535 * MIB


def test_a_review_in_full():
    found = review("maxcpus=2 memmap=1G$5G nokaslr", MADE)
    assert found.to_dict() == {
        "schema_version": 1,
        "args": "maxcpus=2 memmap=1G$5G nokaslr",
        "topology": "made",
        "profile": None,
        "ok": True,
        "entries": [
            {"token": "1G$5G",
             "does": "1G$5G: 1 GiB at [mem 0x140000000-0x17fffffff] become reserved"},
        ],
        "nodes": [
            {
                "node": 0,
                "present_bytes": 639 * KIB + (1535 + 2048) * MIB,
                "kept_bytes": LOW_BYTES + 1024 * MIB,
                "span_bytes": (2048 + 1024) * MIB,
                # 20 sections, and what the low node of a machine with 6 CPUs keeps.
                "managed_estimate_bytes": LOW_BYTES + (1024 - 40 - 64 - 3) * MIB,
                "wanted_bytes": None,
                "predicted": [*LOW, [4096 * MIB, 5120 * MIB]],
            },
            {
                "node": 1,
                "present_bytes": 2048 * MIB,
                "kept_bytes": 2048 * MIB,
                "span_bytes": 2048 * MIB + 0x1800,
                "managed_estimate_bytes": (2048 - 32 - 32) * MIB,
                "wanted_bytes": None,
                "predicted": [[6144 * MIB, 8192 * MIB]],
            },
            {
                "node": 2,
                "present_bytes": 0,
                "kept_bytes": 0,
                "span_bytes": 0,
                "managed_estimate_bytes": 0,
                "wanted_bytes": None,
                "predicted": [],
            },
        ],
        "cpus": [0, 1],
        "findings": [],
    }  # fmt: skip
    assert review(["maxcpus=2", "memmap=1G$5G", "nokaslr"], MADE) == found


@pytest.mark.parametrize(
    ("entry", "spans"),
    [
        ("memmap=1G$5G", (3072, 2048)),
        ("memmap=1G%5G-1+2", (3072, 2048)),
        ("memmap=1G!7G", (4096, 1024)),
        ("memmap=1G@5G", (4096, 2048)),
        ("mem=5G", (3072, 0)),
        ("memmap=1G%5G-2+3", (4096, 2048)),
        ("memmap=2G$5G,512M$1G", (2560, 1024)),
    ],
)
def test_what_entries_take_of_the_spans(entry, spans):
    nodes = review(entry, MADE).nodes
    odd = 0 if entry == "mem=5G" else 0x1800
    assert [node.span_bytes for node in nodes] == [spans[0] * MIB, spans[1] * MIB + odd, 0]


def test_the_lowest_ram_makes_a_low_node_not_its_number():
    swapped = replace(
        MADE, affinity=tuple(replace(item, node=1 - item.node) if item.node < 2 else item
                             for item in MADE.affinity),
    )  # fmt: skip
    low, high = review("", swapped).nodes[1::-1]
    assert (low.node, low.managed_bytes) == (1, LOW_BYTES + (2048 - 56 - 64 - 3) * MIB)
    assert high.managed_bytes == (2048 - 32 - 32) * MIB


def test_a_review_against_a_profile():
    line = plan(MADE, WISH).cmdline
    assert line == "maxcpus=2 memmap=1023M$5121M,1024M$7168M nokaslr"
    found = review(line, MADE, WISH)
    assert (found.profile, found.findings) == ("p", ())
    assert [node.wanted_bytes for node in found.nodes] == [2560 * MIB, 1024 * MIB, None]
    assert [node.kept_bytes for node in found.nodes] == [
        2560 * MIB + 635 * KIB, 1024 * MIB, 0,
    ]  # fmt: skip


def test_the_worst_finding_is_first_and_equals_keep_their_order():
    found = review("maxcpus=6 mem=8190M memmap=1G$5G", MADE, WISH)
    assert [item.code for item in found.findings] == [
        "missing-ram", "left-over", "cpu-count", "cpu-node", "cap", "kaslr",
    ]  # fmt: skip
    assert not found.ok
    assert review("mem=8190M memmap=1G$5G", MADE).ok
    assert [item.code for item in review("memmap=1G$5G,512M", MADE).findings] == [
        "cap", "little-memory", "kaslr",
    ]  # fmt: skip


def test_sizes_that_another_meaning_would_give():
    """Node 0 spans 3 GiB below 5 GiB; node 1 a GiB of both."""
    wish = replace(WISH, fast=Tier(node=0, size_bytes=3072 * MIB))
    even = replace(
        MADE, affinity=tuple(replace(item, range=mib(6144, 8192)) if item.node == 1 else item
                             for item in MADE.affinity),
    )  # fmt: skip
    found = review("maxcpus=2 memmap=1G$5G,1G$7G nokaslr", even, wish)
    assert [item.code for item in found.findings] == ["missing-ram", "other-meaning"]
    exact = replace(wish, size_means="span")
    line = plan(even, exact).cmdline
    assert review(line, even, exact).findings == ()


def test_where_nothing_differs_nothing_is_said_of_another_meaning():
    """1.25 GiB of addresses on node 0 are 389 KiB less of RAM: under a MiB, so both are right."""
    low = replace(MADE.affinity[0], range=mib(0, 1536))
    machine = replace(MADE, affinity=(low, *MADE.affinity[1:]))
    size = 1280 * MIB - 389 * KIB
    both = replace(WISH, fast=Tier(node=0, size_bytes=size), slow=Tier(node=1, size_bytes=GIB))
    found = review(plan(machine, both).cmdline, machine, both)
    assert [(node.kept_bytes, node.span_bytes) for node in found.nodes[:2]] == [
        (size, 1280 * MIB), (GIB, GIB + 0x1800),
    ]  # fmt: skip
    assert found.findings == ()


def test_a_profile_that_cannot_be():
    huge = replace(WISH, cpus=7)
    found = review("maxcpus=6 memmap=1G$5G nokaslr", MADE, huge)
    with pytest.raises(PlanError) as caught:
        plan(MADE, huge)
    assert found.findings[0] == Finding(
        severity=Severity.ERROR, code="profile", sentence=str(caught.value)
    )
    assert str(caught.value) == "p wants 7 CPUs, made has 6"
    assert [node.wanted_bytes for node in found.nodes] == [None] * 3


@pytest.mark.parametrize(
    ("line", "cpus"),
    [
        ("", (0, 1, 4, 2, 3, 5)),
        ("maxcpus=3", (0, 1, 4)),
        ("nosmp", (0,)),
        ("nr_cpus=9", (0, 1, 4, 2, 3, 5)),
    ],
)
def test_which_cpus_come_up(line, cpus):
    assert cpus_coming_up(MADE, line) == cpus
    assert review(line, MADE).cpus == cpus


def test_where_a_line_does_not_boot_there_is_nothing():
    found = review("memmap=exactmap", MADE)
    assert [item.code for item in found.findings] == ["panic", "exactmap"]
    assert [node.kept_bytes for node in found.nodes] == [0, 0, 0]
