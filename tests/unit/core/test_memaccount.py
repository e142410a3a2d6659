"""Items and accounts as values: order of a walk, what is looked up where, and the JSON."""

import pytest

from hotkit.core.labels import Label, Platform
from hotkit.core.memaccount import Fit, Kind, MemoryAccount, MemoryItem, Step, Suspect


def item(name, size=1, kind=Kind.RAM, **more):
    return MemoryItem(name=name, size_bytes=size, kind=kind, source="s", **more)


def account(**more):
    fields = {
        "name": "m", "label": None, "kernel_release": None, "total_bytes": 90, "free_bytes": 30,
        "unavailable_bytes": None, "items": (item("left", 60, Kind.UNEXPLAINED),),
    }  # fmt: skip
    return MemoryAccount(**fields | more)


def bare(name, size, kind):
    return {
        "name": name, "size_bytes": size, "kind": kind, "source": "s", "nodes": {}, "note": None,
        "next_command": None, "scales_with": None, "children": [],
    }  # fmt: skip


def test_a_walk_goes_from_the_top_and_down_before_on():
    tree = item("a", children=(item("b", children=(item("c"),)), item("d")))
    assert [one.name for one in tree.walk()] == ["a", "b", "c", "d"]


def test_an_item_as_json():
    found = item(
        "a", 7, Kind.LOWER_BOUND, nodes={2: 3, 0: 4}, note="n", next_command="c", scales_with="w",
        children=(item("b", 2, Kind.ADDRESS_SPACE),),
    )  # fmt: skip
    assert found.to_dict() == {
        "name": "a", "size_bytes": 7, "kind": "lower_bound", "source": "s",
        "nodes": {"0": 4, "2": 3}, "note": "n", "next_command": "c", "scales_with": "w",
        "children": [bare("b", 2, "address_space")],
    }  # fmt: skip
    assert list(found.to_dict()["nodes"]) == ["0", "2"]


def test_steps_and_suspects_as_json():
    assert Step(rest_bytes=-5, sentence="why").to_dict() == {"rest_bytes": -5, "sentence": "why"}
    full = Suspect(name="n", fit=Fit.FITS, sentence="s", size_bytes=3, next_command="c")
    assert full.to_dict() == {
        "name": "n", "fit": "fits", "size_bytes": 3, "sentence": "s", "next_command": "c",
    }  # fmt: skip
    assert Suspect(name="n", fit=Fit.TOO_LARGE, sentence="s").to_dict() == {
        "name": "n", "fit": "cannot be", "size_bytes": None, "sentence": "s", "next_command": None,
    }  # fmt: skip


def test_an_account_as_json():
    left = item("left", 20, Kind.UNEXPLAINED)
    found = account(
        label=Label(platform=Platform.EMULATED, nested=True, evidence="e"), kernel_release="6.1",
        unavailable_bytes=50, items=(item("a", 40), left), node_used={1: 25, 0: 35},
        beside=(item("b", 2, Kind.ELSEWHERE),), views=(item("v", 3, Kind.VIEW),),
        steps=(Step(rest_bytes=20, sentence="x"),),
        suspects=(Suspect(name="n", fit=Fit.NONE, sentence="s"),), notes=("one", "two"),
        problems=("bad",),
    )  # fmt: skip
    assert found.to_dict() == {
        "schema_version": 1, "name": "m",
        "label": {"platform": "emulated", "nested": True, "evidence": "e"},
        "kernel_release": "6.1", "total_bytes": 90, "free_bytes": 30, "used_bytes": 60,
        "unavailable_bytes": 50, "node_used": {"0": 35, "1": 25}, "unexplained_bytes": 20,
        "items": [bare("a", 40, "ram"), bare("left", 20, "unexplained")],
        "beside": [bare("b", 2, "elsewhere")], "views": [bare("v", 3, "view")],
        "steps": [{"rest_bytes": 20, "sentence": "x"}],
        "suspects": [{"name": "n", "fit": "nothing", "size_bytes": None, "sentence": "s",
                      "next_command": None}],
        "notes": ["one", "two"], "problems": ["bad"],
    }  # fmt: skip
    assert list(found.to_dict()["node_used"]) == ["0", "1"]
    assert account().to_dict()["label"] is None


def test_the_unexplained_is_found_below_an_item():
    rest = item("deep", 8, Kind.UNEXPLAINED)
    found = account(items=(item("a"), item("b", children=(item("c"), rest)), item("d")))
    assert found.unexplained is rest


def test_an_item_is_looked_up_in_the_tree_then_beside_then_in_views():
    first, second, third = (item("same", size) for size in (1, 2, 3))
    rest = item("left", 60, Kind.UNEXPLAINED)
    whole = account(items=(item("a", children=(first,)), rest), beside=(second,), views=(third,))
    assert whole.item("same") is first
    assert account(beside=(item("b"), second), views=(third,)).item("same") is second
    assert account(views=(item("v", children=(third,)),)).item("same") is third
    with pytest.raises(KeyError) as caught:
        whole.item("none")
    assert caught.value.args == ("none",)
