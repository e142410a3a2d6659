"""Two captures side by side: the machine with all CPUs and with four, and what is told apart."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from hotkit.core.memdiff import diff
from hotkit.core.memfacts import MemoryFacts, SlabCache, VmallocArea
from hotkit.core.units import GIB, MIB
from hotkit.memory import load_facts
from tests.unit.machines import CAPTURE
from tests.unit.memories import any_facts, captured_facts


@pytest.fixture(scope="module")
def cpus():
    return diff(
        load_facts(str(CAPTURE / "numactl-all-cpus.txt")),
        load_facts(str(CAPTURE / "numactl-maxcpus4.txt")),
    )


def test_the_machine_with_all_cpus_and_with_four(cpus):
    used = [(node.left_used // MIB, node.right_used // MIB) for node in cpus.nodes]
    assert used == [(3304, 4309), (4383, 2434)]
    assert [(node.left_cpus, node.right_cpus) for node in cpus.nodes] == [(72, 4), (72, 0)]
    assert [node.delta // MIB for node in cpus.nodes] == [1005, -1949]
    assert cpus.delta == -944 * MIB
    assert cpus.items == ()


def test_where_it_went_as_far_as_totals_show(cpus):
    said = "\n".join(cpus.answers)
    assert "uses 944 MiB less than numactl-all-cpus: node 0 1005 MiB more, node 1 1949" in said
    assert "144 CPUs are online in numactl-all-cpus, 4 in numactl-maxcpus4" in said
    assert "it is 6.7 MiB for each of the 140" in said
    assert "node 1 has no CPU online in numactl-maxcpus4" in said
    assert "1005 MiB came back elsewhere, and 944 MiB are in use no more" in said
    assert "maxcpus= keeps those of CPUs that stay down, nr_cpus= does not" in said
    assert "MemTotal is the same in all, but not per node (node 0 57 MiB more, node 1 56" in said
    assert "both have the same RAM: this pair does not show what follows its size" in said
    assert "cannot be told from them; next: hotkit memory capture" in said


def test_the_other_way_round_it_says_the_same(cpus):
    back = diff(
        load_facts(str(CAPTURE / "numactl-maxcpus4.txt")),
        load_facts(str(CAPTURE / "numactl-all-cpus.txt")),
    )
    said = "\n".join(back.answers)
    assert "uses 944 MiB more than numactl-maxcpus4" in said
    assert "it is 6.7 MiB for each of the 140" in said
    assert "1005 MiB came back elsewhere, and 944 MiB are in use no more" in said


def facts(name, total=8 * GIB, used=GIB, **meminfo):
    fields = {"MemTotal": total, "MemFree": total - used} | meminfo
    return MemoryFacts(name=name, meminfo=fields)


def test_items_and_what_is_below_them():
    left = facts("a", Slab=100 * MIB, AnonPages=50 * MIB, Percpu=MIB)
    right = facts("b", used=GIB - 30 * MIB, Slab=60 * MIB, AnonPages=60 * MIB, Percpu=MIB)
    caches = [SlabCache(name=name, size_bytes=size * MIB, objects=1, object_bytes=1)
              for name, size in (("dentry", 40), ("inode", 20), ("same", 5))]  # fmt: skip
    fewer = [replace(caches[0], size_bytes=10 * MIB), caches[2]]
    found = diff(replace(left, slabs=tuple(caches)), replace(right, slabs=tuple(fewer)))
    assert [(item.name, item.delta // MIB) for item in found.items] == [
        ("slab", -40), ("anonymous memory of processes", 10), ("in no field of meminfo", 0),
        ("per-CPU areas", 0),
    ]  # fmt: skip
    below = [(item.name, item.delta // MIB) for item in found.items[0].children]
    assert below == [("dentry", -30), ("inode", -20), ("in no cache", 10)]
    # A capture without slabinfo has no caches of 0 bytes: nothing is said of them.
    assert diff(replace(left, slabs=tuple(caches)), right).items[0].children == ()


def test_a_smaller_machine_uses_little_less():
    area = VmallocArea(size_bytes=MIB, caller="alloc_large_system_hash", pages=16384, kinds=())
    small = replace(facts("small", GIB, GIB // 2, Percpu=0, VmallocUsed=64 * MIB), vmalloc=(area,))
    said = "\n".join(diff(facts("big", 16 * GIB, GIB, Percpu=0), small).answers)
    assert "small has 0.06 times the RAM of big and uses 0.50 times as much" in said
    assert "struct pages of RAM are outside MemTotal" in said
    assert "(0.0 and 64.0 MiB as far as listed)" in said


def test_per_cpu_areas_that_stay():
    all_up = replace(facts("a", Percpu=9 * MIB), cpus_online=8)
    few = replace(facts("b", Percpu=9 * MIB), cpus_online=2)
    said = "\n".join(diff(all_up, few).answers)
    assert "the per-CPU areas are the same 9.0 MiB in both" in said
    assert "for each of" not in said  # nothing was won


def test_the_captured_machine_against_itself():
    found = diff(captured_facts(), captured_facts())
    assert found.delta == 0
    assert all(item.delta == 0 and not item.children for item in found.items)


@settings(max_examples=20)
@given(any_facts(), any_facts())
def test_any_two_captures(left, right):
    found = diff(left, right)
    if found.items:
        assert sum(item.delta for item in found.items) == found.delta
    assert found.delta == right.used_bytes - left.used_bytes
    assert found.answers and found.to_dict()["schema_version"] == 1
