"""Commands of GRUB's language: what they are made of, where they stand, what is missing."""

import pytest

from hotkit.core.grub_lexer import Command, Function, If, Loop, parse, walk
from hotkit.core.grub_words import GrubSyntaxError


def names(nodes):
    return [command.name for command in nodes]


def test_a_command_covers_its_block():
    text = "set a; menuentry x { linux y } ; end"
    first, entry, last = parse(text)
    assert text[first.start : first.end] == "set a"
    assert text[entry.start : entry.end] == "menuentry x { linux y }"
    assert text[entry.block.start : entry.block.end] == " linux y "
    assert text[last.start : last.end] == "end" and last.block is None
    assert names(entry.block.body) == ["linux"]


@pytest.mark.parametrize("kind", ["while", "until"])
def test_loops_with_a_condition(kind):
    (loop,) = parse(f"{kind} a; do b; c; done")
    assert isinstance(loop, Loop)
    assert (loop.kind, loop.variable, loop.words) == (kind, None, ())
    assert (names(loop.condition), names(loop.body)) == (["a"], ["b", "c"])


def test_for_and_function_and_if():
    (loop,) = parse("for x in a b\ndo c; done")
    assert (loop.kind, loop.variable, loop.condition) == ("for", "x", ())
    assert [word.raw for word in loop.words] == ["a", "b"] and names(loop.body) == ["c"]
    (function,) = parse("function f\n{ a; }")
    assert isinstance(function, Function) and (function.name, names(function.body)) == ("f", ["a"])
    (choice,) = parse("if a; then b; elif c; then d; else e; fi")
    assert isinstance(choice, If)
    assert [(names(a), names(b)) for a, b in choice.branches] == [(["a"], ["b"]), (["c"], ["d"])]
    assert names(choice.otherwise) == ["e"]


def test_comments_end_with_their_line_or_the_script():
    assert names(parse("a # b\nc # d")) == ["a", "c"] and parse("# all") == ()


def test_walking_with_and_without_the_blocks_of_entries():
    nodes = parse("if a; then submenu x { menuentry y { b; } }; fi\nmenuentry z { c }")
    assert names(walk(nodes)) == ["a", "submenu", "menuentry", "b", "menuentry", "c"]
    assert names(walk(nodes, blocks=False)) == ["a", "submenu", "menuentry"]


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        ("a }", 3, "unexpected '}': a ; or a line end should stand here"),
        ("for", 4, r"unexpected '\n': a variable's name should stand here"),
        ("for x in a {", 12, "unexpected '{': a ; or a line end should stand here"),
        ("function if { a; }", 10, "unexpected 'if': a function's name should stand here"),
        ("function [[ { a; }", 10, "unexpected '[[': a function's name should stand here"),
        ("echo ]]", 6, "unexpected ']]': a ; or a line end should stand here"),
        ("function 1f { a; }", 10, "unexpected '1f': a function's name should stand here"),
        ("function f { a }", 16, "unexpected '}': a ; or a line end should stand here"),
        ("if a; then", 11, "unexpected the end of the script: a command should stand here"),
    ],
)
def test_what_is_missing_is_named(text, column, sentence):
    with pytest.raises(GrubSyntaxError) as caught:
        parse(text)
    assert str(caught.value) == f"GRUB script, line 1, column {column}: {sentence}"


def test_words_keep_their_spelling():
    (command,) = parse("linux 'a b' c")
    assert isinstance(command, Command)
    assert [word.raw for word in command.words] == ["linux", "'a b'", "c"]
    (command,) = parse("Xorg \tX\t X=1")
    assert [word.raw for word in command.words] == ["Xorg", "X", "X=1"]
