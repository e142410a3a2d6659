"""Counters that moved with a tracker on, by hand and against one that stands still."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core.counters import counters_moved, unit_of
from hotkit.core.deltas import DeltaPacker
from hotkit.core.design import OFF
from hotkit.core.runresult import RunResult


def runs_of(*blocks, pack=False):
    """A run per (block, arm, counters)."""
    packer = DeltaPacker()
    return [
        RunResult(
            name=f"{place}", block=block, arm=arm, tracker="t", twin=None, duration=1.0,
            checksum="", deltas=packer.pack(counters) if pack else counters,
        )
        for place, (block, arm, counters) in enumerate(blocks)
    ]  # fmt: skip


@pytest.mark.parametrize("pack", [False, True])
def test_a_paired_interval_by_hand(pack):
    runs = runs_of(
        (0, OFF, {"faults": 100}), (0, OFF, {"faults": 104}), (0, "idle", {"faults": 122}),
        (1, OFF, {"faults": 110}), (1, OFF, {"faults": 110}), (1, "idle", {"faults": 140}),
        (2, OFF, {"faults": 90}), (2, OFF, {"faults": 90}), (2, "idle", {"faults": 130}),
        pack=pack,
    )  # fmt: skip
    ((change,),) = counters_moved(runs).values()
    # 20, 30 and 40 more: t(0.975, 2) = 4.302653, sd 10.
    assert (change.counter, change.blocks, change.change) == ("faults", 3, 30)
    assert (change.on, change.off) == (pytest.approx(392 / 3), pytest.approx(302 / 3))
    half = 4.302653 * 10 / 3**0.5
    assert (change.interval.low, change.interval.high) == pytest.approx((30 - half, 30 + half))
    assert change.unit == "events"


def test_what_stood_still_tells_more_than_what_is_always_busy():
    def counters(block, on):
        return {"busy": 1000 + 200 * on + block % 2, "still": 7 * on, "noise": block, "zero": 0}

    runs = runs_of(*((b, arm, counters(b, arm != OFF)) for b in range(6) for arm in (OFF, "idle")))
    found = counters_moved(runs)["idle"]
    assert [one.counter for one in found] == ["still", "busy"]
    # Each block shows the same change.
    assert found[0].interval is None and found[0].change == 7
    assert [one.counter for one in counters_moved(runs, most=1)["idle"]] == ["still"]


def test_only_counters_of_all_runs_and_blocks_with_off():
    runs = runs_of(
        (0, OFF, {"a": 1, "b": 1}), (1, OFF, {"a": 1}),
        (0, "idle", {"a": 5, "b": 9}), (1, "idle", {"a": 5, "b": 9}),
        (2, "idle", {"a": 999, "b": 9}),  # no off run beside it
    )  # fmt: skip
    (change,) = counters_moved(runs)["idle"]
    assert (change.counter, change.on, change.blocks) == ("a", 5, 2)


def test_one_block_no_counter_and_no_off_run_tell_nothing():
    one = runs_of((0, OFF, {"a": 1}), (0, "idle", {"a": 9}))
    assert counters_moved(one) == {"idle": ()}
    none = runs_of(*((b, arm, {}) for b in (0, 1) for arm in (OFF, "idle")))
    assert counters_moved(none) == {"idle": ()}
    still = runs_of(*((b, arm, {"a": 0}) for b in (0, 1) for arm in (OFF, "idle")))
    assert counters_moved(still) == {"idle": ()}
    alone = runs_of((0, "idle", {"a": 1}), (1, "idle", {"a": 2}))
    assert counters_moved(alone) == {"idle": ()}


@pytest.mark.parametrize("pack", [(), (OFF,), ("idle",), (OFF, "idle")])
def test_a_block_has_as_many_off_runs_as_it_has(pack):
    """Blocks in another order with the tracker, names in another order in some runs."""
    packer = DeltaPacker()
    runs = [
        replace(run, deltas=packer.pack(run.deltas)) if run.arm in pack else run
        for run in runs_of(
            (0, OFF, {"a": 10, "b": 1}),
            (1, OFF, {"b": 1, "a": 20}), (1, OFF, {"a": 40, "b": 1}),
            (2, OFF, {"a": 1, "b": 1}), (2, OFF, {"a": 2, "b": 1}), (2, OFF, {"a": 3, "b": 1}),
            (2, "idle", {"b": 1, "a": 10}), (0, "idle", {"b": 1, "a": 15}),
            (1, "idle", {"b": 1, "a": 37, "c": 9}),
        )
    ]  # fmt: skip
    # 5, 7 and 8 more than 10, 30 and 2; b counts as much with the tracker as without.
    (change,) = counters_moved(runs)["idle"]
    assert (change.counter, change.blocks) == ("a", 3)
    assert (change.on, change.off) == (pytest.approx(62 / 3), 14)
    assert change.change == pytest.approx(20 / 3)
    half = 4.302653 * (7 / 3) ** 0.5 / 3**0.5
    assert change.interval.high == pytest.approx(20 / 3 + half)


@pytest.mark.parametrize("pack", [(), (0, 1, 2), (1,), (0, 2), (0,)])
def test_a_run_that_lacks_a_counter_takes_it_from_all(pack):
    """Whichever of the off runs are packed, and also where the last ones have it again."""
    packer = DeltaPacker()
    offs = [
        replace(run, deltas=packer.pack(run.deltas)) if run.block in pack else run
        for run in runs_of(
            (0, OFF, {"a": 1, "b": 1, "c": 1}), (1, OFF, {"a": 1, "c": 3}),
            (2, OFF, {"a": 1, "b": 1, "c": 2}),
        )
    ]  # fmt: skip
    with_tracker = runs_of(*((block, "idle", {"a": 5, "b": 9, "c": 0}) for block in range(3)))
    found = counters_moved([*offs, *with_tracker])["idle"]
    # c is 1, 3 and 2 less: 4.302653 / sqrt 3 is more than 2.
    assert [(one.counter, one.change) for one in found] == [("a", 4)]


@pytest.mark.parametrize("pack", [(), (0, 1, 2), (1,), (0, 2)])
def test_runs_with_the_same_counters_are_one_table(pack):
    packer = DeltaPacker()
    runs = [
        replace(run, deltas=packer.pack(run.deltas)) if run.block in pack else run
        for run in runs_of(
            *(
                (block, arm, {"a": 10 * block + 3 * (arm != OFF), "b": block + 5 * (arm != OFF)})
                for block in range(3)
                for arm in (OFF, "idle")
            )
        )
    ]
    found = counters_moved(runs)["idle"]
    assert [(one.counter, one.on, one.off, one.change) for one in found] == [
        ("b", 6, 1, 5), ("a", 13, 10, 3),
    ]  # fmt: skip


def test_numbers_of_64_bits_and_more_are_added_up():
    runs = runs_of(
        *((block, OFF, {"a": 1 << 63}) for block in (0, 0, 1, 1)),
        *((block, "idle", {"a": 3 << 62}) for block in (0, 1)),
    )
    (change,) = counters_moved(runs)["idle"]
    assert (change.on, change.off, change.change) == (3 * 2.0**62, 2.0**63, 2.0**62)


def test_what_is_less_than_one_a_run_has_its_whole_share():
    def counters(block, on):
        return {"rare": int(on and block != 3), "busy": 10 + 90 * on}

    runs = runs_of(*((b, arm, counters(b, arm != OFF)) for b in range(8) for arm in (OFF, "idle")))
    found = counters_moved(runs)["idle"]
    assert [(one.counter, one.change) for one in found] == [("rare", 0.875), ("busy", 90)]


def test_shares_alike_to_a_hundredth_go_by_the_change():
    counters = {
        "small": (100, 200), "middle": (12, 25), "telling": (2, 20), "large": (1000, 1996),
        "some": (4000, 10_000),
    }  # fmt: skip
    runs = runs_of(
        *(
            (block, arm, {name: pair[arm != OFF] for name, pair in counters.items()})
            for block in range(3)
            for arm in (OFF, "idle")
        )
    )
    # 0.50, 0.52, 0.90, 0.499 and 0.60.
    found = counters_moved(runs)["idle"]
    assert [one.counter for one in found] == ["telling", "some", "middle", "large", "small"]


def test_without_a_wish_five_are_told():
    runs = runs_of(
        *(
            (block, arm, {f"c{number}": number * (arm != OFF) for number in range(9)})
            for block in range(2)
            for arm in (OFF, "idle")
        )
    )
    found = counters_moved(runs)["idle"]
    assert [one.counter for one in found] == ["c8", "c7", "c6", "c5", "c4"]


@pytest.mark.parametrize(
    ("counter", "unit"),
    [("vmstat.pgfault", "events"), ("cpu.user_ns", "ns"), ("psi.some_us", "us"),
     ("cgroup.file_bytes", "bytes"), ("ns", "ns"),
     ("cpu.user_and_system_ns", "ns"), ("a_bytes_read", "events")],
)  # fmt: skip
def test_units(counter, unit):
    assert unit_of(counter) == unit
