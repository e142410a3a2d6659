"""From a journal to the runs that count: attempts at blocks, doubled events, old journals."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hotkit.sweep.journal import RunCollector

ARMS = [("off", 0), ("off", 1), ("soft", None)]
PLAN = [
    {
        "run": f"b{block}-{number}",
        "block": block,
        "arm": arm,
        "twin": twin,
        "tracker": "none" if arm == "off" else "softdirty",
        "settings": {},
    }
    for block in range(3)
    for number, (arm, twin) in enumerate(ARMS)
]


def events(run: str, attempt: int | None = 0, *, duration_ns: int = 10**9) -> list[dict[str, Any]]:
    """What an agent says of one run; attempt None is an agent that knew of none."""
    who: dict[str, Any] = {"run": run} | ({} if attempt is None else {"attempt": attempt})
    return [
        {"type": "run", **who, "settings": {}},
        {"type": "sample", **who, "examined": 5},
        {"type": "counter", **who, "deltas": {"swap": 0}},
        {"type": "end", **who, "duration_ns": duration_ns, "checksum": "c"},
    ]


def gate(run: str, attempt: int, *problems: str, when: str = "after") -> dict[str, Any]:
    block = int(run[1])
    return {
        "type": "gate", "run": run, "block": block, "attempt": attempt, "when": when,
        "problems": list(problems),
    }  # fmt: skip


def collect(*parts: Any) -> RunCollector:
    """Events, lists of them, or names of runs (their first attempt)."""
    found = RunCollector(PLAN)
    for part in parts:
        if isinstance(part, str):
            part = events(part)
        for event in part if isinstance(part, list) else [part]:
            found.add(event)
    return found


def names(found: RunCollector) -> list[tuple[str, int]]:
    return [(run.name, run.attempt) for run in found.runs]


def test_a_failed_gate_puts_its_blocks_runs_aside():
    found = collect(
        "b0-0", "b0-1", "b0-2", "b1-0", "b1-1", gate("b1-1", 0, "too hot", "swapped"),
        events("b1-0", 1), events("b1-1", 1), events("b1-2", 1), "b2-0",
    )  # fmt: skip
    assert names(found) == [
        ("b0-0", 0), ("b0-1", 0), ("b0-2", 0), ("b1-0", 1), ("b1-1", 1), ("b1-2", 1), ("b2-0", 0),
    ]  # fmt: skip
    (rerun,) = found.reruns
    assert (rerun.block, rerun.attempt, rerun.runs_abandoned, rerun.arms) == (1, 0, 2, ("off",))
    assert rerun.reasons == ("b1-1, after it: too hot", "b1-1, after it: swapped")
    assert [(it.run.name, it.run.attempt) for it in found.abandoned] == [("b1-0", 0), ("b1-1", 0)]
    assert all(it.reasons == rerun.reasons for it in found.abandoned)
    assert found.attempts == {0: 0, 1: 1, 2: 0}


def test_a_run_whose_end_comes_after_its_gate_does_not_count():
    found = RunCollector(PLAN)
    *most, end = events("b0-0")
    for event in [*most, gate("b0-0", 0, "x")]:
        assert found.add(event) is None
    assert found.add(end) is None
    assert found.runs == [] and found.reruns[0].runs_abandoned == 1
    assert found.attempts == {0: 1}


def test_a_gate_before_a_run_and_a_block_that_fails_twice():
    found = collect(
        "b0-0", gate("b0-2", 0, "hot", when="before"), events("b0-0", 1), gate("b0-0", 1, "hot"),
        events("b0-0", 2),
    )  # fmt: skip
    assert names(found) == [("b0-0", 2)]
    assert [(it.attempt, it.runs_abandoned, it.arms) for it in found.reruns] == [
        (0, 1, ("soft",)), (1, 1, ("off",)),
    ]  # fmt: skip
    assert found.reruns[0].reasons == ("b0-2, before it: hot",)


def test_a_block_given_up_for_another_reason():
    reboot = {"type": "rerun", "block": 0, "attempt": 0, "reason": "the host was rebooted"}
    found = collect("b0-0", reboot, reboot, events("b0-0", 1))
    (rerun,) = found.reruns
    assert (rerun.reasons, rerun.arms) == (("the host was rebooted",), ())
    assert names(found) == [("b0-0", 1)]


def test_a_later_attempt_takes_the_place_of_one_that_nobody_gave_up():
    """The line that said why was in the part of a journal that was lost."""
    found = collect("b0-0", "b0-1", events("b0-0", 1))
    assert names(found) == [("b0-0", 1)]
    assert found.reruns[0].reasons == ("attempt 1 took its place",)
    # Nor does an old one that comes late take its place back.
    for event in events("b0-2", 0):
        assert found.add(event) is None
    assert names(found) == [("b0-0", 1)] and found.reruns[0].runs_abandoned == 3


@pytest.mark.parametrize("how", ["whole run", "its end", "before and after it failed"])
def test_what_is_delivered_twice_counts_once(how):
    first, again = events("b0-0", duration_ns=1), events("b0-0", duration_ns=2)
    if how == "before and after it failed":
        found = collect(first, gate("b0-0", 0, "x"), again, gate("b0-0", 0, "x"))
        assert names(found) == [] and len(found.abandoned) == 1
        assert found.reruns[0].reasons == ("b0-0, after it: x",)
        assert found.reruns[0].arms == ("off",)
        return
    found = collect(first, again if how == "whole run" else again[-1], "b0-1")
    assert names(found) == [("b0-0", 0), ("b0-1", 0)]
    assert found.runs[0].duration == 1e-9
    assert found.reruns == ()


def test_nothing_of_a_run_that_was_cut_off_is_in_the_one_that_was_whole():
    cut = events("b0-0")[:3]
    cut[1]["examined"] = 999
    whole = events("b0-0")
    del whole[1]
    (run,) = collect(cut, whole).runs
    assert run.examined == 0


def test_a_journal_without_attempts():
    found = collect(events("b0-0", None), events("b0-1", None), events("b0-0", None))
    assert names(found) == [("b0-0", 0), ("b0-1", 0)]
    assert (found.reruns, found.abandoned, found.gates) == ((), (), None)


def test_what_is_no_run_of_this_sweep_is_passed_over():
    part = events("b0-0")[1] | {"part": 3}
    found = collect(
        {"type": "hello", "machine": {}}, {"type": "end", "run": None}, part, events("other"),
        gate("b0-9", 0, "x"), {"type": "error", "run": None, "message": "interrupted"},
    )  # fmt: skip
    assert (found.runs, found.reruns, found.attempts) == ([], (), {})


def test_gates_of_several_agents():
    """What any of them could not check was not checked throughout."""
    found = collect(
        {"type": "gates", "unchecked": {"throttled": "a"}, "bounds": {"steal_percent": False}},
        {
            "type": "gates",
            "unchecked": {"kernel_messages": "b"},
            "bounds": {"steal_percent": False},
        },
    )
    assert found.gates.unchecked == {"throttled": "a", "kernel_messages": "b"}
    assert found.gates.off == ("steal_percent",)


def test_the_list_of_runs_is_the_same_however_often_it_is_asked_for():
    """Random journals, against the plain rule: of each block the last attempt, if not given up."""
    luck = random.Random(5)
    for _ in range(200):
        found, attempts, given_up = RunCollector(PLAN), dict.fromkeys(range(3), 0), set()
        told: list[tuple[str, int]] = []
        for _ in range(40):
            plan = luck.choice(PLAN)
            block, attempt = plan["block"], attempts[plan["block"]]
            if luck.random() < 0.15:
                found.add(gate(plan["run"], attempt, "x"))
                given_up.add((block, attempt))
                attempts[block] += 1
            else:
                for event in events(plan["run"], attempt):
                    found.add(event)
                if (plan["run"], attempt) not in told:
                    told.append((plan["run"], attempt))
            if luck.random() < 0.3:
                _ = found.runs
        last = {int(name[1]): 0 for name, _ in told}
        for name, attempt in told:
            last[int(name[1])] = max(last[int(name[1])], attempt)
        assert names(found) == [
            (name, attempt)
            for name, attempt in told
            if last[int(name[1])] == attempt and (int(name[1]), attempt) not in given_up
        ]
        assert len(found.runs) + len(found.abandoned) == len(told)
        assert {(it.block, it.attempt) for it in found.reruns} == given_up
