"""A heat map in characters: address down, time across, ground truth in a band beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from hotkit.core.record import Floats, Recording, address_at, grid, pieces, truth
from hotkit.core.units import MIB, format_size

RGB = tuple[int, int, int]

# Dark to bright in even steps of lightness, so that a share is read the same in every part of the
# ramp and by everyone; the colours of matplotlib's "inferno", which the figures use too.
_RAMP: tuple[RGB, ...] = (
    (0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21),
    (250, 193, 39), (252, 255, 164),
)  # fmt: skip
_TRUTH: tuple[RGB, ...] = ((0, 20, 24), (80, 220, 230))
_NOT_LOOKED: RGB = (88, 88, 88)
_SHADES = " ░▒▓█"
_NOT_LOOKED_CHAR = "·"
_LABEL_WIDTH = 12
_BAND_NAME = "truth"
_LABEL_EVERY = 4

LEGEND_COLOUR = (
    "black 0 % .. yellow 100 % of what a cell covers was found accessed; grey: not looked at"
)
LEGEND_PLAIN = (
    "blank 0 %, ░▒▓█ up to 100 % of what a cell covers was found accessed; · not looked at"
)


class HeatMap:
    """Renders as wide as the console is. `lines` of text, each two rows where there are colours.

    `until_ns` is the end of the time axis when the recording still goes on.
    """

    def __init__(self, recording: Recording, *, lines: int = 16, until_ns: int | None = None):
        self.recording = recording
        self.lines = lines
        self.until_ns = until_ns

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        recording = self.recording
        coloured = console.color_system is not None and not console.no_color
        rows = self.lines * (2 if coloured else 1)
        band = 0
        if recording.phases:
            # A hot range that stays needs no time axis of its own.
            band = len(_BAND_NAME) if len(recording.phases) == 1 else 12
        width = max(8, options.max_width - _LABEL_WIDTH - 2 - (band + 1 if band else 0))
        heat = grid(
            recording, recording.share, rows=rows, columns=width, until_ns=self.until_ns
        )  # fmt: skip
        known = grid(recording, truth(recording), rows=rows, columns=band) if band else None
        for line in range(self.lines):
            yield Segment(f"{self._label(line):>{_LABEL_WIDTH - 1}} ")
            yield Segment("│")
            yield from _cells(heat, line, _RAMP, coloured)
            yield Segment("│")
            if known is not None:
                yield Segment(" ")
                yield from _cells(known, line, _TRUTH, coloured)
            yield Segment.line()
        yield Segment(self._axis(width, band))
        yield Segment.line()
        yield Segment(LEGEND_COLOUR if coloured else LEGEND_PLAIN, Style(dim=True))
        yield Segment.line()

    def _label(self, line: int) -> str:
        """Where the line begins: an offset into the one range, an address when there are more."""
        if line % _LABEL_EVERY:
            return ""
        offset = self.recording.size_bytes * line / self.lines
        if len(pieces(self.recording)) > 1:
            return f"{address_at(self.recording, offset):x}"
        return f"+{offset / MIB:.1f} MiB"

    def _axis(self, width: int, band: int) -> str:
        begin = int(self.recording.since_ns[0])
        end_s = ((self.until_ns or int(self.recording.at_ns[-1])) - begin) / 1e9
        last = f"{end_s:.1f} s"
        middle = f"{end_s / 2:.1f} s"
        gap = width - len("0 s") - len(last) - len(middle)
        left = max(1, width // 2 - len(middle) // 2 - len("0 s"))
        axis = "0 s" + " " * left + middle + " " * max(1, gap - left) + last
        if gap < 4:
            axis = f"0 s{last:>{max(0, width - 3)}}"
        return " " * (_LABEL_WIDTH + 1) + axis + (f"  {_BAND_NAME}" if band else "")


def caption(recording: Recording) -> str:
    """What the address axis means."""
    parts = pieces(recording)
    size = format_size(recording.size_bytes)
    bins = f"{len(recording.bins)} bins of {format_size(recording.bins[0][1] - parts[0][0])}"
    if len(parts) == 1:
        return f"{size} from {parts[0][0]:#x} down, {bins}; {recording.steps} steps"
    return f"{size} in {len(parts)} ranges (gaps left out), {bins}; {recording.steps} steps"


def _cells(values: Floats, line: int, ramp: Sequence[RGB], coloured: bool) -> Iterator[Segment]:
    if not coloured:
        yield Segment("".join(_shade(value) for value in values[line]))
        return
    for upper, lower in zip(values[2 * line], values[2 * line + 1], strict=True):
        style = Style(color=_colour(upper, ramp), bgcolor=_colour(lower, ramp))
        yield Segment("▀", style)


def _shade(share: float) -> str:
    if math.isnan(share):
        return _NOT_LOOKED_CHAR
    # What is not 0 is never blank.
    return _SHADES[min(len(_SHADES) - 1, math.ceil(share * (len(_SHADES) - 1) - 1e-9))]


def _colour(share: float, ramp: Sequence[RGB]) -> Color:
    if math.isnan(share):
        return Color.from_triplet(ColorTriplet(*_NOT_LOOKED))
    place = min(max(share, 0.0), 1.0) * (len(ramp) - 1)
    number = min(int(place), len(ramp) - 2)
    mixed = (
        round(a + (b - a) * (place - number))
        for a, b in zip(ramp[number], ramp[number + 1], strict=True)
    )
    return Color.from_triplet(ColorTriplet(*mixed))
