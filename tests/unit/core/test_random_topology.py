"""Random machines: reproducible, and such as could be."""

from __future__ import annotations

import pytest

from hotkit.core.plan import plan
from hotkit.core.plan_error import PlanError
from hotkit.core.random_topology import random_profile, random_topology
from hotkit.core.topology import MemoryAffinity, Topology
from hotkit.core.units import PAGE_BYTES

SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_machine_that_could_be(seed):
    found = random_topology(seed)
    assert found == random_topology(seed)
    assert 1 <= len(found.nodes) <= 8
    assert found.node_cpus(0) and found.node_ram(0)
    ends = [(entry.range.start, entry.range.end) for entry in found.firmware]
    assert all(a[1] <= b[0] for a, b in zip(ends, ends[1:], strict=False))
    assert all(start % PAGE_BYTES == 0 for start, _ in ends if start > 1 << 20)
    claimed = sum(span.size_bytes for node in found.nodes for span in found.span(node))
    assert claimed >= found.ram.size_bytes
    profile = random_profile(found, seed)
    assert profile == random_profile(found, seed)
    assert plan(found, profile).args


def test_all_that_real_machines_have_is_there_somewhere():
    machines = [random_topology(seed) for seed in SEEDS]
    sizes = {len(one.nodes) for one in machines}
    assert {1, 2, 3} <= sizes and max(sizes) >= 6
    kinds = {entry.type for one in machines for entry in one.firmware}
    assert {1, 2, 3, 4, 5, 7} <= set(map(int, kinds))
    assert any(item.hotplug for one in machines for item in one.affinity)
    assert any(item.nonvolatile for one in machines for item in one.affinity)
    tiers = [random_profile(one, seed).slow for seed, one in enumerate(machines)]
    assert any(tier is None for tier in tiers)
    assert any(tier and tier.pmem for tier in tiers) and any(tier and tier.node for tier in tiers)


def test_a_machine_too_small_for_any_layout_is_an_error():
    whole = random_topology(0)
    node = whole.affinity[0].range
    small = Topology(
        name="small", source="t", nodes=(0,), firmware=whole.firmware[:1],
        affinity=(MemoryAffinity(node=0, range=node),), cpus=whole.cpus[:1], distances=((10,),),
    )  # fmt: skip
    with pytest.raises(PlanError, match="seed 3: no profile fits small"):
        random_profile(small, 3)
