"""Words of GRUB 2.06's script language: quotes, backslashes and variables, nothing expanded yet.

Follows grub-core/script/yylex.l. GRUB feeds its lexer line by line and glues lines when a quote or
a backslash is open at the end; reading the whole text at once comes out the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from hotkit.errors import HotkitError

SegmentKind = Literal["text", "quoted", "var", "quoted-var", "gettext"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a word: literal text (escapes undone), or the name of a variable.

    `quoted` is text from inside quotes: it makes an argument even when it is empty. A `var` is
    split at white space after expansion, a `quoted-var` is not.
    """

    kind: SegmentKind
    text: str


@dataclass(frozen=True, slots=True)
class Word:
    """One word; `start` and `end` are offsets into the text that was parsed."""

    segments: tuple[Segment, ...]
    raw: str
    start: int
    end: int

    @property
    def literal(self) -> str | None:
        """The word's value when no variable (and no translation) decides it, else None."""
        if any(item.kind not in ("text", "quoted") for item in self.segments):
            return None
        return "".join(item.text for item in self.segments)

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(item.text for item in self.segments if item.kind in ("var", "quoted-var"))


class GrubSyntaxError(HotkitError):
    """GRUB would not accept this text; the message carries line and column."""


def syntax_error(text: str, offset: int, what: str) -> GrubSyntaxError:
    """The error with line and column of `offset` in `text`."""
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return GrubSyntaxError(f"GRUB script, line {line}, column {column}: {what}")


_VARIABLE = r"(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?#*@])"
_CHAR = re.compile(r"[^{}|&$;<> \t\n'\"\\]+")
_REFERENCE = re.compile(rf"\$(?:({_VARIABLE})|\{{({_VARIABLE})\}})")
_DOUBLE = re.compile(r'"((?:\\[\s\S]|[^\\"])*)"')
_SINGLE = re.compile(r"'([^']*)'")


def _double_quoted(text: str, body: str, offset: int) -> list[Segment]:
    r"""Inside double quotes: `\$ \\ \"` lose the backslash, any other `\x` keeps it."""
    pieces: list[Segment] = [Segment("quoted", "")]
    plain, at = "", 0
    while at < len(body):
        char = body[at]
        if char == "\\":
            following = body[at + 1]
            if following == "\n":
                pass
            elif following in '$\\"':
                plain += following
            else:
                plain += char + following
            at += 2
        elif char == "$":
            found = _REFERENCE.match(body, at)
            if not found:
                raise syntax_error(text, offset + at, "a $ in double quotes that names no variable")
            pieces += [Segment("quoted", plain), Segment("quoted-var", found[1] or found[2])]
            plain, at = "", found.end()
        else:
            plain += char
            at += 1
    pieces.append(Segment("quoted", plain))
    return pieces


def read_word(text: str, start: int) -> Word | None:
    """The word that begins at `start`, or None when a symbol or blank stands there.

    Raises GrubSyntaxError for an open quote or a `$` that names nothing.
    """
    pieces: list[Segment] = []
    at = start
    while at < len(text):
        char = text[at]
        if found := _CHAR.match(text, at):
            pieces.append(Segment("text", found[0]))
        elif char == "\\":
            escaped = text[at + 1 : at + 2]
            if escaped in ("", "\n") and at + 2 >= len(text):
                raise syntax_error(text, at, "the line goes on behind \\, but the script ends")
            if escaped != "\n":
                pieces.append(Segment("text", escaped))
            at += 2
            continue
        elif char == "'":
            found = _SINGLE.match(text, at)
            if not found:
                raise syntax_error(text, at, "the single quote is never closed")
            pieces.append(Segment("quoted", found[1]))
        elif char == '"':
            found = _DOUBLE.match(text, at)
            if not found:
                raise syntax_error(text, at, "the double quote is never closed")
            pieces += _double_quoted(text, found[1], at + 1)
        elif char == "$":
            if found := _REFERENCE.match(text, at):
                pieces.append(Segment("var", found[1] or found[2]))
            elif found := _DOUBLE.match(text, at + 1):
                pieces.append(Segment("gettext", found[1]))
            elif at == start:
                raise syntax_error(
                    text, at, "a $ that names no variable (write \\$ for the character)"
                )
            else:
                break  # GRUB ends the word here and stumbles over the $ next
        else:
            break
        at = found.end()
    if at == start:
        return None
    return Word(tuple(pieces), text[start:at], start, at)
