"""What is said of a sweep in a guest: clocks, steal, the VM as its host saw it, facts."""

from __future__ import annotations

import pytest

from hotkit.core.inguest import Clocks, VmSeen, clock_check, facts_over, steal_of, vm_over
from hotkit.core.sessionfacts import Weight, facts_of
from hotkit.sweep.report import read_sweep
from tests.unit.guestsweeps import GUEST, as_told, drifting, make_guest_sweep
from tests.unit.sweepfolders import MACHINE, WORKLOAD, make_sweep


def test_medians_over_runs_and_the_most_that_moved():
    found = vm_over(
        [
            VmSeen(pages=100, moved=0, elsewhere_pages=1000, elsewhere_hot=10),
            VmSeen(pages=100, moved=7, elsewhere_pages=0, elsewhere_hot=0),
            VmSeen(pages=98, moved=1, elsewhere_pages=1000, elsewhere_hot=30),
        ]
    )
    assert found and (found.pages, found.moved, found.moved_most) == (100, 1, 7)
    # A run that looked at nothing outside has no share of it.
    assert (found.elsewhere_pages, found.elsewhere_share) == (1000, pytest.approx(0.02))
    nowhere = vm_over([VmSeen(pages=9, moved=0)])
    assert nowhere and nowhere.elsewhere_pages is None and nowhere.elsewhere_share is None
    assert vm_over([]) is None


def test_pages_that_nobody_found_accessed_are_none():
    found = vm_over(
        [
            VmSeen(pages=10, moved=2, elsewhere_pages=0),
            VmSeen(pages=20, moved=6, elsewhere_pages=0, elsewhere_hot=0),
            VmSeen(pages=90, moved=1),
        ]
    )
    assert found and found.to_dict() == {
        "pages": 20, "moved": 2, "moved_most": 6, "elsewhere_pages": 0, "elsewhere_share": None,
    }  # fmt: skip
    unsaid = vm_over([VmSeen(pages=10, moved=2, elsewhere_pages=8)])
    assert unsaid and unsaid.elsewhere_share == 0


@pytest.mark.parametrize(
    ("host", "guest", "error", "apart"),
    [
        (100.0, 101.0, 0.0, False),  # 1 % is not more than 1 %
        (100.0, 101.5, 0.25, True),
        (100.0, 101.5, 0.5, False),
        (100.0, 98.5, 0.25, True),
        (100.0, 98.5, 0.5, False),
    ],
)
def test_clocks_are_apart_whatever_the_error(host, guest, error, apart):
    assert Clocks(host=host, guest=guest, error=error).apart is apart


def test_clocks_and_steal_as_json():
    clocks = [Clocks(host=50.0, guest=48.0, error=0.1), Clocks(host=100.0, guest=103.0)]
    found = clock_check([*clocks, Clocks(host=10.0, guest=10.0)])
    assert found and found.to_dict() == {
        "runs": 3, "largest_difference_s": -2.0, "largest_difference_fraction": -0.04,
        "runs_beyond_1_percent": 2,
    }  # fmt: skip
    steal = steal_of([("off", 10**9), ("on", 5 * 10**9), ("off", 3 * 10**9)])
    assert steal and steal.to_dict() == {"median_s": 3.0, "most_s": 5.0, "most_arm": "on"}


def test_the_largest_difference_of_the_clocks_is_by_share():
    found = clock_check(
        [Clocks(host=100.0, guest=100.5), Clocks(host=1.0, guest=0.98), Clocks(host=0, guest=0)]
    )
    assert found and found.runs == 3 and found.beyond == 1
    assert found.largest == Clocks(host=1.0, guest=0.98)
    assert found.largest.fraction == pytest.approx(-0.02)
    assert clock_check([]) is None


def test_steal_has_the_arm_where_it_was_most():
    found = steal_of([("off", 10), ("host-damon", 5_000_000), ("off", 30)])
    assert found and (found.most, found.most_arm) == (0.005, "host-damon")
    assert found.median == pytest.approx(30e-9)
    assert steal_of([]) is None


def test_facts_are_one_text_for_each_name():
    said = [{"mechanism": "PML", "ring": True, "slots": 4, "looks": n} for n in (12, 14, 13)]
    said.append({"mechanism": "write protection", "ring": True, "slots": 4, "looks": 13})
    assert facts_over(said) == {
        "mechanism": "PML (3 runs), write protection (1 run)",
        "ring": "yes",
        "slots": "4",
        "looks": "12 to 14, median 13",
    }
    assert facts_over([]) == {}


def test_facts_that_are_no_numbers_are_counted():
    said = [{"ring": False, "slots": 4, "size": 1.5}, {"ring": True, "slots": "all", "size": 2},
            {"ring": True, "slots": 4, "size": 2.25}, {"more": 1}]  # fmt: skip
    assert facts_over(said) == {
        "ring": "yes (2 runs), no (1 run)",
        "slots": "4 (2 runs), all (1 run)",
        "size": "1.5 to 2.25, median 2",
        "more": "1",
    }
    assert facts_over([{"a": True}, {"a": 1}]) == {"a": "yes (1 run), 1 (1 run)"}


def test_from_the_journal_of_a_sweep_in_a_guest(tmp_path):
    result = read_sweep(make_guest_sweep(tmp_path / "s"))
    assert result.analysis.trusted and result.analysis.defined
    run = next(run for run in result.runs if run.arm == "host-both" and run.block == 1)
    assert (run.scope, run.flush) == ("host", "primary+secondary")
    assert run.vm == VmSeen(pages=2048, moved=2, elsewhere_pages=50_000, elsewhere_hot=1010)
    assert run.clocks and run.clocks.fraction == pytest.approx(-1e-4, rel=1e-3)
    off = next(run for run in result.runs if run.arm == "off")
    assert (off.scope, off.flush, off.vm, dict(off.facts)) == ("", None, None, {})
    arms = {arm.arm: arm for arm in result.analysis.arms}
    assert {name: arm.scope for name, arm in arms.items()} == {
        "guest-damon": "guest", "guest-flush": "guest", "host-damon": "host", "host-both": "host",
        "softdirty": "guest",
    }  # fmt: skip
    assert arms["host-damon"].facts == {"mechanism": "A bits of NPT"}
    assert arms["guest-damon"].vm is None
    there = result.analysis.in_guest
    assert there and there.clocks and there.clocks.runs == len(result.runs)
    assert there.steal and (there.steal.most, there.steal.most_arm) == (0.04, "host-both")
    # What a tracker says of how it worked is kept once, however many runs say it.
    assert len({id(one.facts) for one in result.runs if one.facts}) == 3


def test_a_sweep_without_a_guest_has_nothing_of_it(tmp_path):
    result = read_sweep(make_sweep(tmp_path / "s"))
    assert result.analysis.in_guest is None
    assert {(run.scope, run.vm, run.clocks) for run in result.runs} == {("", None, None)}


def test_a_clock_that_drifts_is_counted(tmp_path):
    there = read_sweep(make_guest_sweep(tmp_path / "s", told=drifting)).analysis.in_guest
    assert there and there.clocks and there.clocks.beyond == 7
    assert there.clocks.largest.fraction == pytest.approx(-0.02, rel=1e-3)


def test_a_guest_that_swaps_is_a_doubt(tmp_path):
    def swapped(run, event):
        event = as_told(run, event)
        if event["type"] == "counter" and run["block"] == 2:
            event["deltas"]["guest.swap"] = 3
        return event

    doubts = read_sweep(make_guest_sweep(tmp_path / "s", told=swapped)).analysis.untrusted
    assert "the guest swapped 21 page(s) during the runs" in doubts


def test_what_must_agree_of_guests():
    def manifest(guest):
        return {"machine": MACHINE, "host": "h", "seed": 1, "guest": guest,
                "description": {"workload": WORKLOAD, "blocks": 8}}  # fmt: skip

    other = {**GUEST, "vcpus": 4, "machine": {**GUEST["machine"], "knobs": {"thp": "never"}}}
    facts = facts_of([manifest(GUEST), manifest(other)], [None, None])
    differ = {fact.name: fact.weight for fact in facts if "guest" in fact.name and not fact.agrees}
    assert differ == {"guest vCPUs": Weight.BLOCKS, "guest knob thp": Weight.BLOCKS}
    facts = facts_of([manifest(GUEST), manifest(None)], [None, None])
    (fact,) = [fact for fact in facts if fact.name == "workload's machine"]
    assert fact.weight is Weight.REFUSES and fact.values == ("a guest", "the host itself")
    none = facts_of([manifest(None), manifest(None)], [None, None])
    assert not any("guest" in fact.name or "workload's" in fact.name for fact in none)
