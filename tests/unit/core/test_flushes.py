"""Flushes per arm: which blocks count, whose counters, and the difference from off."""

from __future__ import annotations

import math

import pytest

from hotkit.core.design import OFF
from hotkit.core.flushes import counted_kinds, flush_rows
from hotkit.core.runresult import RunResult

LOCAL = {"vmstat.nr_tlb_local_flush_all": 2, "vmstat.nr_tlb_local_flush_one": 3}


def run(block, arm, remote, *, seconds=10.0, **more):
    deltas = {} if remote is None else {"vmstat.nr_tlb_remote_flush": remote, **LOCAL}
    return RunResult(
        name=f"{block}-{arm}", block=block, arm=arm, tracker=arm, twin=None, duration=seconds,
        checksum="c", deltas=more.pop("deltas", deltas), **more,
    )  # fmt: skip


def test_differences_are_taken_block_by_block():
    # off has two runs in block 0: the mean of them counts.
    runs = [
        run(0, OFF, 100), run(0, OFF, 120), run(0, "damon", 140, seconds=11),
        run(1, OFF, 200), run(1, "damon", 240, seconds=12),
        run(2, OFF, 300), run(2, "damon", 350, seconds=10),
        run(3, "damon", 10_000),  # a block without off is left out
    ]  # fmt: skip
    off, damon = flush_rows(runs)
    assert (off.arm, damon.arm) == (OFF, "damon")
    figure = damon.counts["host_remote"]
    assert (figure.runs, figure.mean) == (3, pytest.approx(730 / 3))
    assert figure.sd == pytest.approx(105.0397, abs=1e-3)
    assert figure.difference == 40
    # t(0.975, 2) = 4.3027 by the tables; the sd of 30, 40, 50 is 10.
    half = 4.302653 * 10 / math.sqrt(3)
    assert (figure.interval.low, figure.interval.high) == pytest.approx((40 - half, 40 + half))
    assert damon.elapsed.difference == pytest.approx(1.0)
    assert off.counts["host_remote"].difference is None
    assert off.counts["host_local"].mean == 5  # both counters, added


def test_a_count_needs_all_of_its_counters():
    runs = [run(0, OFF, 1), run(0, "idle", 1, deltas={"vmstat.nr_tlb_local_flush_all": 9})]
    _, idle = flush_rows(runs)
    assert idle.counts["host_local"] is None and idle.counts["host_remote"] is None
    rows = flush_rows([run(0, OFF, 1)])
    assert [kind.key for kind in counted_kinds(rows)] == ["host_remote", "host_local"]
    assert counted_kinds(()) == []


def test_one_run_has_no_spread_and_equal_blocks_no_interval():
    _, single = flush_rows([run(0, OFF, 1), run(0, "idle", 4)])
    figure = single.counts["host_remote"]
    assert (figure.sd, figure.difference, figure.interval) == (None, 3, None)
    runs = [run(b, arm, n) for b in (0, 1) for arm, n in ((OFF, 5), ("idle", 6))]
    figure = flush_rows(runs)[1].counts["host_remote"]
    assert (figure.sd, figure.difference, figure.interval) == (0, 1, None)


def test_an_arm_that_is_no_result_has_counts_and_no_time():
    runs = [run(0, OFF, 1), run(0, "perf", 2, errors=("it lost all",)), run(1, OFF, 1),
            run(1, "perf", 2, errors=("it lost all", "and ended"))]  # fmt: skip
    row = flush_rows(runs)[1]
    assert row.elapsed is None and row.errors == ("it lost all", "and ended")
    assert row.counts["host_remote"].mean == 2


def test_what_ran_in_the_guest_comes_before_what_ran_in_the_host():
    runs = [run(0, "h", 1, scope="host"), run(0, "g", 1, scope="guest"), run(0, OFF, 1)]
    assert [row.arm for row in flush_rows(runs)] == [OFF, "g", "h"]


def test_an_arm_without_a_scope_comes_first():
    runs = [run(0, "h", 1, scope="host"), run(0, "g", 1, scope="guest"), run(0, "n", 1),
            run(0, OFF, 1)]  # fmt: skip
    rows = flush_rows(runs)
    assert [row.arm for row in rows] == [OFF, "n", "g", "h"]
    assert [row.tracker for row in rows] == [OFF, "n", "g", "h"]


def test_two_runs_have_a_spread_and_an_interval():
    runs = [run(0, OFF, 1), run(0, "idle", 4), run(1, OFF, 1), run(1, "idle", 6)]
    figure = flush_rows(runs)[1].counts["host_remote"]
    assert (figure.sd, figure.difference) == (pytest.approx(math.sqrt(2)), 4)
    # t(0.975, 1) = 12.7062 by the tables.
    half = 12.706205 * math.sqrt(2) / math.sqrt(2)
    assert (figure.interval.low, figure.interval.high) == pytest.approx((4 - half, 4 + half))
    # However small the spread is.
    near = [run(b, OFF, 1) for b in (0, 1)] + [run(b, "idle", 1, seconds=10 + b) for b in (0, 1)]
    elapsed = flush_rows(near)[1].elapsed
    half = 12.706205 * math.sqrt(0.5) / math.sqrt(2)
    assert (elapsed.interval.low, elapsed.interval.high) == pytest.approx((0.5 - half, 0.5 + half))


def test_a_row_says_whether_its_tracker_flushed():
    runs = [run(0, OFF, 1), run(0, "damon", 4, flush="primary"), run(0, "idle", 4)]
    assert [row.flush for row in flush_rows(runs)] == [None, "primary", None]


def test_without_off_there_is_nothing_to_compare_with():
    assert flush_rows([run(0, "damon", 1)]) == ()
