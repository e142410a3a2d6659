"""GRUB's lexer: the fixed table of spellings, and what is refused where."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.grub_eval import GrubEnv, expand, kernel_cmdline, loader_cmdline, run_script
from hotkit.core.grub_lexer import Command, parse, walk
from hotkit.core.grub_quote import grub_word
from hotkit.core.grub_words import GrubSyntaxError
from hotkit.errors import HotkitError

TITLE = "hotkit-unescaped"


@pytest.mark.parametrize(
    ("written", "arrives"),
    [
        ("memmap=127796M$5324M", "memmap=127796MM"),
        ("memmap=512M$1G", "memmap=512Mhotkit-unescapedG"),  # $1 is the entry's title
        ("memmap=1G\\$5G", "memmap=1G$5G"),
        ("memmap=1G\\\\$5G", "memmap=1G\\\\G"),
        ("'memmap=1G$5G'", "memmap=1G$5G"),
        ("'memmap=1G\\$5G'", "memmap=1G\\\\$5G"),
        ('"memmap=1G$5G"', "memmap=1GG"),
        ('"memmap=1G\\$5G"', "memmap=1G$5G"),
        ('"memmap=512M\\\\\\$1G"', "memmap=512M\\\\$1G"),
        ("memmap=512M%1G-1+2", "memmap=512M%1G-1+2"),
        ("memmap=1G#5G,1G!9G,1G@2G", "memmap=1G#5G,1G!9G,1G@2G"),
        ('bar=\\"q\\"', 'bar=\\"q\\"'),
        ("'dyndbg=file a +p'", '"dyndbg=file a +p"'),
        ("$nothing maxcpus=4", "maxcpus=4"),
        ("$v", "1G\\\\$5G"),  # the value of a variable is not scanned again
        ("a\\\n b", "a b"),
        ("a # the rest", "a"),
        ("${10}x $# $@", "x 1 hotkit-unescaped"),
    ],
)
def test_linux_line(written: str, arrives: str) -> None:
    script = f"set v='1G\\$5G'\nlinux /k {written}\n"
    assert kernel_cmdline(script, params=(TITLE,)) == f"BOOT_IMAGE=/k {arrives}"


@pytest.mark.parametrize(
    ("script", "where", "what"),
    [
        ("linux 'open", "line 1, column 7", "never closed"),
        ('a\nlinux "open', "line 2, column 7", "never closed"),
        ("linux a$-b", "line 1, column 8", "names no variable"),
        ('linux "a$-b"', "line 1, column 9", "names no variable"),
        ("linux a{b", "line 1, column 10", "command"),
        ("menuentry x { }", "line 1, column 15", "command"),
        ("menuentry x {\na", "line 2, column 2", "end of the script"),
        ("a ;; b", "line 1, column 3", "';;'"),
        ("a | b", "line 1, column 3", "'|'"),
        ("if a; then b; ", "line 1, column 15", "end of the script"),
        ("if a\nthen\nfi", "line 3, column 1", "'fi'"),
        ("for 1 in a; do b; done", "line 1, column 5", "variable's name"),
        ("function f { a }", "line 1, column 16", "line end"),
        ("menuentry x {\nfunction f { a; }\n}", "line 2, column 1", "'function'"),
        ("echo [[", "line 1, column 6", "'[['"),
        ("done", "line 1, column 1", "'done'"),
        ("a \\", "line 1, column 3", "script ends"),
    ],
)
def test_refused(script: str, where: str, what: str) -> None:
    with pytest.raises(GrubSyntaxError) as caught:
        parse(script)
    assert where in caught.value.message
    assert what in caught.value.message


def test_reserved_words_are_arguments_too() -> None:
    (command,) = parse("echo if then fi do done { a }")
    assert isinstance(command, Command)
    assert command.block is not None
    assert [word.raw for word in command.words] == ["echo", "if", "then", "fi", "do", "done"]
    assert [item.name for item in walk((command,))] == ["echo", "a"]
    assert [item.name for item in walk((command,), blocks=False)] == ["echo"]


def test_quoting_makes_an_empty_argument_and_nothing_else_does() -> None:
    (command,) = parse('a \'\' "" $x "$x" \\\n \'b\'""c')
    assert isinstance(command, Command)
    assert expand(command.words, GrubEnv()) == ["a", "", "", "", "bc"]
    assert expand(command.words, GrubEnv({"x": " 1  2 "})) == [
        "a", "", "", "1", "2", " 1  2 ", "bc",
    ]  # fmt: skip


def test_translated_strings() -> None:
    assert run_script('linux /k $"a b"').linux == ["/k", "a b"]
    with pytest.raises(HotkitError, match="translated"):
        run_script('linux /k $"a $b"')


def test_loader_cmdline() -> None:
    assert loader_cmdline(["/k", "a b", "c\\d", "it's", '"']) == '/k "a b" c\\\\d it\\\'s \\"'


def test_a_boot_that_only_the_machine_decides_is_refused() -> None:
    with pytest.raises(HotkitError, match="depends on the machine"):
        run_script("if [ -f /x ]; then linux /a; else linux /b; fi")
    with pytest.raises(HotkitError, match="depends on the machine"):
        run_script("if search --file /x; then linux /a; fi")
    assert run_script("if [ -f /x ]; then insmod a; fi\nlinux /b").linux == ["/b"]


def test_a_function_that_never_ends_is_refused() -> None:
    with pytest.raises(HotkitError, match="without end"):
        run_script("function f {\n f\n}\nf\n")


def test_a_script_without_linux_has_no_command_line() -> None:
    with pytest.raises(HotkitError, match="no linux"):
        kernel_cmdline("echo linux")


# Any text that a word can hold: no line ends, which grub_word refuses.
texts = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]))


@given(st.lists(texts))
def test_lexer_undoes_grub_word(values: list[str]) -> None:
    line = "echo " + " ".join(grub_word(item) for item in values)
    (command,) = parse(line + "\n")
    assert isinstance(command, Command)
    assert [word.literal for word in command.words[1:]] == values
    env = GrubEnv(dict.fromkeys("abcdefgh", "x"), params=("the title", "two"))
    assert expand(command.words[1:], env) == values


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("if true; then\n" * 1000, "nested too deep"),
        ("menuentry a {\n" * 1000, "nested too deep"),
        ("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do set a=x$a$a; done\necho $a",
         "a word of it grows"),
        ("function a { true; true; true; true; true; true; }\n"
         + "".join(f"function {b} {{ {' '.join([a + ';'] * 6)} }}\n"
                   for a, b in itertools.pairwise("abcdefgh")) + "h\n",
         "does not come to an end"),
    ],
)  # fmt: skip
def test_a_script_without_bounds_is_refused(script: str, what: str) -> None:
    """Found by fuzzing: Python's stack, memory and an hour of time were used up."""
    with pytest.raises(HotkitError, match=what):
        run_script(script)


def test_functions_nested_in_blocks_are_followed_as_far_as_python_does() -> None:
    inner = "if true; then " * 60 + "f; " + "fi; " * 60
    with pytest.raises(HotkitError, match="nested too deep to be followed|calls itself"):
        run_script(f"function f {{ {inner} }}\nf\n")


def test_a_parameter_beyond_all_is_empty() -> None:
    assert expand([parse(f"${{{'9' * 5000}}}x")[0].words[0]], GrubEnv({}, ("a",))) == ["x"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("script", "boots"),
    [
        # Branches: the first condition that holds, else the rest.
        ("if [ a = b ]; then linux /1; elif [ a == a ]; then linux /2; else linux /3; fi", "/2"),
        ("if false; then linux /1; elif false; then linux /2; else linux /3; fi", "/3"),
        ("if ! false; then linux /1; fi", "/1"),
        ("if ! true; then linux /1; fi; linux /2", "/2"),
        # The tests of strings, and of the grubenv, which is there.
        ("if [ a != b ]; then linux /1; fi", "/1"),
        ('if [ -z "" -a -n x ]; then linux /1; fi', "/1"),
        ('if [ -n "" ]; then linux /1; else linux /2; fi', "/2"),
        ("if test x; then linux /1; fi", "/1"),
        ('if [ "" ]; then linux /1; else linux /2; fi', "/2"),
        ("if [ ]; then linux /1; else linux /2; fi", "/2"),
        ("if [ ! -s $prefix/grubenv ]; then linux /1; else linux /2; fi", "/2"),
        # Loops and functions.
        ("for i in 1 2 3; do linux /$i; done", "/3"),
        ("for i in; do linux /1; done; linux /2", "/2"),
        ("function f { linux /$1$2 $#; }\nf a b", "/ab"),
        ("function f { false; }\nif f; then linux /1; else linux /2; fi", "/2"),
        # Variables.
        ("set a=/x; linux $a", "/x"),
        ("a=/x; linux $a", "/x"),
        ("set a=/x; unset a; linux /y$a", "/y"),
        ("false; linux /$?", "/1"),
        ("menuentry m { linux /m; }; linux /k", "/k"),
    ],
)
def test_what_a_script_boots(script: str, boots: str) -> None:
    found = run_script(script).linux
    assert found is not None and found[0] == boots


@pytest.mark.parametrize(
    "script",
    [
        "while true; do linux /1; done",
        "until search x; do linux /1; done",
        "if [ -d /x ]; then linux /1; fi",
        "if [ ! -f /x ]; then linux /1; fi",
        "if [ -f /x -a a = a ]; then linux /1; fi",
        "if ! search x; then linux /1; fi",
        "if true; then if search x; then insmod y; else linux /1; fi; fi",
    ],
)
def test_what_only_the_machine_decides(script: str) -> None:
    with pytest.raises(HotkitError, match="depends on the machine"):
        run_script(script)


def test_a_loop_without_a_boot_in_it_is_passed_over() -> None:
    assert run_script("while search x; do insmod y; done; linux /1").linux == ["/1"]


def test_every_command_is_walked_in_order() -> None:
    text = (
        "a; if b; then c; elif d; then e; else f; fi; while g; do h; done; for x in 1; do i; done\n"
        "function z { j; }\nmenuentry m { k; }\n"
    )
    names = [command.name for command in walk(parse(text))]
    assert names == ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "menuentry", "k"]
    assert "k" not in [command.name for command in walk(parse(text), blocks=False)]


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("for 1 in a; do b; done", "a variable's name should stand here"),
        ("for x of a; do b; done", "'in' should stand here"),
        ("for x in a do b; done", "unexpected 'done': 'do' should stand here"),
        ("while a; b; done", "unexpected 'done'"),
        ("if a; then b; else c; done", "unexpected 'done'"),
        ("function f a; }", "'{' should stand here"),
        ("; a", "a command should stand here"),
        ("fi", "unexpected 'fi'"),
        ("menuentry a {", "unexpected end|should stand here"),
    ],
)
def test_no_script(script: str, what: str) -> None:
    with pytest.raises(GrubSyntaxError, match=what):
        parse(script)
