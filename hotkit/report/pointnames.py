"""Names beside the points of a figure, so that none lies on another name or point."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

# Places for a name, the nearest first: right or left of its point, by so many points up or down.
_AWAY = (4, -4, 16, -16, 28, -28, 40, -40)
_SIDES = ((6, "left"), (-6, "right"))
_MARK_POINTS = 5


def name_points(
    axes: Axes, points: Sequence[tuple[float, float, str]], *, colour: str, line: str
) -> None:
    """Write each (x, y, name) near its point; a line in `line` leads to a name that is far off.

    Call it when all else is drawn and the limits are set: it looks where things came to lie. Where
    there is no free place left, the one where it covers least is taken.
    """
    figure: Any = axes.figure
    if layout := figure.get_layout_engine():
        layout.execute(figure)  # else it is known only when the figure is drawn
    pixel = figure.dpi / 72
    marks = [
        Bbox.from_bounds(x - reach, y - reach, 2 * reach, 2 * reach)
        for x, y in axes.transData.transform([(x, y) for x, y, _ in points])
        for reach in [pixel * _MARK_POINTS / 2]
    ]
    taken = list(marks)
    for number, (x, y, name) in enumerate(points):
        text = axes.annotate(name, (x, y), (0, 0), textcoords="offset points", color=colour)
        others = taken[:number] + taken[number + 1 :]
        best: tuple[float, int, int, str] | None = None
        for up, (right, side) in product(_AWAY, _SIDES):
            text.set(position=(right, up), ha=side, va="bottom" if up > 0 else "top")
            box = text.get_window_extent()
            covered = sum(_shared(box, other) for other in others) + _outside(box, axes.bbox)
            if best is None or covered < best[0]:
                best = (covered, up, right, side)
            if not covered:
                break
        assert best is not None
        _, up, right, side = best
        text.set(position=(right, up), ha=side, va="bottom" if up > 0 else "top")
        taken.append(text.get_window_extent())
        if abs(up) > min(map(abs, _AWAY)):
            axes.annotate(
                "", (x, y), (right, up), textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": line, "linewidth": 0.6},
            )  # fmt: skip


def _shared(a: Bbox, b: Bbox) -> float:
    """The area that two boxes share, in square pixels."""
    both = Bbox.intersection(a, b)
    return 0.0 if both is None else float(both.width * both.height)


def _outside(box: Bbox, frame: Bbox) -> float:
    """The area of a box that is not in the frame."""
    return float(np.prod(box.size)) - _shared(box, frame)
