"""Our block in custom.cfg: put in, replaced, taken out; every other byte stays as it was."""

from __future__ import annotations

from hotkit.errors import HotkitError

BEGIN = "### BEGIN hotkit: managed, do not edit between the markers ###"
# The line before the block had no line end until we gave it one; `remove` takes it back.
BEGIN_AFTER_OPEN_LINE = "### BEGIN hotkit (line end before is ours): managed, do not edit ###"
END = "### END hotkit ###"


def insert(text: str, body: str) -> str:
    """The text of custom.cfg with our block holding `body`: replaced in place, else at the end.

    `remove` undoes it to the byte, also on a text whose last line has no line end.
    """
    if any(line in (BEGIN, BEGIN_AFTER_OPEN_LINE, END) for line in body.split("\n")):
        raise HotkitError("the entry's text holds one of hotkit's own markers")
    span = _span(text)
    before, after = (text[: span[0]], text[span[1] :]) if span else (text, "")
    open_line = bool(before) and not before.endswith("\n")
    lead = f"\n{BEGIN_AFTER_OPEN_LINE}" if open_line else BEGIN
    return f"{before}{lead}\n{body.strip()}\n{END}\n{after}"


def remove(text: str) -> str:
    """The text without our block; the same text when there is none."""
    span = _span(text)
    return text if span is None else text[: span[0]] + text[span[1] :]


def block_of(text: str) -> str | None:
    """What stands between our markers, or None."""
    span = _span(text)
    if span is None:
        return None
    lines = text[span[0] : span[1]].strip().split("\n")
    return "\n".join(lines[1:-1]) + "\n"


def _span(text: str) -> tuple[int, int] | None:
    """Where our block is, from its first byte to behind its last (line ends that are ours too)."""
    plain = _line_starts(text, BEGIN)
    joined = _line_starts(text, BEGIN_AFTER_OPEN_LINE)
    starts, ends = plain + joined, _line_starts(text, END)
    if not starts and not ends:
        return None
    if len(starts) != 1 or len(ends) != 1 or ends[0] < starts[0]:
        raise HotkitError(
            f"custom.cfg holds {len(starts)} BEGIN and {len(ends)} END markers of hotkit, "
            "not one of each",
            hint="take the broken block out by hand, from its BEGIN line to its END line",
        )
    start = starts[0] - 1 if joined and starts[0] > 0 else starts[0]
    return start, min(ends[0] + len(END) + 1, len(text))


def _line_starts(text: str, line: str) -> list[int]:
    starts, at = [], 0
    for item in text.split("\n"):
        if item == line:
            starts.append(at)
        at += len(item) + 1
    return starts
