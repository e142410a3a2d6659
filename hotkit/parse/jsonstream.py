"""JSON that comes in pieces: a document is walked through, and only one value of it is held.

The parser is Python's own (json.JSONDecoder, strict about everything but NaN); this knows nothing
but where a value begins and ends. Text is taken as Latin-1 so that a place in it is a place in the
file: json.dumps writes ASCII, and of other text only names could be wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

_SPACE = re.compile(rb"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
# So far ahead a mark may stand.
_NEAR = 200


class Damaged(ValueError):
    """Not JSON, or not what was expected there; the message begins with the place."""


class JsonStream:
    """Reads from `chunks`. `place` is how many bytes lie behind the next one."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._text = b""
        self._at = 0
        self._gone = 0
        self._over = False

    @property
    def place(self) -> int:
        return self._gone + self._at

    def fail(self, words: str, at: int | None = None) -> Damaged:
        """The error that says so, of the byte `at` (default: the next one)."""
        return Damaged(f"byte {self.place if at is None else at}: {words}")

    def peek(self) -> bytes:
        """The next byte that is no white space; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at : self._at + 1]
            if not self._more():
                return b""

    def take(self, byte: bytes) -> bool:
        """Whether the next byte is this one; then it is behind us."""
        if self.peek() != byte:
            return False
        self._at += 1
        return True

    def members(self) -> Iterator[str]:
        """The keys of the object that begins here; the caller reads each one's value."""
        if not self.take(b"{"):
            raise self.fail("an object was expected")
        if self.take(b"}"):
            return
        while True:
            key = self.value()
            if not isinstance(key, str) or not self.take(b":"):
                raise self.fail("a key was expected")
            yield key
            if self.take(b"}"):
                return
            if not self.take(b","):
                raise self.fail(
                    "',' or '}' was expected" if self.peek() else "it ends in the middle"
                )

    def items(self) -> Iterator[None]:
        """One turn per item of the list that begins here; the caller reads it."""
        if not self.take(b"["):
            raise self.fail("a list was expected")
        if self.take(b"]"):
            return
        while True:
            yield None
            if self.take(b"]"):
                return
            if not self.take(b","):
                raise self.fail(
                    "',' or ']' was expected" if self.peek() else "it ends in the middle"
                )

    def value(self) -> Any:
        """The value that begins here, whole."""
        self.peek()
        enough = 1 << 12
        while True:
            text = self._text[self._at : self._at + enough].decode("latin-1")
            more = self._at + enough < len(self._text)
            try:
                found, end = _DECODER.raw_decode(text)
                # A number at the end of what we have may go on.
                if end < len(text) or not (more or self._more()):
                    self._at += end
                    return found
            except (ValueError, RecursionError) as error:
                if not more and not self._more():
                    where, words = 0, "nested too deep"
                    if isinstance(error, json.JSONDecodeError):
                        cut = error.pos >= len(text) or error.msg.startswith("Unterminated")
                        where, words = error.pos, "it ends in the middle" if cut else "not JSON"
                    raise self.fail(words, self.place + where) from None
            enough *= 2

    def up_to_another(self, mark: bytes) -> bytes:
        """What begins here and ends before the second `mark`, if the first is near; not taken yet.

        All that is left where there is none; nothing where the first is not near.
        """
        self.peek()
        while len(self._text) - self._at < _NEAR and self._more():
            pass
        own = self._text.find(mark, self._at, self._at + _NEAR)
        if own < 0:
            return b""
        behind = own - self._at + len(mark)
        while True:
            found = self._text.find(mark, self._at + behind)
            if found >= 0:
                return self._text[self._at : found]
            # It may begin at the end of what we have.
            behind = max(behind, len(self._text) - self._at - len(mark))
            if not self._more():
                return self._text[self._at :]

    def skip(self, number: int) -> None:
        """So many bytes, of those that `up_to_another` showed, are behind us."""
        self._at += number

    def _more(self) -> bool:
        """Take in the next piece; False where there is none."""
        if self._over:
            return False
        for chunk in self._chunks:
            if chunk:
                self._text = self._text[self._at :] + chunk
                self._gone += self._at
                self._at = 0
                return True
        self._over = True
        return False
