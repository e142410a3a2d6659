"""Planning a slow tier of PMEM: the machine's own, or DRAM that stands in for it."""

from __future__ import annotations

from typing import Any

import pytest

from hotkit.core import memmap
from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.layout import Layout
from hotkit.core.plan import plan
from hotkit.core.plan_error import PlanError
from hotkit.core.profile import ProfileError, profile_from_dict
from hotkit.core.ranges import Range
from hotkit.core.topology import Cpu, MemoryAffinity, Topology
from hotkit.core.units import GIB, MIB

PMEM = Range(16 * GIB, 32 * GIB)
# 2 + 2 GiB on node 0, 8 GiB on node 1, 16 GiB of PMEM as node 2.
TOPOLOGY = Topology(
    name="t",
    source="test",
    nodes=(0, 1, 2),
    firmware=(
        E820Entry(Range(0, 2 * GIB), E820Type.RAM),
        E820Entry(Range(4 * GIB, 14 * GIB), E820Type.RAM),
    ),
    affinity=(
        MemoryAffinity(node=0, range=Range(0, 2 * GIB)),
        MemoryAffinity(node=0, range=Range(4 * GIB, 6 * GIB)),
        MemoryAffinity(node=1, range=Range(6 * GIB, 14 * GIB)),
        MemoryAffinity(node=2, range=PMEM, nonvolatile=True),
    ),
    cpus=tuple(Cpu(number=n, node=n // 2) for n in range(4)),
    distances=((10, 20, 17), (20, 10, 28), (17, 28, 10)),
)


def layout(slow: dict[str, Any], **more: Any) -> Layout:
    wish = {"cpus": 2, "fast": {"node": 0, "size": "1G"}, "slow": slow} | more
    return plan(TOPOLOGY, profile_from_dict("p", wish))


def test_the_nearest_pmem_is_the_slow_tier() -> None:
    found = layout({"pmem": True, "size": "4G"})
    assert found.slow_pmem is not None and found.slow_pmem.range == PMEM
    assert (found.tiers, found.distance) == ((0, 2), 17)
    # DRAM that no tier names is reserved, PMEM never.
    assert found.args[1] == "memmap=1023M$1025M,10240M$4096M"
    assert Layout.from_dict(found.to_dict()) == found


def test_the_size_and_the_range_are_part_of_the_layouts_name() -> None:
    four, two = layout({"pmem": True, "size": "4G"}), layout({"pmem": True, "size": "2G"})
    assert four.args == two.args and four.id != two.id


@pytest.mark.parametrize("style", ["$", "%"])
def test_dram_that_stands_in_is_pram_to_the_kernel(style: str) -> None:
    found = layout({"pmem": "emulated", "node": 1, "size": "4G"}, style=style)
    slow = found.slow_pmem
    assert slow is not None and slow.emulated
    # A memory block more, for the info block.
    assert slow.range == Range(6 * GIB, 10 * GIB + 128 * MIB)
    table = memmap.apply(TOPOLOGY.firmware, found.args).table
    pram = [item.range for item in table if item.type == E820Type.PRAM]
    assert pram == [slow.range]
    assert found.nodes[1].kept_bytes == 0 and GIB <= found.nodes[0].kept_bytes < GIB + MIB
    assert (found.tiers, found.distance) == ((0, 1), 20)


@pytest.mark.parametrize(
    ("slow", "said"),
    [
        ({"pmem": "emulated", "node": 1, "size": "8G"}, "in one piece"),
        ({"pmem": "emulated", "node": 1, "size": "64M"}, "memory blocks of 128 MiB"),
        ({"pmem": "emulated", "node": 2, "size": "1G"}, "no RAM|PMEM only"),
        ({"pmem": "emulated", "node": 7, "size": "1G"}, "has nodes 0, 1, 2"),
        ({"pmem": True, "size": "16G"}, "16256 MiB can be"),
        ({"pmem": True, "size": "17G"}, "which has 16 GiB"),
        ({"pmem": True, "size": "1M"}, "memory blocks of 128 MiB"),
    ],
)
def test_what_cannot_be_had(slow: dict[str, Any], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        layout(slow)


@pytest.mark.parametrize(
    ("slow", "key"),
    [
        ({"pmem": "emulated", "size": "1G"}, "slow.node"),
        ({"pmem": "emulated", "node": 1}, "slow.size"),
        ({"pmem": "emulated", "node": 0, "size": "1G"}, "slow.node"),
        ({"pmem": "yes please", "node": 1}, "slow.pmem"),
    ],
)
def test_what_cannot_be_meant(slow: dict[str, Any], key: str) -> None:
    with pytest.raises(ProfileError) as caught:
        layout(slow)
    assert caught.value.key == key
