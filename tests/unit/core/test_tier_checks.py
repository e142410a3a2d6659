"""What is promised of the slow tier, on what a machine may show of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hotkit.core.check import Verdict
from hotkit.core.diagnosis import diagnose
from hotkit.core.labels import Label, Platform
from hotkit.core.layout import Layout, SlowPmem
from hotkit.core.observed import DaxDevice, NodeState, Observed
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.tier_checks import tier_checks
from hotkit.core.units import GIB, MIB

PMEM = Range(4 * GIB, 6 * GIB)
LAYOUT = Layout(
    profile="p", topology="t", style="$", size_means="present", args=("maxcpus=2",), nodes=(),
    cpus=(), slow_pmem=SlowPmem(node=2, range=PMEM, wanted_bytes=GIB), tiers=(0, 2), distance=17,
)  # fmt: skip
# As lab-pmem shows it under Linux 6.1.
DAX = DaxDevice(
    name="dax0.0", range=Range(PMEM.start + 2 * MIB, PMEM.start + 1152 * MIB), node=2,
    driver="kmem", online_bytes=GIB,
)  # fmt: skip
GOOD = Observed(
    host="m1", cmdline=f"ro maxcpus=2 {LAYOUT.token}", kernel_release="6.1", topology=None,
    label=Label(platform=Platform.EMULATED), system_ram=RangeSet((Range(MIB, GIB),)),
    hotplugged_ram=RangeSet((Range(PMEM.start + 128 * MIB, PMEM.start + 1152 * MIB),)),
    nodes=(NodeState(node=0, distances=(10, 17)),
           NodeState(node=2, memtotal_bytes=GIB, distances=(17, 10))),
    dax=(DAX,), block_bytes=128 * MIB, tiers=((4, (0,)), (22, (2,))), demotion=False,
)  # fmt: skip


def verdicts(observed: Observed, layout: Layout = LAYOUT) -> dict[str, str]:
    return {item.name: str(item.verdict) for item in tier_checks(layout, observed)}


def sentence(observed: Observed, name: str, layout: Layout = LAYOUT) -> str:
    (found,) = [item for item in tier_checks(layout, observed) if item.name == name]
    return f"{found.found}: {found.sentence}"


def test_all_is_there() -> None:
    assert verdicts(GOOD) == dict.fromkeys(
        ("pmem-node2", "distance-node2", "tier-node2"), str(Verdict.PASS)
    )
    assert "demotion off" in sentence(GOOD, "tier-node2")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dax": ()}, "None of this PMEM is used as RAM"),
        ({"dax": (replace(DAX, driver="device_dax"),)}, "None of this PMEM"),
        ({"dax": (replace(DAX, node=0),)}, "RAM of another node"),
        ({"dax": (replace(DAX, online_bytes=GIB - 128 * MIB),)}, "less than the profile"),
        ({"dax": (replace(DAX, online_bytes=GIB + 128 * MIB),)}, "more than the profile"),
        ({"hotplugged_ram": RangeSet((Range(8 * GIB, 9 * GIB),))}, "RAM was added at"),
    ],
)
def test_what_is_wrong_with_it(change: dict[str, object], said: str) -> None:
    broken = replace(GOOD, **change)  # type: ignore[arg-type]
    assert verdicts(broken)["pmem-node2"] == Verdict.FAIL
    assert said in sentence(broken, "pmem-node2")


def test_struct_pages_on_the_pmem_itself_are_fine_and_less_is_not() -> None:
    def with_memtotal(size: int) -> Observed:
        return replace(GOOD, nodes=(GOOD.nodes[0], replace(GOOD.nodes[1], memtotal_bytes=size)))

    assert verdicts(with_memtotal(GIB - GIB // 64))["pmem-node2"] == Verdict.PASS
    assert verdicts(with_memtotal(GIB - GIB // 32))["pmem-node2"] == Verdict.FAIL


def test_a_node_that_is_not_online() -> None:
    offline = replace(GOOD, nodes=GOOD.nodes[:1], dax=(), hotplugged_ram=RangeSet(), tiers=())
    found = verdicts(offline)
    assert found["pmem-node2"] == Verdict.FAIL and found["distance-node2"] == Verdict.UNKNOWN
    (cause,) = diagnose(LAYOUT, offline)
    assert cause.kind == "pmem-not-attached" and "hotkit provision" in cause.advice


def test_another_distance() -> None:
    far = replace(GOOD, nodes=(NodeState(node=0, distances=(10, 28)), GOOD.nodes[1]))
    assert verdicts(far)["distance-node2"] == Verdict.FAIL


def test_pmem_in_the_fast_tier_fails_and_dram_there_is_told() -> None:
    together = replace(GOOD, tiers=((4, (0, 2)),))
    assert verdicts(together)["tier-node2"] == Verdict.FAIL
    # Stock Linux 6.1 keeps a CPU-less DRAM node in node 0's tier.
    dram = replace(LAYOUT, slow_pmem=None)
    assert verdicts(together, dram)["tier-node2"] == Verdict.PASS
    assert "demotes nothing to it" in sentence(together, "tier-node2", dram)


def test_a_layout_without_tiers_promises_nothing() -> None:
    assert verdicts(GOOD, replace(LAYOUT, slow_pmem=None, tiers=(0,))) == {}


@pytest.mark.parametrize(
    ("change", "name", "verdict", "said"),
    [
        ({"block_bytes": 0}, "pmem-node2", "unknown", "The kernel shows no blocks"),
        ({"nodes": (NodeState(node=0, distances=(10, 17)), NodeState(node=2))}, "pmem-node2",
         "unknown", "meminfo could not be read"),
        ({"nodes": (NodeState(node=0, distances=(10, 17)),
                    NodeState(node=2, memtotal_bytes=GIB + 1))}, "pmem-node2", "fail",
         "Its MemTotal is another"),
        ({"dax": (replace(DAX, online_bytes=GIB + 128 * MIB),)}, "pmem-node2", "fail",
         "more than the profile"),
        ({"nodes": ()}, "distance-node2", "unknown", "Node 2 is not online"),
        ({"nodes": (NodeState(node=0, distances=(10, 20)), NodeState(node=2))}, "distance-node2",
         "fail", "another distance"),
        ({"tiers": ()}, "tier-node2", "pass", "no memory tiers"),
        ({"tiers": ((4, (0,)),)}, "tier-node2", "fail", "in no memory tier"),
        ({"tiers": ((4, (0, 2)),), "demotion": True}, "tier-node2", "fail", "demotes nothing"),
        ({"tiers": ((22, (0,)), (4, (2,)))}, "tier-node2", "fail", "demotes nothing"),
    ],
)  # fmt: skip
def test_what_is_judged_and_what_is_not(
    change: dict[str, Any], name: str, verdict: str, said: str
) -> None:
    observed = replace(GOOD, **change)
    assert verdicts(observed)[name] == verdict
    assert said in sentence(observed, name)


def test_remote_dram_may_be_in_the_same_tier_and_a_distance_that_nobody_names_is_any() -> None:
    dram = replace(LAYOUT, slow_pmem=None, distance=0)
    same = replace(GOOD, tiers=((4, (0, 2)),), demotion=None)
    assert set(verdicts(same, dram).values()) == {str(Verdict.PASS)}
    assert "names no distances" in sentence(same, "distance-node2", dram)
    assert verdicts(replace(same, tiers=((4, (0,)),)), dram)["tier-node2"] == "pass"
