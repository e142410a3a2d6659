"""The schedule: whole blocks in mirrored pairs, random order, the same on every machine."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.design import OFF, OFF_ARM, Arm, schedule, settings_of_arms

SOFT = Arm(name="softdirty", tracker="softdirty", settings=(("interval_ms", 100),))
OTHER = Arm(name="other", tracker="none")


@given(st.integers(6, 30), st.integers(0, 2**64))
def test_every_block_is_whole(blocks, seed):
    runs = schedule([SOFT, OTHER], blocks, seed)
    assert [run.index for run in runs] == list(range(4 * blocks))
    assert len({run.name for run in runs}) == len(runs)
    for block in range(blocks):
        members = [run for run in runs if run.block == block]
        assert sorted(run.arm.name for run in members) == [OFF, OFF, "other", "softdirty"]
        assert sorted(run.twin for run in members if run.arm.name == OFF) == [0, 1]
        assert {run.index // 4 for run in members} == {block}


def test_the_seed_alone_decides():
    assert schedule([SOFT], 8, 1) == schedule([SOFT], 8, 1)
    assert schedule([SOFT], 8, 1) != schedule([SOFT], 8, 2)
    # Written down once: a change here means that published seeds no longer give their schedules.
    order = "".join(
        {"off": "AB"[run.twin or 0], "softdirty": "x"}[run.arm.name]
        for run in schedule([SOFT], 6, 1)
    )
    assert order == "xBAABxBAxxABxABBAx"


@given(st.integers(6, 31), st.integers(0, 2**64))
def test_a_linear_drift_cancels_in_every_pair_of_blocks(blocks, seed):
    """Each label has the same mean place in blocks 2k and 2k + 1: the middle of the pair."""
    runs = schedule([SOFT, OTHER], blocks, seed)
    for first in range(0, blocks - 1, 2):
        places = {}
        for run in runs:
            if run.block in (first, first + 1):
                places.setdefault((run.arm.name, run.twin), []).append(run.index)
        assert len(places) == 4
        assert {sum(found) for found in places.values()} == {2 * 4 * first + 7}


def test_an_odd_last_block_is_drawn_anew():
    """It has no partner: over many seeds it has every order, whatever the pair before it has."""
    seen = set()
    for seed in range(300):
        runs = schedule([SOFT], 7, seed)[-6:]
        before, last = ([(r.arm.name, r.twin) for r in part] for part in (runs[:3], runs[3:]))
        seen.add((tuple(before), tuple(last)))
    assert len(seen) == 36


def test_every_order_is_about_equally_likely():
    seen = {}
    for run in zip(*[iter(schedule([SOFT], 6000, 4))] * 3, strict=True):
        key = tuple((item.arm.name, item.twin) for item in run)
        seen[key] = seen.get(key, 0) + 1
    assert len(seen) == 6
    # 1000 expected; the standard deviation is 29.
    assert all(850 < count < 1150 for count in seen.values())


@pytest.mark.parametrize(
    ("arms", "blocks", "words"),
    [
        ([SOFT], 5, "at least 6"),
        ([], 6, "no arm"),
        ([SOFT, SOFT], 6, "two arms are called 'softdirty'"),
        ([Arm(name="off", tracker="none")], 6, "two arms are called 'off'"),
    ],
)
def test_refused(arms, blocks, words):
    with pytest.raises(ValueError, match=words):
        schedule(arms, blocks, 1)


def test_names_sort_as_the_runs_come():
    runs = schedule([SOFT], 12, 1)
    assert [run.name for run in runs] == sorted(run.name for run in runs)
    assert runs[3].name in ("b01-003-off", "b01-003-softdirty")
    assert Arm(name="off", tracker="none") == OFF_ARM


def test_what_makes_an_arm_what_it_is():
    assert SOFT.described == {"interval_ms": 100}
    assert replace(SOFT, scope="host").described == {"interval_ms": 100, "scope": "host"}
    runs = [
        {"arm": "off", "settings": {}},
        {"arm": "a", "settings": {"every_ms": 5}, "scope": "guest"},
        {"arm": "b", "settings": {"every_ms": 5}, "scope": ""},
    ]
    assert settings_of_arms(runs) == {
        "a": {"every_ms": 5, "scope": "guest"}, "b": {"every_ms": 5},
    }  # fmt: skip


def test_the_least_number_of_blocks_is_enough():
    assert len(schedule([SOFT], 6, 1)) == 18
