"""The command line, split as the kernel splits it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core import cmdline

WORDS = st.text("abcxyz019=,$%!-_.", min_size=1, max_size=12).filter(lambda word: word != "--")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a b=c", [("a", None), ("b", "c")]),
        ("  a=  b ", [("a", ""), ("b", None)]),
        ('foo="a b" c', [("foo", "a b"), ("c", None)]),
        ('"foo=a b" c', [("foo", "a b"), ("c", None)]),
        ('foo=a" "b', [("foo", 'a" "b')]),
        ('memmap="1G$5G"', [("memmap", "1G$5G")]),
        ('"quoted"', [("quoted", None)]),
        ('x="', [("x", "")]),
        ('a"b"', [('a"b"', None)]),
        ('a=b"c"', [("a", 'b"c"')]),
        ("=x", [("=x", None)]),
        ("a=b=c", [("a", "b=c")]),
        ("a -- memmap=1G", [("a", None)]),
        ("a --=b c", [("a", None), ("--", "b"), ("c", None)]),
        ("", []),
    ],
)
def test_parse(line, expected):
    assert [(item.name, item.value) for item in cmdline.parse(line)] == expected


def test_dash_and_underscore_are_one():
    assert cmdline.values("nr-cpus=4 nr_cpus=2", "nr_cpus") == ("4", "2")
    assert cmdline.values("nr-cpus=4 nr_cpus=2 nrcpus=1", "nr-cpus") == ("4", "2")


@given(st.lists(WORDS, max_size=6))
def test_render_and_parse_give_the_words_back(words):
    line = cmdline.render(words)
    assert [item.text for item in cmdline.parse(line)] == words
    assert not cmdline.difference(words, line)


@pytest.mark.parametrize("word", ["", "a b", 'x="1"', "a\\$b", "it's", "ä", "a\tb"])
def test_render_refuses_what_does_not_travel(word):
    with pytest.raises(ValueError, match="cannot be a kernel argument"):
        cmdline.render([word])


def test_a_difference_is_one_to_either_side():
    assert cmdline.difference(["a"], "")
    assert cmdline.difference([], "a")
    assert not cmdline.difference(["a"], "a")


def test_difference_counts_repeats():
    found = cmdline.difference(["a", "b", "b"], "b c a")
    assert found.missing == ("b",)
    assert found.unexpected == ("c",)


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        ("quiet", None),
        ("maxcpus=4", 4),
        ("maxcpus=0", 1),
        ("nosmp", 1),
        ("maxcpus=4 nr_cpus=2", 2),
        ("nr_cpus=8 maxcpus=36", 8),
        ("maxcpus=0x10", 16),
        ("maxcpus=four", 1),  # reads as 0
        ("maxcpus=-1", None),
        ("maxcpus=", None),
        ("maxcpus=2 maxcpus=6", 6),
        ("nr_cpus=6 nr_cpus=2", 2),
        ("nr_cpus=2 nr_cpus=6", 2),
        ("nr_cpus=1", 1),
        ("nr_cpus=0", None),
        ("nr_cpus nr_cpus= nr_cpus=3", 3),
    ],
)
def test_cpu_limit(line, limit):
    assert cmdline.cpu_limit(line) == limit


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *((word, True) for word in ("y", "Y", "yes", "1", "1x", "on", "On", "ON", "oN")),
        *((word, False) for word in ("n", "N", "no", "0", "01", "off", "Off", "OF")),
        *((word, None) for word in (None, "", "o", "2", "force", " 1", "x", "xx", "true")),
    ],
)
def test_yes_or_no(value, said):
    assert cmdline.yes_or_no(value) is said
