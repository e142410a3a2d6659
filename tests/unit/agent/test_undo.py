"""Knobs are put back: what is on disk when, in which order, and what damage does to that file.

Knobs are files, and where the kernel is to have its say, those of a sleeping process of our own
(/proc/PID/oom_score_adj, timerslack_ns): nothing else on the machine is touched.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.agent import undo as module
from hotkit.agent.protocol import AgentError
from hotkit.agent.undo import read_knob
from tests.unit.undoing import opened, values


def test_the_value_found_is_on_disk_before_the_new_one_is_written(state, knobs, monkeypatch):
    """A kill between the two leaves a file that says the truth."""
    seen = []

    def killed(path, value):
        lines = (state / "undo.jsonl").read_text().splitlines()
        seen.append((json.loads(lines[-1]), path, Path(path).read_text(), value))
        raise KeyboardInterrupt

    with opened(state) as undo:
        with monkeypatch.context() as patched:
            patched.setattr(module, "write_knob", killed)
            with pytest.raises(KeyboardInterrupt):
                undo.write(str(knobs[0]), "new")
        path = str(knobs[0])
        assert seen == [({"write": path, "text": "old"}, path, "old", "new")]
        assert undo.undo() == ([f"{path} is old again"], [])
    assert values(knobs) == ["old"] * 3


def test_the_last_write_is_undone_first(state, tmp_path, knobs):
    made = tmp_path / "made"
    with opened(state) as undo:
        assert undo.told == []
        undo.write(str(knobs[0]), "new")
        undo.write(str(knobs[1]), "new")
        undo.write(str(knobs[0]), "yes")
        undo.make_directory(str(made))
        undo.make_directory(str(made / "inner"))
        undo.write(str(knobs[2]), "old")  # is it already: nothing is written or undone
        assert values(knobs) == ["yes", "new", "old"]
        done, failed = undo.undo()
        assert failed == []
        assert done == [
            f"{made}/inner removed",
            f"{made} removed",
            f"{knobs[0]} is new again",
            f"{knobs[1]} is old again",
            f"{knobs[0]} is old again",
        ]
        assert values(knobs) == ["old"] * 3
        assert not made.exists()
        assert not (state / "undo.jsonl").exists()
        assert undo.undo() == ([], [])
        undo.write(str(knobs[1]), "new")  # the same one goes on
    assert values(knobs) == ["old"] * 3


def test_close_undoes_too_and_lets_go(state, knobs):
    with opened(state) as undo:
        undo.write(str(knobs[0]), "new")
        undo.close()
        assert values(knobs) == ["old"] * 3
        undo.close()
    with opened(state) as other:
        assert other.told == []


def test_a_choice_is_put_back_by_its_word(state, tmp_path):
    """Written back as it reads, "always [madvise] never" would be refused."""
    knob = tmp_path / "enabled"
    knob.write_text("always [madvise] never\n")
    assert read_knob(str(knob)) == "madvise"
    with opened(state) as undo:
        undo.write(str(knob), "madvise")
        assert not (state / "undo.jsonl").exists()
        undo.write(str(knob), "never")
        noted = (state / "undo.jsonl").read_text().splitlines()
        assert json.loads(noted[1]) == {"write": str(knob), "text": "madvise"}
        assert undo.undo() == ([f"{knob} is madvise again"], [])
    assert knob.read_text().startswith("madvise")


def test_knobs_of_the_kernel(state, process):
    score, slack = process / "oom_score_adj", process / "timerslack_ns"
    before = score.read_text(), slack.read_text()
    with opened(state) as undo:
        undo.write(str(score), "500")
        undo.write(str(slack), "70000")
        assert (score.read_text(), slack.read_text()) == ("500\n", "70000\n")
        with pytest.raises(AgentError, match="oom_score_adj: writing '5000': Invalid argument"):
            undo.write(str(score), "5000")
        undo.undo()
        assert (score.read_text(), slack.read_text()) == before


def test_a_value_to_put_back_may_be_given(state, process):
    """As for a cgroup's "+memory", which "-memory" undoes, or DAMON's nr_kdamonds."""
    score = process / "oom_score_adj"
    with opened(state) as undo:
        undo.write(str(score), "300", back="100")
        undo.undo()
        assert score.read_text() == "100\n"


def test_what_is_for_later_is_written_at_the_end_and_may_be_refused(state, process, knobs):
    score = process / "oom_score_adj"
    with opened(state) as undo:
        undo.later(str(knobs[0]), "end")
        undo.later(str(score), "5000")  # refused
        undo.later("/nowhere/at/all", "1")
        assert values(knobs) == ["old"] * 3
        done, failed = undo.undo()
    assert (done, failed) == ([f"{knobs[0]} is end again"], [])
    assert knobs[0].read_text() == "end"
    assert score.read_text() == "0\n"


def test_a_restoration_that_fails_is_told_and_the_others_are_done(state, process, knobs, tmp_path):
    score = process / "oom_score_adj"
    made = tmp_path / "made"
    with opened(state) as undo:
        undo.write(str(knobs[0]), "new")
        undo.write(str(score), "200", back="9999")  # the kernel takes 1000 at most
        undo.make_directory(str(made))
        (made / "occupied").touch()
        undo.write(str(knobs[1]), "new")
        done, failed = undo.undo()
    assert done == [f"{knobs[1]} is old again", f"{knobs[0]} is old again"]
    assert len(failed) == 2
    assert failed[0].startswith(f"{made} could not be put back: ")
    assert failed[1].startswith(f"{score} could not be put back: ")
    assert "Invalid argument" in failed[1]


def test_a_knob_that_is_gone_needs_nothing(state, knobs):
    with opened(state) as undo:
        undo.write(str(knobs[0]), "new")
        undo.write(str(knobs[1]), "new")
        knobs[1].unlink()
        assert undo.undo() == ([f"{knobs[0]} is old again"], [])


def test_what_cannot_be_read_or_made_is_an_error(state, tmp_path):
    (tmp_path / "made").mkdir()
    with opened(state) as undo:
        with pytest.raises(AgentError, match="nowhere: No such file"):
            undo.write(str(tmp_path / "nowhere"), "1")
        with pytest.raises(AgentError, match="missing/inner: No such file"):
            undo.make_directory(str(tmp_path / "missing/inner"))
        # Somebody else's directory: whoever calls ends, and what is announced is undone by rmdir,
        # which leaves a directory in use where it is.
        (tmp_path / "made/theirs").touch()
        with pytest.raises(AgentError, match="made: File exists"):
            undo.make_directory(str(tmp_path / "made"))
        undo.undo()
    assert (tmp_path / "made/theirs").exists()


def left(state, *lines, boot_id=None):
    """What a dead agent left, line by line."""
    state.mkdir()
    own = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    header = json.dumps({"schema_version": 1, "boot_id": boot_id or own})
    (state / "undo.jsonl").write_bytes(
        b"".join(
            line if isinstance(line, bytes) else line.encode() + b"\n" for line in (header, *lines)
        )
    )


def entry(path, text="old"):
    return json.dumps({"write": str(path), "text": text})


def test_what_a_dead_agent_left_is_put_back_and_told(state, knobs):
    left(state, entry(knobs[0], "abc"), entry(knobs[1], "def"))
    with opened(state) as undo:
        assert undo.told == [f"{knobs[1]} is def again", f"{knobs[0]} is abc again"]
    assert values(knobs) == ["abc", "def", "old"]


@pytest.mark.parametrize(
    "torn",
    [
        b'{"write": "/nowhere/at/all", "te',
        b'{"write": "/nowhere/at/all"}\n',
        b"{}\n",
        b"7\n",
        b"[1]\n",
        b"null\n",
        b"\n",
        b"\0\0\0\0",
        b"\xff\xfe\x80",
        b'{"write": "\xff',
    ],
)
def test_a_torn_last_line_does_not_keep_the_others(state, knobs, torn):
    """A line that did not reach the disk announces what was not done."""
    left(state, entry(knobs[0], "abc"), torn)
    with opened(state) as undo:
        assert undo.told == [f"{knobs[0]} is abc again"]
        assert not (state / "undo.jsonl").exists()


@given(cut=st.integers(0, 400))
def test_a_file_cut_anywhere_undoes_what_is_whole(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("cut")
    knobs = [folder / str(number) for number in range(3)]
    for knob in knobs:
        knob.write_text("new")
    left(folder / "state", *map(entry, knobs))
    file = folder / "state/undo.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:cut])
    # The last of the lines may lack its end of line: it is whole all the same.
    expected = max(0, (whole[:cut] + b"\n").count(b"}\n") - 1)
    with opened(folder / "state") as undo:
        assert len(undo.told) == expected
    assert values(knobs) == ["old"] * expected + ["new"] * (3 - expected)


def test_after_a_reboot_nothing_is_written(state, knobs):
    other = "0f0f0f0f-0000-4000-8000-000000000000"
    left(state, entry(knobs[0], "abc"), json.dumps({"rmdir": str(state)}), boot_id=other)
    with opened(state) as undo:
        assert undo.told == []
        assert not (state / "undo.jsonl").exists()
        undo.write(str(knobs[1]), "new")
    assert values(knobs) == ["old"] * 3


def test_without_a_whole_first_line_nobody_knows_which_boot(state, knobs):
    state.mkdir()
    (state / "undo.jsonl").write_text('{"boot_i\n' + entry(knobs[0], "abc") + "\n")
    with opened(state) as undo:
        assert undo.told == []
    assert values(knobs) == ["old"] * 3
