"""A forest plot in characters: one line per arm, its interval on a common axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hotkit.core.stats import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """A name with its estimate and interval, all in one unit."""

    name: str
    estimate: float
    interval: Interval


def forest_lines(
    rows: Sequence[ForestRow],
    *,
    width: int,
    form: Callable[[float], str],
    margin: float | None = None,
) -> list[str]:
    """The plot as lines of at most `width` characters; none without rows.

    `│` is zero, `┊` is +-`margin`. An interval that leaves the axis ends in an arrow: the axis
    follows the estimates, so that one wide interval does not flatten all others.
    """
    if not rows:
        return []
    names = max(len(row.name) for row in rows)
    columns = max(20, width - names - 4)
    edges = [row.estimate for row in rows] + [0.0]
    edges += [-margin, margin] if margin else []
    reach = max(edges) - min(edges) or 1.0
    # Wide enough for every interval, unless that is more than the estimates spread by.
    low = max(min(min(row.interval.low for row in rows), min(edges)), min(edges) - reach / 2)
    high = min(max(max(row.interval.high for row in rows), max(edges)), max(edges) + reach / 2)

    if low == high:
        low, high = low - 1, high + 1

    def column(value: float) -> int:
        return round((value - low) / (high - low) * (columns - 1))

    lines = []
    for row in rows:
        cells = _ground(columns, column, margin, low, high)
        begin, end = max(0, column(row.interval.low)), min(columns - 1, column(row.interval.high))
        for place in range(begin, end + 1):
            cells[place] = "─"
        cells[begin] = "◄" if row.interval.low < low else "├"
        cells[end] = "►" if row.interval.high > high else "┤"
        cells[column(row.estimate)] = "●"
        lines.append(f"{row.name:<{names}}  {''.join(cells)}")
    left, right = form(low), form(high)
    lines.append(f"{'':<{names}}  {left}{right:>{max(1, columns - len(left))}}")
    return lines


def _ground(
    columns: int, column: Callable[[float], int], margin: float | None, low: float, high: float
) -> list[str]:
    cells = [" "] * columns
    for value in (-margin, margin) if margin else ():
        if low <= value <= high:
            cells[column(value)] = "┊"
    cells[column(0.0)] = "│"
    return cells
