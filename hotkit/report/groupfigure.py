"""The figures of a sweep of several parts: per layout and workload each boot's estimate, and what
boots and hosts say together. Imports matplotlib."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes

from hotkit.core.group import ArmOver, Column
from hotkit.core.stats import Interval
from hotkit.report.group_tables import GroupLike, head, label_of, label_text
from hotkit.report.group_words import group_verdict
from hotkit.report.sweepfigure import INK, MARK, SOFT, Panel, forest_frame, together

# How far above and below its row the boots of an arm are drawn, of the distance of two rows.
_SPREAD = 0.22


def group_panels(group: GroupLike) -> list[Panel]:
    """One forest plot for each (layout, workload) that has a figure."""
    return [
        Panel(
            name=f"column{number}",
            caption=f"{head(column)}: slow-down against off in % ({label_of(column)})",
            height_inches=1.3 + 0.4 * sum(bool(arm.each) for arm in column.arms),
            draw=_draw(column),
        )
        for number, column in enumerate(group.columns)
        if any(arm.each for arm in column.arms)
    ]


def group_figure(group: GroupLike, kind: str) -> bytes | None:
    """All of them as PDF or SVG (`kind`); None when no part has a figure that counts."""
    title = f"sweep of {len(group.parts)} parts [{label_text(group)}]: {group_verdict(group).title}"
    shown = group_panels(group)
    return together(shown, title, kind) if shown else None


def _draw(column: Column) -> Callable[[Axes], None]:
    arms = [arm for arm in column.arms if arm.each]
    margin = 100 * (column.margin or 0.0)

    def draw(axes: Axes) -> None:
        axes.axvspan(-margin, margin, color=SOFT, alpha=0.2, linewidth=0)
        points: list[float] = []
        ends: list[tuple[float, float]] = []
        for row, arm in enumerate(arms):
            boots = [100 * value for value in _boots(arm)]
            last = len(boots) - 1
            places = [row + _SPREAD * (2 * n / last - 1 if last else 0) for n in range(last + 1)]
            axes.plot(
                boots, places, "o", markerfacecolor="none", markeredgecolor=MARK, markersize=4
            )
            points += boots
            middle, interval = _whole(arm)
            if middle is not None and interval is not None:
                ends.append((100 * interval.low, 100 * interval.high))
                axes.hlines(row, *ends[-1], color=INK)
                axes.plot([100 * middle], [row], "D", color=MARK, markersize=5)
                points.append(100 * middle)
        names = [f"{arm.arm} ({arm.scope})" if arm.scope else arm.arm for arm in arms]
        forest_frame(axes, names, points, ends or [(min(points), max(points))])
        axes.set_xlabel(
            "slow-down (%); hollow: one boot; filled: over boots or hosts,\n"
            "or the only boot, with its 95 % interval;\n"
            f"shaded: the smallest effect of interest, {margin:g} %"
        )

    return draw


def _boots(arm: ArmOver) -> list[float]:
    """The estimate of each boot, host by host."""
    return [value for values in arm.per_host.values() for value in values]


def _whole(arm: ArmOver) -> tuple[float | None, Interval | None]:
    """The figure with an interval: over boots or hosts, or the blocks of the only boot."""
    if arm.only and arm.only.cell.slowdown:
        return arm.only.cell.slowdown.estimate, arm.only.cell.slowdown.interval
    return arm.slowdown.mean, arm.slowdown.interval
