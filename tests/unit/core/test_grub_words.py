"""Words of GRUB's language, piece by piece: kinds, offsets, and where an error stands."""

import pytest

from hotkit.core.grub_words import GrubSyntaxError, Segment, Word, read_word


def test_a_word_knows_its_pieces_and_its_place():
    found = read_word("linux a'b c'$v rest", 6)
    assert found == Word(
        (Segment("text", "a"), Segment("quoted", "b c"), Segment("var", "v")), "a'b c'$v", 6, 14
    )
    assert found.literal is None and found.variables == ("v",)


def test_variables_in_double_quotes():
    assert read_word('"x$a-${b}y"', 0).segments == (
        Segment("quoted", ""), Segment("quoted", "x"), Segment("quoted-var", "a"),
        Segment("quoted", "-"), Segment("quoted-var", "b"), Segment("quoted", "y"),
    )  # fmt: skip
    assert read_word('$"hello"', 0).segments == (Segment("gettext", "hello"),)


def test_backslashes_in_double_quotes():
    """Before $, backslash and quote they go, before anything else they stay."""
    assert read_word(r'"a\x\X\$b\\c\"d"', 0).literal == 'a\\x\\X$b\\c"d'
    assert read_word('"a\\\nb"', 0).literal == "ab"


def test_a_line_that_goes_on():
    assert read_word("a\\\nb", 0).literal == "ab"
    for text in ("a\\\n", "a\\"):
        with pytest.raises(GrubSyntaxError, match=r"column 2: the line goes on behind \\"):
            read_word(text, 0)


def test_a_dollar_that_names_nothing():
    """At the beginning of a word it is the error; later the word ends there."""
    assert read_word("a$-b", 0).raw == "a"
    with pytest.raises(GrubSyntaxError, match=r"column 1: a \$ that names no variable \(write"):
        read_word("$-b", 0)
    with pytest.raises(GrubSyntaxError, match=r"column 3: a \$ in double quotes that names no"):
        read_word('"a$-b"', 0)


@pytest.mark.parametrize("text", ["\nlinux 'open", "\n\nlinux 'open", "linux 'open"])
def test_lines_and_columns_of_errors(text):
    where = f"GRUB script, line {text.count(chr(10)) + 1}, column 7: the single quote is never"
    with pytest.raises(GrubSyntaxError, match=where):
        read_word(text, text.index("'"))


def test_symbols_and_blanks_are_no_words():
    assert [read_word(text, 0) for text in (" a", ";", "{", "", "\n")] == [None] * 5
