"""Two captures side by side, whole: nodes, items, what is below them, and the JSON."""

import pytest

from hotkit.core.labels import Label, Platform
from hotkit.core.memdiff import ItemDiff, NodeDiff, diff
from hotkit.core.memfacts import Held, MemoryFacts, SlabCache
from hotkit.core.units import KIB, MIB

MEMTOTAL = 1000 * MIB


def facts(name, used, fields=None, **more):
    meminfo = {"MemTotal": MEMTOTAL, "MemFree": MEMTOTAL - used * MIB}
    sizes = {field: size * MIB for field, size in (fields or {}).items()}
    return MemoryFacts(name=name, meminfo=meminfo | sizes, **more)


def node(total, free, **fields):
    return {"MemTotal": total, "MemFree": free, **fields}


def caches(**sizes):
    return tuple(
        SlabCache(name=name, size_bytes=size, objects=1, object_bytes=1)
        for name, size in sizes.items()
    )


def found(left, right):
    return {item.name: item for item in diff(left, right).items}


def test_a_diff_as_json():
    left = facts("a", 60, {"Slab": 10, "PageTables": 3}, label=Label(platform=Platform.METAL),
                 nodes={0: node(70, 30, Slab=9), 1: node(20, 5, Slab=1)}, problems=("odd",),
                 node_cpus={0: 4}, slabs=caches(x=MIB))  # fmt: skip
    right = facts("b", 55, {"Slab": 12},
                  nodes={2: node(30, 10), 0: node(71, 20, Slab=12)}, node_cpus={2: 1, 0: 2},
                  slabs=caches(x=2 * MIB))  # fmt: skip
    document = diff(left, right).to_dict()
    answers = document.pop("answers")
    assert answers[0] == "b uses 5 MiB less than a"
    assert document == {
        "schema_version": 1,
        "names": ["a", "b"],
        "labels": [{"platform": "metal", "nested": False, "evidence": ""}, None],
        "total_bytes": [MEMTOTAL, MEMTOTAL],
        "used_bytes": [60 * MIB, 55 * MIB],
        "delta_bytes": -5 * MIB,
        "nodes": [
            {"node": 0, "total_bytes": [70, 71], "used_bytes": [40, 51], "cpus_online": [4, 2],
             "delta_bytes": 11},
            {"node": 1, "total_bytes": [20, None], "used_bytes": [15, None],
             "cpus_online": [None, None], "delta_bytes": None},
            {"node": 2, "total_bytes": [None, 30], "used_bytes": [None, 20],
             "cpus_online": [None, 1], "delta_bytes": None},
        ],
        "items": [
            {"name": "in no field of meminfo", "bytes": [47 * MIB, 43 * MIB],
             "delta_bytes": -4 * MIB, "delta_nodes": {"0": (51 - 12) - (40 - 9)}, "children": []},
            {"name": "page tables", "bytes": [3 * MIB, 0], "delta_bytes": -3 * MIB,
             "delta_nodes": {}, "children": []},
            {"name": "slab", "bytes": [10 * MIB, 12 * MIB], "delta_bytes": 2 * MIB,
             "delta_nodes": {"0": 3},
             "children": [
                {"name": "in no cache", "bytes": [9 * MIB, 10 * MIB], "delta_bytes": MIB,
                 "delta_nodes": {}, "children": []},
                {"name": "x", "bytes": [MIB, 2 * MIB], "delta_bytes": MIB, "delta_nodes": {},
                 "children": []},
             ]},
        ],
        "problems": [["odd"], []],
    }  # fmt: skip


def test_the_change_per_node_is_what_the_answers_are_made_of():
    sides = [
        facts(name, used, nodes={n: node(MEMTOTAL, MEMTOTAL - n * used * MIB) for n in nodes})
        for name, used, nodes in (("a", 10, (1, 2, 3)), ("b", 30, (1, 2, 4)))
    ]
    assert diff(*sides).answers[0] == (
        "b uses 20 MiB more than a: node 1 20 MiB more, node 2 40 MiB more"
    )


def test_nodes_of_an_item_stand_in_their_order():
    item = ItemDiff(name="x", left_bytes=5, right_bytes=3, nodes={3: 1, 0: -3})
    assert item.to_dict() == {
        "name": "x", "bytes": [5, 3], "delta_bytes": -2, "delta_nodes": {"0": -3, "3": 1},
        "children": [],
    }  # fmt: skip
    assert list(item.to_dict()["delta_nodes"]) == ["0", "3"]


@pytest.mark.parametrize(
    ("left", "right", "delta"), [(7, 4, -3), (None, 4, None), (7, None, None), (0, 0, 0)]
)
def test_a_node_that_a_capture_does_not_know_has_no_change(left, right, delta):
    one = NodeDiff(node=1, left_total=9, right_total=8, left_used=left, right_used=right)
    assert one.delta == delta
    assert one.to_dict() == {
        "node": 1, "total_bytes": [9, 8], "used_bytes": [left, right], "cpus_online": [None, None],
        "delta_bytes": delta,
    }  # fmt: skip


def test_a_capture_of_totals_has_no_items_to_compare():
    full, totals = facts("a", 60, {"Slab": 10}), facts("b", 60)
    assert diff(full, totals).items == diff(totals, full).items == ()
    assert len(diff(full, full).items) == 2


def test_equal_changes_stand_by_name_and_the_first_level_leaves_nothing_out():
    left = facts("a", 60, {"Slab": 10, "AnonPages": 20, "PageTables": 5, "Percpu": 1})
    right = facts("b", 60, {"Slab": 12, "AnonPages": 22, "PageTables": 3, "Percpu": 1})
    assert [(item.name, item.delta // MIB) for item in diff(left, right).items] == [
        ("anonymous memory of processes", 2),
        ("in no field of meminfo", -2),
        ("page tables", -2),
        ("slab", 2),
        ("per-CPU areas", 0),
    ]


def test_what_changes_little_is_not_told_below_an_item():
    quarter = 256 * KIB
    left = facts("a", 60, {"Slab": 10}, slabs=caches(w=0, x=MIB, y=MIB, z=MIB))
    right = facts(
        "b", 60, {"Slab": 10}, slabs=caches(w=quarter, x=MIB + quarter, y=MIB - quarter + 1, z=MIB)
    )
    below = found(left, right)["slab"].children
    assert [(item.name, item.delta) for item in below] == [
        ("in no cache", -quarter - 1), ("w", quarter), ("x", quarter),
    ]  # fmt: skip


def test_a_part_of_one_capture_is_compared_with_nothing():
    left = facts("a", 60, {"Slab": 10}, slabs=caches(x=10 * MIB))
    right = facts("b", 60, {"Slab": 10}, slabs=caches(y=10 * MIB))
    assert found(left, right)["slab"].children == (
        ItemDiff(name="x", left_bytes=10 * MIB, right_bytes=0),
        ItemDiff(name="y", left_bytes=0, right_bytes=10 * MIB),
    )
    # Parts that one capture does not tell apart are not 0 in it.
    bare = facts("b", 60, {"Slab": 10})
    assert found(left, bare)["slab"].children == found(bare, left)["slab"].children == ()
    # Nor is there anything below what only one of them has.
    none = facts("b", 60, {"Percpu": 1})
    assert found(left, none)["slab"] == ItemDiff(name="slab", left_bytes=10 * MIB, right_bytes=0)
    assert found(none, left)["slab"] == ItemDiff(name="slab", left_bytes=0, right_bytes=10 * MIB)


def test_what_no_field_counts_is_one_item_whether_somebody_names_it_or_not():
    plain = facts("a", 60, {"Slab": 10})
    traced = facts("b", 70, {"Slab": 10}, traced=(Held(name="f", size_bytes=7 * MIB),))
    item = ItemDiff(name="in no field of meminfo", left_bytes=50 * MIB, right_bytes=60 * MIB)
    assert found(plain, traced)["in no field of meminfo"] == item
    more = facts("b", 60, {"Slab": 10}, traced=(Held(name="f", size_bytes=9 * MIB),))
    below = found(traced, more)["in no field of meminfo"].children
    assert [(one.name, one.delta // MIB) for one in below] == [("unexplained", -12), ("f", 2)]


def test_parts_of_parts_are_told_too():
    """Files and tmpfs are parts of the page cache, mounts of tmpfs."""
    left, right = (
        facts(name, 90, {"Cached": 50, "Shmem": size},
              tmpfs=(Held(name="/run", size_bytes=size * MIB),))
        for name, size in (("a", 10), ("b", 14))
    )  # fmt: skip
    cache = found(left, right)["page cache"]
    assert (cache.delta, cache.left_bytes) == (0, 50 * MIB)
    shared = cache.children[1]
    assert [(one.name, one.delta // MIB) for one in cache.children] == [
        ("files and block devices", -4), ("shared memory and tmpfs", 4),
    ]  # fmt: skip
    assert shared.children == (
        ItemDiff(name="tmpfs /run", left_bytes=10 * MIB, right_bytes=14 * MIB),
    )
