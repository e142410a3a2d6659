"""debugfs lru_gen: captured text (tests/data/trackers), and what damage does to it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.agent.lru_gen import Generation, Lruvec, parse_lru_gen

DATA = Path(__file__).resolve().parents[2] / "data" / "trackers"
TEXT = (DATA / "lru_gen.txt").read_text()
FULL = (DATA / "lru_gen_full.txt").read_text()


def test_captured():
    found, damaged = parse_lru_gen(TEXT)
    assert damaged == 0
    assert [(item.memcg_id, item.path, item.node) for item in found] == [
        (1, "/", 0),
        (1, "/", 1),
        (12, "/hotkit-capture", 0),
        (12, "/hotkit-capture", 1),
    ]
    assert found[0].generations == [
        Generation(0, 1426650, 0, 0),
        Generation(1, 1426650, 0, 1147),
        Generation(2, 1426650, 0, 0),
        Generation(3, 1426650, 339, 3682),
    ]
    # Aged twice: numbers move on, the oldest fall away.
    assert [one.number for one in found[3].generations] == [2, 3, 4, 5]
    assert found[2].generations[-1] == Generation(3, 1300, 4609, 0)


def test_captured_full_text_has_the_same_generations():
    """The lines of refaults and of the walk's statistics are no generations."""
    found, damaged = parse_lru_gen(FULL)
    assert damaged == 0
    plain = parse_lru_gen(TEXT)[0][2:]
    assert [(item.path, item.node) for item in found] == [(item.path, item.node) for item in plain]
    for one, other in zip(found, plain, strict=True):
        assert [(g.number, g.anon, g.file) for g in one.generations] == [
            (g.number, g.anon, g.file) for g in other.generations
        ]


def test_full_text_marks_what_is_gone():
    """mm/vmscan.c, lru_gen_seq_show: an x after the count of a type whose oldest is younger."""
    text = "memcg     1 /\n node     0\n          0       1340          0x          7 \n"
    assert parse_lru_gen(text) == ([Lruvec(1, "/", 0, [Generation(0, 1340, 0, 7)])], 0)


def test_minus_zero():
    """Documentation/admin-guide/mm/multigen_lru.rst has counts like this in its example."""
    text = "memcg 7 /a\n node 0\n 679 7000 -0 12\n 680 1 32 -0\n"
    assert parse_lru_gen(text) == (
        [Lruvec(7, "/a", 0, [Generation(679, 7000, 0, 12), Generation(680, 1, 32, 0)])],
        0,
    )


def test_a_path_with_blanks_and_none():
    """A cgroup may be called anything; without CONFIG_MEMCG there is no path."""
    text = "memcg     9 /a b  c/d\n node 0\n 1 2 3 4\nmemcg     0 \n node 0\n 1 2 3 4\n"
    found, damaged = parse_lru_gen(text)
    assert damaged == 0
    assert [item.path for item in found] == ["/a b  c/d", "/"]


def test_nothing():
    assert parse_lru_gen("") == ([], 0)
    assert parse_lru_gen("\n \n") == ([], 0)


@pytest.mark.parametrize("instead", ["memcg    1? /hotkit-capture", "memcg", "cg 12 /x", "\0"])
def test_what_follows_a_damaged_line_is_not_the_memcg_s_before_it(instead):
    """Else a workload's aging would be told of another's pages."""
    line = "memcg    12 /hotkit-capture"
    assert TEXT.count(line) == 1
    found, damaged = parse_lru_gen(TEXT.replace(line, instead))
    assert found == parse_lru_gen(TEXT)[0][:2]
    assert damaged == 1 + 2 * (1 + 4)


def test_what_follows_a_damaged_node_is_not_the_node_s_before_it():
    found, damaged = parse_lru_gen(TEXT.replace(" node     1", " node     !", 1))
    assert [(item.path, item.node) for item in found] == [
        ("/", 0), ("/hotkit-capture", 0), ("/hotkit-capture", 1)
    ]  # fmt: skip
    assert [one.number for one in found[0].generations] == [0, 1, 2, 3]
    assert damaged == 5


@pytest.mark.parametrize("bad", ["2 1300 7", "2", "x", "2 1300 - 7", "2 1300 a 7", "1 1300 0 7"])
def test_a_damaged_generation_is_counted_and_left_out(bad):
    """The last one is a second generation 1."""
    text = f"memcg 1 /\n node 0\n 1 1300 5 6\n {bad}\n 3 1200 8 9\n"
    found, damaged = parse_lru_gen(text)
    assert found == [Lruvec(1, "/", 0, [Generation(1, 1300, 5, 6), Generation(3, 1200, 8, 9)])]
    assert damaged == 1


def test_a_node_or_a_generation_of_nobody():
    assert parse_lru_gen(" node 0\n 1 2 3 4\n") == ([], 2)
    assert parse_lru_gen("memcg 1 /\n 1 2 3 4\n") == ([], 1)


@given(st.sampled_from([TEXT, FULL]), st.data())
def test_text_that_ends_anywhere(text, data):
    """Everything before the torn line is as in the whole text."""
    cut = data.draw(st.integers(0, len(text)))
    whole = parse_lru_gen(text)[0]
    found, damaged = parse_lru_gen(text[:cut].rpartition("\n")[0])
    assert damaged == 0
    assert all(a.generations == b.generations for a, b in zip(found[:-1], whole, strict=False))
    if found:
        last = whole[len(found) - 1]
        assert found[-1].generations == last.generations[: len(found[-1].generations)]
    torn, damaged = parse_lru_gen(text[:cut])
    assert damaged <= 1
    assert len(torn) <= len(whole)


@given(st.data())
def test_characters_that_change_raise_nothing(data):
    text = list(TEXT)
    for place in data.draw(st.lists(st.integers(0, len(text) - 1), max_size=20)):
        text[place] = data.draw(st.characters())
    found, damaged = parse_lru_gen("".join(text))
    assert damaged >= 0
    for item in found:
        numbers = [one.number for one in item.generations]
        assert numbers == sorted(set(numbers))
