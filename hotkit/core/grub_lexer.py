"""GRUB 2.06's script language: from text to commands, before anything is expanded.

Follows grub-core/script/parser.y (how words become commands); core/grub_words.py reads the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hotkit.core.grub_words import GrubSyntaxError, Word, read_word, syntax_error


@dataclass(frozen=True, slots=True)
class Command:
    """A command with its words and perhaps a `{ block }`; the span covers the block too."""

    words: tuple[Word, ...]
    block: Block | None
    start: int
    end: int

    @property
    def name(self) -> str | None:
        return self.words[0].literal


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between braces; `start` and `end` are the offsets just inside them."""

    body: tuple[Node, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class If:
    """if/elif/else: the first branch whose condition's last command succeeds is run."""

    branches: tuple[tuple[tuple[Node, ...], tuple[Node, ...]], ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """for, while or until. `condition` is empty for a `for`, `words` for the others."""

    kind: str
    variable: str | None
    words: tuple[Word, ...]
    condition: tuple[Node, ...]
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    body: tuple[Node, ...]


Node = Command | If | Loop | Function


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(
    [
        "case",
        "do",
        "done",
        "elif",
        "else",
        "esac",
        "fi",
        "for",
        "if",
        "in",
        "select",
        "then",
        "until",
        "while",
        "function",
        "[[",
        "]]",
    ]
)
_SYMBOLS = ("||", "&&", ";;", "|", "&", ";", "<", ">", "{", "}", "\n")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "word", one of _SYMBOLS, a reserved word, or "end"
    word: Word | None
    start: int


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
            continue
        if text[at] == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
            continue
        word = read_word(text, at)
        if word:
            # Only an unquoted, unescaped spelling is a reserved word.
            kind = word.raw if word.raw in _RESERVED else "word"
            no_word = kind in ("[[", "]]")  # reserved, and the grammar has no use for them
            yield _Token(kind, None if no_word else word, at)
            at = word.end
            continue
        symbol = next(item for item in _SYMBOLS if text.startswith(item, at))
        yield _Token(symbol, None, at)
        at += len(symbol)
    yield _Token("\n", None, len(text))  # GRUB adds it
    yield _Token("end", None, len(text))


# ---- commands ------------------------------------------------------------------------------


class _Parser:
    """Recursive descent over the grammar of parser.y."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.position = 0

    @property
    def now(self) -> _Token:
        return self.tokens[self.position]

    def take(self) -> _Token:
        """The token, which is not the end: who takes one has looked at its kind."""
        token = self.now
        self.position += 1
        return token

    def expect(self, kind: str) -> _Token:
        if self.now.kind != kind:
            raise self.unexpected(f"{kind!r} should stand here")
        return self.take()

    def unexpected(self, what: str) -> GrubSyntaxError:
        token = self.now
        shown = "the end of the script" if token.kind == "end" else repr(token.kind)
        if token.word:
            shown = repr(token.word.raw)
        return syntax_error(self.text, token.start, f"unexpected {shown}: {what}")

    def newlines(self) -> None:
        while self.now.kind == "\n":
            self.take()

    def delimiters(self, *, required: bool) -> bool:
        """A `;` or newline, then any number of newlines (a second `;` is an error)."""
        if self.now.kind not in (";", "\n"):
            if required:
                raise self.unexpected("a ; or a line end should stand here")
            return False
        self.take()
        self.newlines()
        return True

    def script(self) -> tuple[Node, ...]:
        nodes: list[Node] = []
        self.newlines()
        while self.now.kind != "end":
            nodes.append(self.function() if self.now.kind == "function" else self.command())
            self.delimiters(required=True)
        return tuple(nodes)

    def commands(self, *ends: str, delimited: bool = True) -> tuple[Node, ...]:
        """One or more commands up to a token of `ends`, which stays; none at all is an error."""
        self.newlines()
        nodes: list[Node] = [self.command()]
        while True:
            parted = self.delimiters(required=False)
            if self.now.kind in ends and (parted or not delimited):
                return tuple(nodes)
            if not parted:
                raise self.unexpected("a ; or a line end should stand here")
            nodes.append(self.command())

    def command(self) -> Node:
        kind = self.now.kind
        if kind == "if":
            self.take()
            return self.if_clause()
        if kind == "for":
            return self.for_loop()
        if kind in ("while", "until"):
            self.take()
            condition = self.commands("do")
            self.expect("do")
            body = self.commands("done")
            self.expect("done")
            return Loop(kind, None, (), condition, body)
        if kind != "word":
            raise self.unexpected("a command should stand here")
        words = [self.take()]
        while self.now.word:
            words.append(self.take())
        block = self.block() if self.now.kind == "{" else None
        found = tuple(item.word for item in words if item.word)
        end = block.end + 1 if block else found[-1].end
        return Command(found, block, words[0].start, end)

    def block(self) -> Block:
        start = self.expect("{").start + 1
        body = self.commands("}", delimited=False)
        end = self.expect("}").start
        return Block(body, start, end)

    def if_clause(self) -> If:
        branches = []
        while True:
            condition = self.commands("then")
            self.expect("then")
            branches.append((condition, self.commands("else", "elif", "fi")))
            found = self.take().kind
            if found == "elif":
                continue
            otherwise: tuple[Node, ...] = ()
            if found == "else":
                otherwise = self.commands("fi")
                self.expect("fi")
            return If(tuple(branches), otherwise)

    def for_loop(self) -> Loop:
        self.take()
        variable = self.name("a variable's name")
        self.expect("in")
        words = []
        while self.now.word:
            word = self.take().word
            assert word is not None
            words.append(word)
        self.delimiters(required=True)
        self.expect("do")
        body = self.commands("done")
        self.expect("done")
        return Loop("for", variable, tuple(words), (), body)

    def function(self) -> Function:
        self.take()
        name = self.name("a function's name")
        self.newlines()
        self.expect("{")
        body = self.commands("}")
        self.expect("}")
        return Function(name, body)

    def name(self, what: str) -> str:
        word = self.now.word
        if self.now.kind != "word" or word is None or not _NAME.fullmatch(word.raw):
            raise self.unexpected(f"{what} should stand here")
        self.take()
        return word.raw


def parse(text: str) -> tuple[Node, ...]:
    """Parse a GRUB script (a grub.cfg, a custom.cfg, the body of a menuentry).

    Raises GrubSyntaxError where `grub-script-check` fails. Carriage returns are for the caller to
    drop (GRUB drops them when it reads a file: `grub_file_getline`).
    """
    try:
        return _Parser(text).script()
    except RecursionError as error:
        raise GrubSyntaxError("GRUB script: blocks are nested too deep") from error


def walk(nodes: tuple[Node, ...], *, blocks: bool = True) -> Iterator[Command]:
    """Every command in the text's order, also inside branches, loops and functions.

    `blocks` says whether to go into the `{ }` of menuentries too.
    """
    for node in nodes:
        inner: tuple[tuple[Node, ...], ...]
        if isinstance(node, Command):
            yield node
            inner = (node.block.body,) if node.block and blocks else ()
        elif isinstance(node, If):
            inner = (*(part for branch in node.branches for part in branch), node.otherwise)
        elif isinstance(node, Loop):
            inner = (node.condition, node.body)
        else:
            inner = (node.body,)
        for part in inner:
            yield from walk(part, blocks=blocks)
