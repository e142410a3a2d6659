"""Text of a stranger: what stays of it, to the character."""

import pytest

from hotkit.core.plaintext import plain, plain_line


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("a\tb\n\nc", "a\tb\n\nc"),
        ("a\r\nb\rc", "a\nbc"),
        ("\x1b[1;31mred\x1b[0m, \x1b]0;title\x07\x1bPdata\x1b\\, \x1bM", "red, , "),
        ("left\u202e\u2066right\ufeff\x00", "leftright"),
    ],
)
def test_lines_and_tabs_stay_and_nothing_else_that_moves_a_cursor(text, stays):
    assert plain(text) == stays


@pytest.mark.parametrize(
    ("text", "limit", "line"),
    [
        (" a \n\t b\r\n", 10, "a b"),
        ("1234567890", 10, "1234567890"),
        ("12345678901", 10, "1234567..."),
        ("\x1b[1m1234567890\x1b[0m", 10, "1234567890"),
    ],
)
def test_one_line_of_at_most_so_many_characters(text, limit, line):
    assert plain_line(text, limit=limit) == line


def test_a_line_has_at_most_300_characters():
    assert plain_line("x" * 300) == "x" * 300
    assert plain_line("x" * 301) == "x" * 297 + "..."
