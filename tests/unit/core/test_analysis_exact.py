"""From runs to figures, to the last one: what stands in a result, against sums done by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from hotkit.core.analysis import analyse
from hotkit.core.inguest import Clocks, InGuest, VmSeen
from hotkit.core.reruns import Rerun, SessionGates
from tests.unit.core.test_analysis import session, several


def one_arm(runs, blocks=6):
    (arm,) = analyse(runs, blocks=blocks, sesoi_fraction=0.01).arms
    return arm


def test_the_smallest_effect_that_could_be_seen():
    """t(0.975, 5) = 2.570582 and t(0.8, 5) = 0.919544 by the tables; the twins of the six blocks
    are 2, -3, -2, 3, -1 and 1 ms apart, their mean level is 1 s and 2/12 ms."""
    noise = math.sqrt(28 / 5) * math.sqrt(0.75) * 1e-3
    smallest = (2.570582 + 0.919544) * noise / math.sqrt(6)
    found = analyse(session(), blocks=6, sesoi_fraction=0.01)
    assert found.off_mean == pytest.approx(1 + 2e-3 / 12)
    (arm,) = found.arms
    assert arm.mde_fraction == pytest.approx(smallest / found.off_mean, rel=1e-6)
    assert arm.per_examined.mde == pytest.approx(smallest * 6 / 6015, rel=1e-6)
    assert arm.per_positive.mde == pytest.approx(smallest * 6 / 600, rel=1e-6)


def test_an_off_level_that_is_not_1_divides_the_smallest_effect():
    longer = [replace(run, duration=run.duration * 4) for run in session()]
    assert one_arm(longer).mde_fraction == pytest.approx(one_arm(session()).mde_fraction)
    # Four times the level, the same noise: a fraction takes fewer blocks.
    later = [replace(run, duration=run.duration + 3) for run in session()]
    assert one_arm(later).blocks_needed < one_arm(session()).blocks_needed


def test_one_block_and_twins_without_noise_have_no_smallest_effect():
    first = [run for run in session() if run.block == 0]
    assert one_arm(first, blocks=1).mde_fraction is None
    two = [run for run in session() if run.block < 2]
    assert one_arm(two, blocks=2).mde_fraction is not None
    equal = [replace(run, duration=1.0) if run.arm == "off" else run for run in session()]
    arm = one_arm(equal)
    assert (arm.mde_fraction, arm.per_examined.mde) == (None, None)
    none = one_arm(session(samples=0, positive=0))
    assert none.per_positive.mde is None and none.per_positive.direct is None


def test_what_has_no_unit_is_a_sample():
    runs = [replace(run, units={}) for run in session()]
    arm = one_arm(runs)
    assert (arm.per_examined.unit, arm.per_positive.unit) == ("sample", "sample")
    runs = several(("a", "damon", 1000, "x"), ("b", "damon", 4000, "x"))
    (dose,) = analyse(
        [replace(run, units={}) for run in runs], blocks=8, sesoi_fraction=0.01
    ).doses  # fmt: skip
    assert dose.unit == "sample"
    # A sample by default and one by name are the same thing.
    named = [replace(run, units={} if run.arm == "a" else {"examined": "sample"}) for run in runs]
    (dose,) = analyse(named, blocks=8, sesoi_fraction=0.01).doses
    assert dose.arms == ("a", "b")


def test_where_a_tracker_ran_and_how_is_the_arms():
    seen = VmSeen(pages=100, moved=3)
    runs = [
        replace(run, scope="host", vm=seen, facts={"by": "ring"}) if run.arm == "soft" else run
        for run in session()
    ]
    arm = one_arm(runs)
    assert arm.scope == "host"
    assert (arm.vm.pages, arm.vm.moved_most) == (100, 3)
    assert arm.facts == {"by": "ring"}
    runs = several(("a", "damon", 1000, "check"), ("b", "damon", 4000, "check"))
    runs = [replace(run, scope="guest") if run.arm != "off" else run for run in runs]
    (dose,) = analyse(runs, blocks=8, sesoi_fraction=0.01).doses
    assert dose.scope == "guest"


def test_in_a_guest_clocks_and_steal_are_looked_at():
    clocks = Clocks(host=10.0, guest=10.5)
    runs = [
        replace(run, scope="guest", clocks=clocks, deltas={"guest.steal_ns": 2 * 10**9})
        if run.arm == "soft" else run
        for run in session()
    ]  # fmt: skip
    found = analyse(runs, blocks=6, sesoi_fraction=0.01).in_guest
    assert (found.clocks.runs, found.clocks.beyond, found.clocks.largest) == (6, 6, clocks)
    assert (found.steal.median, found.steal.most, found.steal.most_arm) == (2, 2, "soft")
    only = [replace(run, clocks=None, deltas={}) for run in runs]
    assert analyse(only, blocks=6, sesoi_fraction=0.01).in_guest == InGuest(clocks=None, steal=None)
    assert analyse(session(), blocks=6, sesoi_fraction=0.01).in_guest is None


def test_a_run_that_is_there_twice_spoils_its_block_only():
    runs = session()
    again = next(run for run in runs if run.block == 2 and run.arm == "soft")
    found = analyse([*runs, again], blocks=6, sesoi_fraction=0.01)
    assert (found.blocks, found.incomplete_blocks) == (5, (2,))
    assert any("only 5 complete blocks" in sentence for sentence in found.untrusted)
    # Eight blocks, one of them with a run twice: seven are enough, and the eighth is named.
    runs = several(("a", "damon", 1000, "x"))
    again = next(run for run in runs if run.block == 3 and run.arm == "a")
    found = analyse([*runs, again], blocks=8, sesoi_fraction=0.01)
    assert (found.blocks, found.incomplete_blocks) == (7, (3,))
    (doubt,) = [sentence for sentence in found.untrusted if "block" in sentence]
    assert "block(s) 3 are not complete" in doubt


def test_a_far_block_leaves_no_bootstrap_behind():
    """The cross-check belongs to the figures of all blocks."""
    runs = [
        replace(run, duration=run.duration + 1.0) if (run.block, run.arm) == (4, "soft") else run
        for run in session()
    ]
    (arm,) = analyse(runs, blocks=6, sesoi_fraction=0.01).arms
    assert arm.slowdown.bootstrap is not None
    assert arm.without_far.slowdown.bootstrap is None
    assert arm.without_far.per_examined.bootstrap is None


def test_a_session_of_one_block_has_its_names():
    runs = [
        run for run in several(("a", "damon", 1000, "x"), ("b", "idle", 9, "y")) if run.block == 0
    ]
    found = analyse(runs, blocks=1, sesoi_fraction=0.01)
    assert [(arm.arm, arm.tracker, arm.runs) for arm in found.arms] == [
        ("a", "damon", 1), ("b", "idle", 1),
    ]  # fmt: skip
    assert [arm.per_examined.unit for arm in found.arms] == ["x", "y"]


def test_what_the_session_says_of_itself_is_kept():
    reruns = [Rerun(block=1, attempt=0, reasons=("steal",), runs_abandoned=2, arms=("soft",))]
    gates = SessionGates(bounds={"steal": 0.02})
    found = analyse(session(), blocks=6, sesoi_fraction=0.03, reruns=reruns, gates=gates)
    assert (found.reruns, found.gates) == (tuple(reruns), gates)
    assert found.sesoi_fraction == 0.03
    # The twins are 2, -3, -2, 3, -1 and 1 ms apart.
    assert (found.a_a.n, found.a_a.sd) == (6, pytest.approx(math.sqrt(28 / 5) * 1e-3))
    (arm,) = found.arms
    assert (arm.per_examined.samples, arm.per_positive.samples) == (6015, 600)
    assert arm.per_positive.unit == "soft-dirty page"


def test_blocks_whose_run_saw_nothing_are_named_unless_none_saw_anything():
    one = [replace(run, examined=0) if run.block in (1, 4) else run for run in session()]
    arm = one_arm(one)
    assert (arm.unseen_blocks, arm.runs) == ((1, 4), 6)
    assert one_arm(session()).unseen_blocks == ()
    # When no run saw anything the figure per sample is undefined, which says it.
    none = one_arm([replace(run, examined=0) for run in session()])
    assert none.unseen_blocks == () and none.per_examined.undefined
