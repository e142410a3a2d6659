"""Random machines to the byte: a seed in a record must make the same machine on every Python."""

import hashlib
import json

import pytest

from hotkit.core import random_topology as module
from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.plan_error import PlanError
from hotkit.core.random_topology import random_profile, random_topology
from hotkit.core.ranges import Range
from hotkit.core.units import GIB, MIB
from tests.unit.machines import machine

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


class Dice:
    """Always the highest number and the last of a choice; keeps what it is asked."""

    def __init__(self):
        self.asked = []

    def randint(self, low, high):
        assert type(low) is type(high) is int  # Python 3.12 takes no 16.0
        self.asked.append((low, high))
        return high

    def choice(self, row):
        self.asked.append(row)
        return row[-1]


def test_how_large_the_pieces_of_a_machine_may_be(monkeypatch):
    """Node 0 has room for a kernel below the PCI hole; the others come in 128 to 1536 MiB."""
    asked, really = [], module._pages

    def pages(dice, low, high):
        asked.append((low, high))
        return really(dice, low, high)

    monkeypatch.setattr(module, "_pages", pages)
    for seed in range(3):
        random_topology(seed)
    lowest = (768 * MIB, 3 * GIB - 64 * MIB)
    pieces = [ends for ends in asked if ends != lowest]
    assert asked[0] == lowest and asked.count(lowest) == 3
    assert pieces and {high - low for low, high in pieces} == {1408 * MIB}
    assert all((low - 128 * MIB) % (64 * MIB) == 0 for low, _ in pieces)


def test_ends_lie_on_pages_mib_or_64_mib():
    dice = Dice()
    assert module._pages(dice, 100 * MIB + 1, 300 * MIB) == 256 * MIB
    assert dice.asked == [(4096, MIB, 64 * MIB), (2, 4)]
    assert [module._up(end) // MIB for end in (1, 64 * MIB, 64 * MIB + 1)] == [64, 64, 128]


def test_holes_of_up_to_16_mib_lie_above_512_mib():
    dice = Dice()
    ram = E820Entry(Range(MIB, 2 * GIB - 4096), E820Type.RAM)
    assert module._with_holes(dice, Range(MIB, 2 * GIB), 1) == [ram]
    kinds = (E820Type.RESERVED, E820Type.ACPI, E820Type.NVS, E820Type.UNUSABLE, None)
    assert dice.asked == [(512 * 256, 2048 * 256 - 1), (1, 4096), kinds]
    dice.asked.clear()
    dice.choice = lambda row: row[1]
    high = Range(4 * GIB, 5 * GIB)
    # A second hole at the same place is none.
    assert module._with_holes(dice, high, 2) == [
        E820Entry(Range(4 * GIB, 5 * GIB - 4096), E820Type.RAM),
        E820Entry(Range(5 * GIB - 4096, 5 * GIB), E820Type.ACPI),
    ]
    assert dice.asked[0] == (4096 * 256, 5120 * 256 - 1)
    assert module._with_holes(dice, high, 0) == [E820Entry(high, E820Type.RAM)]


def test_a_tier_has_some_mib_of_what_is_there_and_no_less_than_it_needs():
    there = machine((0, 0, 100, 1), (1, 128, 200, 1), unit_bytes=MIB)
    dice = Dice()
    assert module._some(dice, there, 0, 16 * MIB) == 100 * MIB
    assert module._some(dice, there, 1, 384 * MIB) == 384 * MIB
    assert dice.asked == [(16, 100), (384, 384)]
