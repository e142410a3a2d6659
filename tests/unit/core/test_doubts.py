"""Why the figures of a session may not be believed: each reason at its bound, and their order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core.design import MIN_BLOCKS
from hotkit.core.doubts import doubts
from hotkit.core.reruns import Rerun
from hotkit.core.runresult import RunResult
from hotkit.core.stats import Difference

ALIKE = Difference(n=8, mean=-0.0021, sd=0.001, interval=None, p_t=0.5, p_sign_flip=0.5)


def run(arm, **fields):
    known = {"name": arm, "block": 0, "tracker": arm, "twin": None, "duration": 10.0}
    return RunResult(**{**known, "arm": arm, "checksum": "c", **fields})


def said(*runs, blocks=MIN_BLOCKS, incomplete=(), a_a=ALIKE, reruns=()):
    return doubts(runs, blocks, incomplete, a_a, reruns)


def test_a_session_without_a_doubt():
    assert said(run("off"), run("on")) == ()
    assert said() == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"p_t": 0.05}, None),
        ({"p_t": None}, None),
        ({"p_t": 0.04987}, "the two off runs of the blocks differ by -0.0021 s on average"
         " (p = 0.0499): identical runs must not"),
        ({"p_t": 0.01, "undefined": "too few"}, "the A/A pairs say nothing: too few"),
    ],
)  # fmt: skip
def test_off_runs_that_differ(changes, sentence):
    assert said(a_a=replace(ALIKE, **changes)) == (() if sentence is None else (sentence,))


OTHER_WORK = "the workload did not do the same work in every run (checksums differ)"


@pytest.mark.parametrize(
    ("others", "doubted"),
    [
        ([run("on", checksum="d")], True),
        ([run("on", checksum="d", own_work=True)], False),
        ([run("on", checksum=one, own_work=True) for one in "de"], True),
        ([run(one, checksum=one, own_work=True) for one in "de"], False),
    ],
)
def test_an_arm_with_a_workload_of_its_own_may_do_other_work(others, doubted):
    assert said(run("off"), *others) == ((OTHER_WORK,) if doubted else ())


def test_blocks_that_are_missing():
    few = f"only {MIN_BLOCKS - 1} complete blocks, {MIN_BLOCKS} are the least"
    assert said(blocks=MIN_BLOCKS - 1) == (few,)
    assert said(blocks=MIN_BLOCKS - 1, incomplete=[3]) == (few,)
    assert said(incomplete=range(1, 10)) == (
        "block(s) 1, 2, 3, 4, 5, 6, 7, 8 are not complete and were left out",
    )


def test_blocks_that_were_run_again_are_of_those_that_runs_count_of():
    again = Rerun(block=0, attempt=0, reasons=("x",), runs_abandoned=1, arms=("on",))
    runs = [run("off", block=block) for block in range(3)]
    assert said(*runs, run("on", block=3), reruns=[again]) == ()
    assert said(*runs, reruns=[again]) == (
        "1 of 3 blocks failed a gate and were run again, more than 25 %: the machine was not quiet",
    )


def test_swapped_pages_are_added_up():
    runs = [run("off", deltas={"swap": 2, "guest.swap": 5}), run("on", deltas={"swap": 1}),
            run("on")]  # fmt: skip
    assert said(*runs) == (
        "the machine swapped 3 page(s) during the runs",
        "the guest swapped 5 page(s) during the runs",
    )
    assert said(run("on", deltas={"swap": 1})) == ("the machine swapped 1 page(s) during the runs",)


def test_an_error_of_off_runs_is_told_once_and_of_others_never():
    runs = [run("off", errors=("b", "a")), run("off", errors=("a",)), run("on", errors=("c",))]
    assert said(*runs) == ("off: b", "off: a")


def test_the_host_may_take_a_twentieth():
    def taken(ns, *more):
        return said(run("off", duration=60.0, deltas={"steal_ns": ns}), *more)

    rest = run("on", duration=40.0)
    assert taken(5 * 10**9, rest) == ()
    assert taken(5 * 10**9 + 1, rest) != ()
    assert taken(5_010_000_000, rest) == (
        "a hypervisor took 5.01 s of CPU time from the machine (steal)",
    )
    assert taken(4 * 10**9, run("on", duration=40.0, deltas={"steal_ns": 2 * 10**9})) == (
        "a hypervisor took 6.00 s of CPU time from the machine (steal)",
    )
    assert said(run("off", duration=0.0, deltas={"steal_ns": 1})) == ()
    assert said(run("off", duration=1.0, deltas={"steal_ns": 60_000_000})) != ()


def test_one_sample_of_a_hundred_may_be_lost():
    assert said(run("on", lost=4, examined=600), run("on", lost=6, examined=400)) == ()
    assert said(run("on", lost=5, examined=600), run("on", lost=6, examined=400)) == (
        "11 of 1011 samples were lost",
    )


def test_the_gravest_comes_first():
    again = Rerun(block=0, attempt=0, reasons=("x",), runs_abandoned=1, arms=("on",))
    bad = run("off", duration=1.0, lost=1, errors=("e",), deltas={"swap": 1, "steal_ns": 10**9})
    found = said(bad, run("on", checksum="d"), blocks=1, a_a=replace(ALIKE, p_t=0.0),
                 reruns=[again])  # fmt: skip
    words = ("two off runs", "same work", "complete blocks", "failed a gate", "swapped", "off: e",
             "hypervisor", "samples were lost")  # fmt: skip
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))
