"""What a machine shows, asked by node and by CPU."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core.labels import Label, Platform
from hotkit.core.observed import NodeState, Observed

ZERO, TWO, FIVE = (
    NodeState(node=0, distances=(10, 21, 31)),
    NodeState(node=2, distances=(22, 10, 32)),
    NodeState(node=5, distances=(33, 34)),
)
SEEN = Observed(
    host="m1", cmdline="", kernel_release="6.1", label=Label(platform=Platform.EMULATED),
    topology=None, system_ram=None, nodes=(ZERO, TWO, FIVE), tiers=((4, (0, 5)), (22, (2,))),
    cpu_nodes=((0, 0), (1, 2), (7, 5)),
)  # fmt: skip


def test_a_node_is_found_by_its_number():
    assert [SEEN.node(number) for number in (0, 1, 2, 5)] == [ZERO, None, TWO, FIVE]


def test_the_tier_of_a_node():
    assert [SEEN.tier_of(node) for node in (0, 1, 2, 5)] == [4, None, 22, 4]


@pytest.mark.parametrize(
    ("source", "target", "distance"),
    [
        (0, 0, 10), (0, 2, 21), (0, 5, 31), (2, 0, 22), (2, 5, 32),
        (1, 0, None), (0, 1, None), (1, 1, None),
        (5, 0, None),  # it has not one for each node online
    ],
)  # fmt: skip
def test_a_distance_is_by_the_order_of_the_nodes_online(source, target, distance):
    assert SEEN.distance(source, target) == distance


def test_more_distances_than_nodes_say_nothing():
    assert replace(SEEN, nodes=(ZERO, TWO)).distance(0, 2) is None


def test_the_node_of_a_cpu():
    assert [SEEN.node_of_cpu(cpu) for cpu in (0, 1, 2, 7)] == [0, 2, None, 5]
