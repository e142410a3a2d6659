"""What could not be read of a text: named by file and line, a few of many."""

from __future__ import annotations

from hotkit.core.plaintext import plain_line

_SHOWN = 3
_LINE_CHARACTERS = 60
# A number of the kernel has at most 20 digits. More are garbage, and Python refuses 4300 of them.
NUMBER = r"[0-9]{1,20}"


class Doubts:
    """Collects them for one source; `sentences` are whole sentences for a report."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._said: list[str] = []
        self._lines: list[str] = []
        self._more = 0

    def line(self, number: int, text: str, what: str = "cannot be read") -> None:
        """One line (counted from 1) that is not what it should be."""
        if len(self._lines) == _SHOWN:
            self._more += 1
            return
        shown = plain_line(text, _LINE_CHARACTERS)
        self._lines.append(f"{self.source}, line {number}: {what}: {shown!r}")

    def say(self, sentence: str) -> None:
        """Something about the whole of it."""
        self._said.append(f"{self.source}: {sentence}")

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of it; what was not shown is counted."""
        more = f"{self.source}: {self._more} more lines cannot be read"
        return (*self._said, *self._lines, *([more] if self._more else []))


def cut_at_the_end(text: str) -> bool:
    """Whether the last line has no line end, as a file that was cut in its middle."""
    return bool(text) and not text.endswith(("\n", "\r"))
