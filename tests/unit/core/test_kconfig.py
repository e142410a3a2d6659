"""Fragments have a reason per line; what Kconfig dropped is found."""

from pathlib import Path

import pytest

from hotkit.core.kconfig import (
    Option,
    Unmet,
    merged,
    parse_config,
    parse_fragment,
    render,
    unmet,
)
from hotkit.errors import HotkitError

FRAGMENTS = sorted((Path(__file__).resolve().parents[3] / "kernel/config").glob("*.config"))


@pytest.mark.parametrize("file", FRAGMENTS, ids=lambda path: path.name)
def test_every_line_of_ours_has_a_reason(file):
    options = parse_fragment(file.read_text(), file.name)
    if file.stem in ("lab", "host"):
        assert {"HOTKIT", "DAMON", "DEBUG_FS", "DEBUG_TLBFLUSH"} <= {o.name for o in options}
    assert all(item.reason for item in options)


def test_reads_and_renders():
    text = '# head\n\nDAMON=y  # why\nVT=n # no screen\nKEYS=""  # none\nNR=64   # CPUs\n'
    options = parse_fragment(text, "f")
    assert [(item.name, item.value) for item in options] == [
        ("DAMON", "y"), ("VT", "n"), ("KEYS", '""'), ("NR", "64"),
    ]  # fmt: skip
    assert render(options) == (
        'CONFIG_DAMON=y\n# CONFIG_VT is not set\nCONFIG_KEYS=""\nCONFIG_NR=64\n'
    )
    assert unmet(options, parse_config(render(options))) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("DAMON=y\n", "f:1: 'DAMON=y' is not like"),
        ("# x\nDAMON  # why\n", "f:2: "),
        ("A=y # b\nA=n # c\n", "f:2: A stands there twice"),
        ("A=y #\n", "f:1: "),
    ],
)
def test_refused(text, words):
    with pytest.raises(HotkitError) as caught:
        parse_fragment(text, "f")
    assert words in caught.value.message


def test_the_later_fragment_has_the_last_word():
    first = parse_fragment("A=y # a\nB=y # b\n", "1")
    both = merged(first, parse_fragment("B=n # c\nC=y # d\n", "2"))
    assert [(o.name, o.value) for o in both] == [("A", "y"), ("B", "n"), ("C", "y")]


def test_what_did_not_come_out():
    def option(name, value):
        return Option(name, value, "because")

    config = parse_config("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_M=y\nCONFIG_N=8\n")
    assert config == {"A": "y", "B": "n", "M": "y", "N": "8"}
    held = [option("A", "y"), option("B", "n"), option("GONE", "n"), option("M", "m")]
    assert unmet(held, config) == ()
    found = unmet([option("B", "y"), option("N", "64"), option("GONE", "y")], config)
    assert [item.option.name for item in found] == ["B", "N", "GONE"]
    assert found[1].sentence == "CONFIG_N=64 is wanted (because), 8 came out"


def test_a_text_that_is_not_there_is_empty():
    """SYSTEM_REVOCATION_KEYS="" where SYSTEM_REVOCATION_LIST is off: Kconfig leaves it out."""
    wanted = [Option("KEYS", '""', "because")]
    assert unmet(wanted, {}) == () == unmet(wanted, {"KEYS": '""'})
    assert unmet(wanted, {"KEYS": '"debian/certs/x.pem"'})


def test_an_option_is_read_with_its_reason_and_refused_with_a_hint():
    (option,) = parse_fragment('  CONFIG_NAME="a # b"  #  why: a = b \n', "f")
    assert option == Option(name="NAME", value='"a # b"', reason="why: a = b")
    for text in ("A=y", "A=y z # why", "A = y # why"):
        with pytest.raises(HotkitError) as caught:
            parse_fragment(f"\n{text}\n", "f")
        assert caught.value.message == f"f:2: {text!r} is not like `OPTION=value  # why`"
        assert caught.value.hint == "each option says why it is there"


def test_comments_and_empty_lines_do_not_end_a_fragment():
    options = parse_fragment("A=y # a\n\n   \n  # comment\nB=m # b\n", "f")
    assert [option.name for option in options] == ["A", "B"]


def test_of_a_config_whole_lines_count():
    text = 'CONFIG_A=y\n#CONFIG_B=y\n CONFIG_C=y\n# CONFIG_D is not set yet\nCONFIG_E="x=1"\n'
    assert parse_config(text + "# CONFIG_F is not set\nCONFIG_G=") == {
        "A": "y", "E": '"x=1"', "F": "n", "G": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "found", "met"),
    [
        ("m", "y", True), ("y", "m", False), ("m", "n", False), ("n", "y", False),
        ("8", "y", False), ("n", None, True), ("m", None, False), ("y", None, False),
        ('"x"', None, False),
    ],
)  # fmt: skip
def test_which_value_is_as_good_as_another(wanted, found, met):
    option = Option("A", wanted, "because")
    config = {} if found is None else {"A": found}
    assert unmet([option], config) == (() if met else (Unmet(option, found or "n"),))
