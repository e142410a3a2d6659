"""Random machines to the byte: a seed in a record must make the same machine on every Python."""

import hashlib
import json

import pytest

from hotkit.core import random_topology as module
from hotkit.core.plan_error import PlanError
from hotkit.core.random_topology import random_profile, random_topology

SEEDS = range(60)
# Of a profile that fits after few tries: this is to be fast.
QUICK = (1, 3, 4, 5, 6, 9, 10, 11, 13, 14, 15, 17, 18, 20, 22, 23, 24, 25, 27, 29, 31, 33, 34, 36,
         37, 39, 40, 45, 46, 48, 51, 53, 54, 57, 58, 59)  # fmt: skip


def digest(values):
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def numbers(topology):
    return [
        topology.name,
        topology.source,
        topology.nodes,
        [(item.range.start, item.range.end, int(item.type)) for item in topology.firmware],
        [
            (item.node, item.range.start, item.range.end, item.hotplug, item.nonvolatile)
            for item in topology.affinity
        ],
        [(cpu.number, cpu.node) for cpu in topology.cpus],
        topology.distances,
    ]


def wishes(profile):
    tiers = [
        (tier.node, tier.size_bytes, tier.pmem)
        for tier in (profile.fast, profile.slow)
        if tier is not None
    ]
    return [
        profile.name, profile.cpus, tiers, profile.size_means, profile.align_bytes, profile.style,
    ]  # fmt: skip


def test_a_seed_names_the_same_machine_for_ever():
    """A change of these makes every seed that a campaign has recorded another machine."""
    machines = [random_topology(seed) for seed in SEEDS]
    assert digest([numbers(one) for one in machines]) == "7724c30f47deee4a"
    profiles = [random_profile(machines[seed], seed) for seed in QUICK]
    assert digest([wishes(one) for one in profiles]) == "5a1471f630c871f5"


def test_two_hundred_profiles_are_tried_before_it_is_given_up(monkeypatch):
    tried = []

    def never(topology, profile):
        tried.append(profile)
        raise PlanError("never")

    monkeypatch.setattr(module, "plan", never)
    with pytest.raises(PlanError, match="^seed 7: no profile fits random-5$"):
        random_profile(random_topology(5), 7)
    assert len(tried) == 200
