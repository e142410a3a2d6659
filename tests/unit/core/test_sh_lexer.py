"""Drop-ins as sh reads them; the table is of research: each was run through real grub-mkconfig."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.grub_quote import sh_word
from hotkit.core.sh_lexer import source
from hotkit.errors import HotkitError


@pytest.mark.parametrize(
    ("written", "in_grub_cfg"),
    [
        ('"memmap=100M$5324M"', "memmap=100M324M"),
        ('"memmap=256M$1G"', "memmap=256M/usr/sbin/grub-probeG"),
        ('"memmap=100M\\$5324M"', "memmap=100M$5324M"),
        ('"memmap=100M\\\\$5324M"', "memmap=100M\\324M"),
        ('"memmap=100M\\\\\\$5324M"', "memmap=100M\\$5324M"),
        ("'memmap=100M\\$5324M'", "memmap=100M\\$5324M"),
        ("'memmap=100M$5324M'", "memmap=100M$5324M"),
        ("'memmap=100M\\\\\\$5324M'", "memmap=100M\\\\\\$5324M"),
        ("a\\$b'c d'\"$Y ${Y} \\x\"", "a$bc dyes yes \\x"),
        ("", ""),
        ("a$", "a$"),
        ("a\\\nb", "ab"),
        ('"a\\\nb"', "ab"),
        ('"a\\"b\\`c\\zd"', 'a"b`c\\zd'),
        ('"$Y"$Z"${Y}x"', "yesyesx"),
        ("a~b", "a~b"),
        ("aX~b", "aX~b"),
        ("${2}", "dummy"),
        ("$3$0", ""),
        ("${9}", ""),
        ("a#b", "a#b"),
    ],
)
def test_assignment(written: str, in_grub_cfg: str) -> None:
    assert source(f"# comment\nY=yes; export X={written} # more\n")["X"] == in_grub_cfg


def test_a_commands_output_is_unknown() -> None:
    text = 'A=`lsb_release -i -s 2> /dev/null || echo Debian`\nB="$(date)"\nC=1\n'
    assert source(text, {"A": "old"}) == {"C": "1"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("A=1\nif true; then B=2; fi\n", "line 2"),
        ("A='open\n", "never closed"),
        ('A="open\n', "never closed"),
        ("A=${B:-c}\n", "operator"),
        ("A=(1 2)\n", "command"),
        ("A+=b\n", "line 1: 'A\\+=b' is not an assignment"),
        ("A=1\n\nB=c|d\n", "line 3: '\\|' after the value is a command"),
    ],
)
def test_refused(text: str, what: str) -> None:
    with pytest.raises(HotkitError, match=what):
        source(text)


@pytest.mark.parametrize(
    "value",
    ["`x`", '"`x`"', "$(x)", '"$(x)"', "$`x`", '"$`x`"', "$?", "$$", "$-", "~", "a:~/b", "$@"],
)
def test_what_only_a_shell_knows_is_left_out(value: str) -> None:
    assert source(f"A=1\nB={value}\nC=2", {"B": "before"}) == {"A": "1", "C": "2"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("A='x", "conf, line 1: the single quote is never closed"),
        ('\n\nA="x', "conf, line 3: the double quote is never closed"),
        ("A=1\nB=${C:-d}", "conf, line 2: a ${...} with an operator is not modelled"),
        ("A=1\necho x\nB=2\n", "conf, line 2: 'echo x' is not an assignment"),
        ("A=1\nB=${C:-d}\nD=2\n", "conf, line 2: a ${...} with an operator is not modelled"),
        ("A=1 &", "conf, line 1: '&' is not an assignment"),
        ("A=1&", "conf, line 1: '&' after the value is a command"),
        ("A=1\n  x", "conf, line 2: 'x' is not an assignment"),
    ],
)
def test_what_is_refused_exactly(text: str, error: str) -> None:
    with pytest.raises(HotkitError) as caught:
        source(text, name="conf")
    assert caught.value.message == error


def test_a_file_with_comments_and_lines_that_end_early() -> None:
    assert source("#x\nA=1;B=2 # y\n#z") == {"A": "1", "B": "2"}
    assert source("") == source("\n ;\t\n") == source("# only") == {}
    with pytest.raises(HotkitError, match="^the file, line 1: "):
        source("A")


def test_a_name_of_one_capital_letter() -> None:
    assert source("X=1\nA=$X\nB=${X}X\n") == {"X": "1", "A": "1", "B": "1X"}


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_source_undoes_sh_word(value: str) -> None:
    assert source(f"X={sh_word(value)}\nY=after\n") == {"X": value, "Y": "after"}


def test_a_parameter_beyond_all_is_empty() -> None:
    assert source(f"A=x${{{'9' * 5000}}}y\n") == {"A": "xy"}
