"""Which spelling made a text, with what was found and in which order, to the character."""

from __future__ import annotations

import pytest

from hotkit.core.spellings import SPELLINGS, Match, Spelling, derive


def shown(argument, following, cmdline):
    found = derive(argument, following, cmdline)
    assert all(item.argument == argument and item.spelling in SPELLINGS for item in found)
    return [(item.spelling.form, item.spelling.where, item.found, item.title) for item in found]


def test_a_spelling_stands_for_each_dollar():
    spelling = Spelling(r"\$", "'", "menuentry", "why")
    assert spelling.spell("a$1,b$2") == r"a\$1,b\$2"
    assert spelling.form == r"'\$'"


def test_a_match_holds_all_of_it():
    assert derive("memmap=1M$5G", "ro", "quiet memmap=1M\\$5G ro") == (
        Match(SPELLINGS[-1], "memmap=1M$5G", "memmap=1M\\$5G", None),
    )


LEAVES_G = "memmap=1MG"  # GRUB and sh read $5, which is nothing
ALL_THAT_LOSE_5 = [
    ("$", "menuentry"), ('"$"', "menuentry"), ('"$"', "default_grub"), (r'"\$"', "default_grub"),
    (r'"\\$"', "default_grub"), ("'$'", "default_grub"),
]  # fmt: skip


@pytest.mark.parametrize("around", ["{}", "quiet {}", "{} ro", "a\t{}\tb", "xmemmap=1MG {}"])
def test_an_argument_stands_by_itself(around):
    expected = [(*form, LEAVES_G, None) for form in ALL_THAT_LOSE_5]
    assert shown("memmap=1M$5G", "ro", around.format(LEAVES_G)) == expected


@pytest.mark.parametrize("around", ["x{}", "{}x", "-{},"])
def test_a_part_of_another_one_is_no_evidence(around):
    assert shown("memmap=1M$5G", "ro", around.format(LEAVES_G)) == []


BY_TITLE = [
    ("$", "menuentry"), ('"$"', "menuentry"), (r'"\$"', "default_grub"), ("'$'", "default_grub"),
]  # fmt: skip


@pytest.mark.parametrize("title", ["T", "Debian GNU/Linux", "a b c", "T/", "-x"])
def test_a_title_in_two_places_is_the_same_one(title):
    arrived = f"memmap=1M{title}G,2M{title}G"
    expected = [(*form, arrived, title) for form in BY_TITLE]
    assert shown("memmap=1M$1G,2M$1G", "ro", f"ro {arrived} x") == expected
    assert shown("memmap=1M$1G,2M$1G", "ro", f"ro memmap=1M{title}G,2MxG x") == []


@pytest.mark.parametrize("title", ["", "/T", "$T", "\\T", 'a"b', "a\\", "a\\b"])
def test_what_is_no_title(title):
    found = shown("memmap=1M$1G", "ro", f"memmap=1M{title}G")
    assert all(item[3] is None for item in found)


def test_a_title_with_a_space_inside_quotes_quotes_the_argument():
    arrived = '"memmap=1Ma bG,2Ma bG"'
    assert shown("memmap=1M$1G,2M$1G", "ro", f"{arrived} x") == [
        ('"$"', "menuentry", arrived, "a b")
    ]


def test_text_to_the_letter_goes_before_a_guessed_title():
    """blscfg glues the next argument on; as a title it would be `size=2`."""
    arrived = "memmap=1Msize=2G"
    assert shown("memmap=1M$1G", "size=2G", f"{arrived} ro") == [
        ("$", "bls", arrived, None),
        (r"\$", "bls", arrived, None),
        *((*form, arrived, "size=2") for form in BY_TITLE),
    ]


def test_one_spelling_may_have_made_two_texts():
    """sh has parameters under grub-mkconfig, and none elsewhere."""
    with_it, without = "memmap=1M/usr/sbin/grub-probeG", "memmap=1MG"
    expected = [
        (form, "default_grub", text, None) for form in ('"$"', r'"\\$"')
        for text in (with_it, without)
    ]  # fmt: skip
    assert shown("memmap=1M$1G", "ro", f"{with_it} {without}") == expected


@pytest.mark.parametrize(
    ("argument", "following", "arrived", "spellings"),
    [
        # A name of digits, letters and _ goes, and one space behind it.
        ("a=$1_Zz9-x", "ro", "a=-x ro", ["$", r"\$"]),
        ("a=$1_Zz9", "ro", "a=ro", ["$", r"\$"]),
        # One character between two names is lost, also a backslash.
        ("a=$b$c,d", "", "a=,d", ["$", r"\$"]),
        ("a=$b,$c", "ro", "a=ro", ["$"]),
        ("a=$b", "-c", "a=-c", ["$", r"\$"]),
        ("a=$b,c", "ro", "a=,c ro", ["$", r"\$"]),
    ],
)
def test_what_blscfg_eats(argument, following, arrived, spellings):
    found = shown(argument, following, f"x {arrived} y")
    assert [item[0] for item in found if item[1] == "bls"] == spellings


@pytest.mark.parametrize(
    ("arrived", "forms"),
    [
        (
            r"memmap=1M\\$5G",
            [(r"\\\$", "menuentry"), (r'"\\\$"', "menuentry"), (r"'\$'", "menuentry"),
             (r"'\\\$'", "default_grub")],
        ),
        (r"memmap=1M\\G", [(r"\\$", "menuentry"), (r'"\\$"', "menuentry")]),
        (r"memmap=1M\$5G", [(r"\$", "as-is")]),
        (r"memmap=1M\\\\$5G", []),
    ],
)  # fmt: skip
def test_backslashes_that_stayed(arrived, forms):
    """The loader doubles each one."""
    assert shown("memmap=1M$5G", "ro", arrived) == [(*form, arrived, None) for form in forms]


@pytest.mark.parametrize("argument", ["x=$(a)", "x=$(a", "x=`a`$1"])
def test_what_needs_a_commands_output_is_no_spelling(argument):
    """sh would run `a`, and nobody knows what it says."""
    found = shown(argument, "ro", argument.replace("$", r"\$"))
    assert [item[:2] for item in found] == [(r"\$", "as-is")]


def test_what_grub_or_sh_would_refuse_is_no_spelling():
    assert shown("x=$;;y", "ro", r"x=\$;;y") == [(r"\$", "as-is", r"x=\$;;y", None)]


def test_without_a_dollar_nothing_is_looked_for():
    """GRUB ends a command at a semicolon."""
    assert derive("x=1;2", "ro", "x=1") == ()


def test_one_that_arrived_as_it_should_explains_itself():
    both = "memmap=1M$5G memmap=1MG"
    assert derive("memmap=1M$5G", "ro", both) == ()
    assert derive("memmap=1M$5G", "ro", f"x{both}") != ()
