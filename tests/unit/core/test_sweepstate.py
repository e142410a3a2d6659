"""How far a sweep has come, line by line of its journal."""

from __future__ import annotations

import pytest

from hotkit.core.sweepstate import SweepState


def after(*lines):
    state = SweepState()
    for line in lines:
        state.add(line)
    return state


def says(kind, **fields):
    return {"type": kind, "by": "controller", **fields}


def test_nothing_yet():
    state = SweepState()
    assert (state.session, state.open, state.next_event, state.finished) == (-1, False, 0, False)


def test_a_session_from_hello_to_end():
    state = after(
        says("session", session=0),
        {"type": "hello", "seq": 0, "session": 0, "machine": {"boot_id": "b1"}},
        {"type": "probe", "seq": 1, "session": 0, "quiesce": {"said": ["THP off"]}},
        {"type": "probe", "seq": 2, "session": 0, "calibrated": "updates", "workload": 500},
        {"type": "gates", "seq": 3, "session": 0, "knobs": {"thp": "never"}},
        {"type": "gates", "seq": 4, "session": 0, "knobs": {"thp": "always"}},
        {"type": "run", "seq": 5, "session": 0, "run": "r1"},
        {"type": "sample", "seq": 6, "session": 0, "run": "r1"},
        {"type": "end", "seq": 7, "session": 0, "run": "r1"},
    )
    assert (state.boot_id, state.boots) == ("b1", {"b1": None})
    assert state.work == ("updates", 500)
    assert state.quiesced == ("THP off",)
    assert state.knobs == {"thp": "never"}  # those of the first look
    assert (state.open, state.known, state.next_event) == (True, 8, 8)
    assert (state.sessions_without_a_run, state.finished) == (0, False)
    state.add({"type": "end", "seq": 8, "session": 0, "elapsed_ns": 3_000_000_000})
    assert (state.open, state.finished, state.elapsed_s, state.stopped) == (False, True, 3.0, "")


def test_a_run_under_way_is_asked_for_again_from_its_start():
    state = after(
        says("session", session=0),
        {"type": "run", "seq": 4, "session": 0, "run": "r1"},
        {"type": "counter", "seq": 5, "session": 0, "run": "r1"},
    )
    assert (state.known, state.next_event) == (6, 4)


def test_a_line_that_comes_twice_counts_once():
    end = {"type": "end", "seq": 3, "session": 0, "elapsed_ns": 1_000_000_000}
    assert after(says("session", session=0), end, end).elapsed_s == 1


def test_a_new_session_begins_anew():
    state = after(
        says("session", session=0),
        {"type": "run", "seq": 4, "session": 0, "run": "r1"},
        says("gone"),
    )
    assert (state.open, state.sessions_without_a_run) == (False, 1)
    state.add(says("session", session=1))
    assert (state.session, state.known, state.next_event) == (1, 0, 0)
    assert (state.open, state.sessions_without_a_run) == (True, 2)
    # The agent's own number counts where the controller's line is lost.
    state.add({"type": "sample", "seq": 0, "session": 2})
    assert state.session == 2


@pytest.mark.parametrize(
    ("end", "finished", "stopped"),
    [
        ({"type": "end"}, True, ""),
        ({"type": "end", "stopped": "run"}, False, "run"),
        ({"type": "end", "stopped": "now"}, False, "now"),
        ({"type": "end", "stopped": "time", "blocks": 6}, True, "time"),
        ({"type": "error"}, False, ""),
    ],
)
def test_how_a_session_ended(end, finished, stopped):
    state = after(says("session", session=0), {"seq": 0, "session": 0, "elapsed_ns": 1, **end})
    assert (state.open, state.finished, state.stopped) == (False, finished, stopped)
    over = ("the time is over (until: minutes)", 6) if stopped == "time" else (None, None)
    assert (state.why_enough, state.planned_blocks) == over


def test_a_line_without_a_session_is_of_the_first():
    assert after({"type": "sample", "seq": 0}).session == 0


def test_the_time_of_sessions_adds_up_and_one_that_failed_may_tell_none():
    state = after(
        says("session", session=0),
        {"type": "end", "seq": 0, "session": 0, "elapsed_ns": 2_000_000_000},
        says("session", session=1),
        {"type": "end", "seq": 0, "session": 1, "elapsed_ns": 3_000_000_000},
        says("session", session=2),
        {"type": "error", "seq": 0, "session": 2},
    )
    assert state.elapsed_s == 5.0


def test_a_probe_of_a_tracker_changes_nothing():
    before = after(says("session", session=0))
    told = {"type": "probe", "seq": 0, "session": 0, "tracker": "damon", "available": True}
    state = after(says("session", session=0), told)
    assert (state.work, state.quiesced) == (before.work, before.quiesced) == (None, ())
    # What the machine was made quiet by is the word of a probe alone.
    told = {"type": "gates", "seq": 0, "session": 0, "quiesce": {"said": ["THP off"]}}
    assert after(says("session", session=0), told).quiesced == ()


def test_an_error_of_a_run_ends_no_session():
    state = after(
        says("session", session=0), {"type": "error", "seq": 0, "session": 0, "run": "r1"}
    )
    assert state.open


def test_fewer_blocks_were_enough():
    state = after(says("session", session=0), says("enough", blocks=8, reason="all are known"))
    assert (state.finished, state.planned_blocks, state.why_enough) == (True, 8, "all are known")
