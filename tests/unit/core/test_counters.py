"""Counters that moved with a tracker on, by hand and against one that stands still."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    ("counter", "unit"),
    [("vmstat.pgfault", "events"), ("cpu.user_ns", "ns"), ("psi.some_us", "us"),
     ("cgroup.file_bytes", "bytes"), ("ns", "ns")],
)  # fmt: skip
def test_units(counter, unit):
    assert unit_of(counter) == unit
