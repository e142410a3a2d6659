"""Text of a stranger, made harmless for a terminal: no escapes, no control or bidi characters."""

from __future__ import annotations

import re

# ECMA-48: CSI, OSC and other strings up to their terminator, two-character escapes, 8-bit C1.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


def plain(text: str) -> str:
    """`text` with its lines and tabs kept; what would move a cursor or hide a word is left out."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def plain_line(text: str, limit: int = 300) -> str:
    """One line of at most `limit` characters: line ends become spaces."""
    line = " ".join(plain(text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
