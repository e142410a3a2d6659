"""Counters of a run, packed: the same mapping in a tenth of the memory."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.analysis import RunResult
from hotkit.core.counters import counters_moved
from hotkit.core.deltas import DeltaPacker, Deltas

INTEGERS = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.dictionaries(st.text(max_size=5), INTEGERS, max_size=6), max_size=5))
def test_a_packed_mapping_is_the_same_mapping(runs):
    packer = DeltaPacker()
    for counters in runs:
        packed = packer.pack(counters)
        assert isinstance(packed, Deltas)
        assert packed == counters and list(packed.items()) == list(counters.items())
        assert all(name in packed for name in counters) and "no such" not in packed
        assert packed.get("no such") is None


def test_names_are_kept_once():
    packer = DeltaPacker()
    one, two = (packer.pack({"a": n, "b": 2 * n}) for n in (1, 2))
    assert one.names is two.names
    names = [f"vmstat.counter_{n}" for n in range(80)]
    small = packer.pack(dict.fromkeys(names, 1 << 40))
    assert sys.getsizeof(small) + sys.getsizeof(small.packed) < 900


@pytest.mark.parametrize("value", [2**63, 1.5, "3"])
def test_what_is_no_64_bit_integer_stays_as_it_is(value):
    counters = {"a": value}
    assert DeltaPacker().pack(counters) is counters


def runs_of(counters):
    """One on and two off runs per block; `counters(block, arm, twin)`."""
    return [
        RunResult(
            name=f"{block}{arm}{twin}", block=block, arm=arm, tracker="none", twin=twin,
            duration=1.0, checksum="", deltas=counters(block, arm, twin),
        )
        for block in range(8)
        for arm, twin in (("off", 0), ("on", None), ("off", 1))
    ]  # fmt: skip


def found(runs):
    return counters_moved(runs, most=9)["on"]


def test_packed_and_plain_counters_move_alike():
    source = np.random.default_rng(3)

    def counters(block, arm, twin):
        on = 100 * (arm == "on")
        values = {"a": int(source.integers(5)) + on, "b": int(source.integers(50)), "c": 7 + on}
        # Some runs have another order, one lacks a counter, one has one more.
        if block == 3 and twin == 1:
            values = dict(reversed(values.items()))
        return values | ({"d": 1} if block == 5 and arm == "on" else {})

    plain = runs_of(counters)
    packer = DeltaPacker()
    packed = [
        RunResult(
            name=run.name, block=run.block, arm=run.arm, tracker=run.tracker, twin=run.twin,
            duration=1.0, checksum="", deltas=packer.pack(run.deltas),
        )
        for run in plain
    ]  # fmt: skip
    assert found(plain) == found(packed)
    moved = {change.counter: change for change in found(packed)}
    assert list(moved)[:2] == ["a", "c"] and "d" not in moved
    assert moved["c"].interval is None and moved["c"].change == 100
    off = [run.deltas["a"] for run in plain if run.arm == "off"]
    assert moved["a"].off == pytest.approx(np.mean(off))


def test_a_counter_that_one_run_lacks_is_left_out():
    runs = runs_of(
        lambda block, arm, twin: {"a": 100 * (arm == "on")} | ({} if twin == 1 else {"b": 9})
    )
    assert [change.counter for change in found(runs)] == ["a"]


def test_a_block_with_one_off_run_counts_with_that_one():
    runs = [
        run
        for run in runs_of(lambda block, arm, twin: {"a": 10 * block + 100 * (arm == "on")})
        if not (run.block == 2 and run.twin == 1)
    ]
    (change,) = found(runs)
    assert (change.change, change.interval, change.off) == (100, None, 35)


def test_packed_counters_are_asked_for_as_any_mapping_is():
    packer = DeltaPacker()
    plain = {"a": 7, "b": -(2**63), "c": 2**63 - 1}
    packed = packer.pack(plain)
    assert type(packed) is Deltas and packed == plain and list(packed) == ["a", "b", "c"]
    assert [packed.get(name) for name in "abcd"] == [7, -(2**63), 2**63 - 1, None]
    assert (packed.get("d", 5), packed.get("b", 5), "d" in packed) == (5, -(2**63), False)
    with pytest.raises(KeyError):
        packed["d"]
    assert packer.pack({"a": 1, "b": 2, "c": 3}).names is packed.names
    for odd in ({"a": 2**63}, {"a": 1.5}):
        assert packer.pack(odd) is odd
