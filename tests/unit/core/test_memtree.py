"""The captured machine's memory, number by number; and that any account adds up."""

import pytest
from hypothesis import given, settings

from hotkit.core.memaccount import Fit, Kind
from hotkit.core.memfacts import MemoryFacts
from hotkit.core.memtree import explain
from hotkit.core.units import MIB
from tests.unit.memories import any_facts, captured_facts


def mib(size):
    return round(size / MIB, 1)


@pytest.fixture(scope="module")
def account():
    return explain(captured_facts())


def test_used_by_both_ways_to_count(account):
    assert mib(account.used_bytes) == 8316.3
    assert mib(account.unavailable_bytes) == 8522.9


def test_the_tree_adds_up_to_what_is_used(account):
    assert sum(item.size_bytes for item in account.items) == account.used_bytes
    assert all(item.size_bytes > 0 for item in account.items)


@pytest.mark.parametrize(
    ("name", "size", "kind"),
    [
        ("page cache", 1240.2, Kind.RAM),
        ("shared memory and tmpfs", 47.2, Kind.RAM),
        ("slab", 524.9, Kind.RAM),
        ("anonymous memory of processes", 214.6, Kind.RAM),
        ("kernel stacks", 27.8, Kind.RAM),
        ("vmalloc", 1128.7, Kind.RAM),
        ("f2fs_build_segment_manager", 863.3, Kind.LOWER_BOUND),
        ("alloc_large_system_hash", 214.5, Kind.LOWER_BOUND),
        ("ioremap", 280.2, Kind.ADDRESS_SPACE),
        ("mappings of per-CPU areas", 72.0, Kind.ELSEWHERE),
        ("mappings of shared memory", 8.8, Kind.ELSEWHERE),
        ("unexplained", 5077.5, Kind.UNEXPLAINED),
        ("outside MemTotal", 4262.5, Kind.VIEW),
        ("struct pages of RAM (1/64 of it)", 4090.6, Kind.VIEW),
        ("processes", 296.2, Kind.VIEW),
    ],
)
def test_items_of_the_captured_machine(account, name, size, kind):
    item = account.item(name)
    assert (mib(item.size_bytes), item.kind) == (size, kind)


def test_vmalloc_by_node(account):
    f2fs = account.item("f2fs_build_segment_manager")
    assert {node: mib(size) for node, size in f2fs.nodes.items()} == {0: 857.3, 1: 6.0}
    hashes = account.item("alloc_large_system_hash")
    assert hashes.nodes[0] == hashes.nodes[1] == hashes.size_bytes // 2
    assert hashes.scales_with == "RAM"


def test_what_is_no_ram_is_not_in_the_tree(account):
    tree = {item.name for top in account.items for item in top.walk()}
    assert not tree & {"ioremap", "pci_mmcfg_arch_map", "pcpu_get_vm_areas", "drm_gem_shmem_vmap"}
    listed = account.item("vmalloc").children
    assert sum(item.size_bytes for item in listed) == account.item("vmalloc").size_bytes


def test_both_sums_of_what_no_field_explains(account):
    plain, once = account.steps
    assert (mib(plain.rest_bytes), mib(once.rest_bytes)) == (5049.7, 5077.5)
    assert "plain sum" in plain.sentence
    assert "vmapped kernel stacks counted once" in once.sentence


def test_a_part_of_a_listing_is_called_one(account):
    assert account.notes[0] == (
        "vmallocinfo is a part of a listing: 1111.8 of 1156.5 MiB are in it; sums from it are "
        "lower bounds"
    )
    assert any("alloc_large_system_hash, 214.5 MiB" in note for note in account.notes)


def test_the_next_command_is_said(account):
    assert "hotkit provision --trace-memory" in account.unexplained.next_command
    assert account.item("slab").next_command == "cat /proc/slabinfo (as root)"


def test_the_suspects_on_a_machine_with_pmem(account):
    found = {item.name: item for item in account.suspects}
    whole = found["struct pages of PMEM, 1/64"]
    assert (whole.fit, mib(whole.size_bytes)) == (Fit.TOO_LARGE, 16128.0)
    assert "more than the 5077.5 MiB that are unexplained" in whole.sentence
    shared = found["struct pages of PMEM, 1/256"]
    assert (shared.fit, mib(shared.size_bytes)) == (Fit.FITS, 4032.0)
    assert "it would leave 1045.5 MiB" in shared.sentence
    assert found["struct pages of PMEM, in itself"].fit is Fit.NONE
    evidence = found["PMEM in the direct map"].sentence
    assert "direct map covers 1265.7 GiB, RAM is 255.7 GiB, PMEM 1008.0 GiB" in evidence
    assert mib(found["ring buffers of tracing"].size_bytes) == 198.0
    assert mib(found["PEBS and BTS buffers"].size_bytes) == 18.0


def test_tables_of_other_boots_are_not_taken_for_its_nodes(account):
    assert account.node_used == {}
    assert any("numactl-maxcpus4: of another boot" in problem for problem in account.problems)


def test_the_account_as_json(account):
    document = account.to_dict()
    assert document["schema_version"] == 1
    assert sum(item["size_bytes"] for item in document["items"]) == document["used_bytes"]
    assert mib(document["unexplained_bytes"]) == 5077.5


@settings(max_examples=60)
@given(any_facts())
def test_any_account_adds_up(facts):
    """Machine-wide and on each node, whatever the fields are and whichever sources there are."""
    found = explain(facts)
    assert sum(item.size_bytes for item in found.items) == facts.used_bytes
    for node, used in found.node_used.items():
        assert sum(item.nodes.get(node, 0) for item in found.items) == used
    assert set(found.node_used) == set(facts.nodes)
    for top in found.items:
        if top.children and top.children[-1].kind is Kind.UNEXPLAINED:
            assert sum(item.size_bytes for item in top.children) == top.size_bytes
    kinds = [item.kind for top in found.items for item in top.walk()]
    assert kinds.count(Kind.UNEXPLAINED) == 1
    assert not {Kind.ADDRESS_SPACE, Kind.ELSEWHERE, Kind.VIEW} & set(kinds)
    assert found.steps[-1].rest_bytes == found.unexplained.size_bytes
    if found.unexplained.size_bytes <= 0:
        assert not found.suspects


def test_a_machine_of_nothing():
    found = explain(MemoryFacts(name="bare", meminfo={"MemTotal": 8 * MIB, "MemFree": 3 * MIB}))
    assert [(item.name, item.size_bytes) for item in found.items] == [("unexplained", 5 * MIB)]
    assert found.unavailable_bytes is None
