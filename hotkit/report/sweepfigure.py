"""The figures of a sweep by matplotlib, which is imported for this alone.

Inline in HTML they take their ink from the page (light and dark); on paper they are black on white.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hotkit.core.analysis import Analysis, ArmResult
from hotkit.core.design import OFF
from hotkit.core.pareto import places
from hotkit.report.pointnames import name_points
from hotkit.report.sweep_more import FullResult, by_unit
from hotkit.report.sweep_tables import with_figures, with_scope

# Ink that the page replaces: no other part of a figure may have these colours.
INK, SOFT, MARK = "#1b1d1f", "#8d9196", "#b3400a"
_PAGE_INK = {INK: "var(--ink)", SOFT: "var(--soft)", MARK: "var(--mark)"}
_WIDTH_INCHES = 7.2
_STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "hotkit", "pdf.fonttype": 42, "font.size": 9,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": SOFT, "xtick.color": INK,
    "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlesize": 9, "axes.titlelocation": "left", "legend.frameon": False,
}  # fmt: skip
# A session of tens of thousands of blocks is drawn through this many points.
_MOST_POINTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One figure: what it is called in links, its caption with unit and label, how it is drawn."""

    name: str
    caption: str
    height_inches: float
    draw: Callable[[Axes], None]


def panels(result: FullResult) -> list[Panel]:
    """The figures that this sweep has. An untrusted one keeps what ranks nothing: its off runs."""
    analysis, label = result.analysis, result.label
    found = []
    if analysis.trusted:
        arms = [arm for arm in with_figures(analysis) if arm.slowdown.interval is not None]
        if arms:
            found.append(
                Panel(
                    name="slowdown",
                    caption=f"Slow-down against off in %, with 95 % Fieller intervals ({label})",
                    height_inches=1.1 + 0.28 * len(arms),
                    draw=lambda axes: _slowdowns(axes, arms, analysis.sesoi_fraction),
                )
            )
        for number, (unit, members) in enumerate(by_unit(with_figures(analysis)).items()):
            found.append(
                Panel(
                    name=f"persample{number}",
                    caption=f"Overhead in ns per {unit}, with 95 % Fieller intervals ({label})",
                    height_inches=1.1 + 0.28 * len(members),
                    draw=_per_sample(members, unit),
                )
            )
        told = [dose for dose in analysis.doses if dose.response.per_sample]
        for number, dose in enumerate(told):
            found.append(
                Panel(
                    name=f"dose{number}",
                    caption=(
                        f"{dose.tracker}: seconds more than off against samples per run"
                        f" ({dose.unit}), with the fitted line ({label})"
                    ),
                    height_inches=2.6,
                    draw=_dose(analysis, dose.arms, number, told),
                )
            )
        if places(analysis):
            found.append(
                Panel(
                    name="pareto",
                    caption=(
                        "Accuracy (precision of the hottest pages, 0 to 1) against slow-down in %;"
                        f" the line is the Pareto front ({label})"
                    ),
                    height_inches=3.2,
                    draw=lambda axes: _pareto(axes, analysis),
                )
            )
    found.append(
        Panel(
            name="session",
            caption=f"Off runs in seconds, in the order of the session ({label})",
            height_inches=2.2,
            draw=lambda axes: _session(axes, result),
        )
    )
    return found


def inline_svg(panel: Panel) -> str:
    """A panel as an <svg> element for the middle of an HTML page: nothing in it refers outside.

    Its ids carry the panel's name, since matplotlib gives the same ones in every figure.
    """
    with matplotlib.rc_context(_STYLE):
        figure = _figure(panel.height_inches)
        panel.draw(figure.add_subplot())
        text = _saved(figure, "svg", transparent=True).decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{panel.name}-', text)
    text = re.sub(r'href="#', f'href="#{panel.name}-', text)
    text = re.sub(r"url\(#", f"url(#{panel.name}-", text)
    for colour, variable in _PAGE_INK.items():
        text = text.replace(colour, variable)
    # For those who do not see it; the table beside it has the values.
    named = f'<svg role="img" aria-label={quoteattr(panel.caption)} '
    return text.replace("<svg ", named, 1)


def whole_figure(result: FullResult, kind: str) -> bytes:
    """All panels below one another as PDF or SVG (`kind`). The same sweep gives the same bytes."""
    verdict = "" if result.analysis.trusted else ": NOT TRUSTWORTHY, nothing may be ranked"
    return together(panels(result), f"sweep on {result.host} [{result.label}]{verdict}", kind)


def together(shown: Sequence[Panel], title: str, kind: str) -> bytes:
    """Panels below one another as PDF or SVG (`kind`); at least one."""
    with matplotlib.rc_context(_STYLE):
        # A title line each, and one for the head.
        figure = _figure(sum(panel.height_inches + 0.3 for panel in shown) + 0.4)
        figure.suptitle(title, fontsize=10)
        grid: Any = figure.subplots(
            len(shown), 1, squeeze=False,
            gridspec_kw={"height_ratios": [panel.height_inches for panel in shown]},
        )  # fmt: skip
        for panel, axes in zip(shown, grid[:, 0], strict=True):
            panel.draw(axes)
            axes.set_title(panel.caption, wrap=True)
        return _saved(figure, kind)


def _figure(height_inches: float) -> Figure:
    return Figure(figsize=(_WIDTH_INCHES, height_inches), layout="constrained")


def _saved(figure: Figure, kind: str, *, transparent: bool = False) -> bytes:
    """Without a date, so that a figure changes when its data does."""
    out = io.BytesIO()
    undated = {"Date": None} if kind == "svg" else {"CreationDate": None}
    figure.savefig(out, format=kind, transparent=transparent, metadata=undated)
    return out.getvalue()


def _slowdowns(axes: Axes, arms: Sequence[ArmResult], margin: float) -> None:
    axes.axvspan(-100 * margin, 100 * margin, color=SOFT, alpha=0.2, linewidth=0)
    _intervals(
        axes,
        [with_scope(arm) for arm in arms],
        [100 * (arm.slowdown.estimate or 0.0) for arm in arms],
        [(100 * i.low, 100 * i.high) for arm in arms if (i := arm.slowdown.interval)],
    )
    axes.set_xlabel(f"slow-down (%); shaded: the smallest effect of interest, {100 * margin:g} %")


def _per_sample(arms: Sequence[ArmResult], unit: str) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        ratios = [arm.per_examined.differential for arm in arms]
        _intervals(
            axes,
            [with_scope(arm) for arm in arms],
            [1e9 * (ratio.estimate or 0.0) for ratio in ratios],
            [(1e9 * i.low, 1e9 * i.high) for ratio in ratios if (i := ratio.interval)],
        )
        axes.set_xlabel(f"ns per {unit}")

    return draw


def _intervals(
    axes: Axes,
    names: Sequence[str],
    estimates: Sequence[float],
    ends: Sequence[tuple[float, float]],
) -> None:
    """A forest plot; the first arm on top, as in the table."""
    rows = range(len(names))
    axes.hlines(rows, [low for low, _ in ends], [high for _, high in ends], color=INK)
    axes.plot(estimates, rows, "o", color=MARK, markersize=4)
    forest_frame(axes, names, estimates, ends)


def forest_frame(
    axes: Axes,
    names: Sequence[str],
    estimates: Sequence[float],
    ends: Sequence[tuple[float, float]],
) -> None:
    """Names of the rows, zero, and limits for all of these estimates and ends of intervals."""
    axes.axvline(0, color=SOFT, linewidth=0.8, zorder=1.5)  # below the estimates
    axes.set_yticks(list(range(len(names))), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    # The estimates set the axis: one interval without end must not flatten all others.
    low, high = min(*estimates, 0.0), max(*estimates, 0.0)
    reach = (high - low) or 1.0
    left = max(min(end for end, _ in ends), low - reach / 2)
    right = min(max(end for _, end in ends), high + reach / 2)
    left, right = min(left, low), max(right, high)
    axes.set_xlim(left - 0.03 * reach, right + 0.03 * reach)


def _dose(
    analysis: Analysis, arms: Sequence[str], number: int, told: Sequence[Any]
) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        response = told[number].response
        by_name = {arm.arm: arm for arm in analysis.arms}
        named = []
        for name, dose in zip(arms, response.doses, strict=True):
            overhead = by_name[name].overhead
            if overhead.interval is not None:
                axes.vlines(dose, overhead.interval.low, overhead.interval.high, color=INK)
            axes.plot([dose], [overhead.mean], "o", color=MARK, markersize=4)
            named.append((dose, overhead.mean, name))
        end = 1.1 * max(response.doses)
        slope = response.per_sample.estimate
        axes.plot([0, end], [response.fixed, response.fixed + slope * end], color=SOFT)
        axes.axhline(0, color=SOFT, linewidth=0.8)
        axes.set_xlabel(f"samples per run ({told[number].unit})")
        axes.set_ylabel("T on - T off (s)")
        name_points(axes, named, colour=INK, line=SOFT)

    return draw


def _pareto(axes: Axes, analysis: Analysis) -> None:
    found = places(analysis)
    best = [place for place in found if place.on_front]
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.step(
        [100 * place.cost for place in best], [place.gain for place in best],
        where="post", color=SOFT,
    )  # fmt: skip
    for place in found:
        at = (100 * place.cost, place.gain)
        filled = MARK if place.on_front else "none"
        axes.plot(*at, "o", markerfacecolor=filled, markeredgecolor=MARK, markersize=5)
    axes.set_ylim(0, 1.08)
    axes.margins(x=0.12)
    axes.set_xlabel("slow-down (%)")
    axes.set_ylabel("top: precision of the hottest pages")
    names = {arm.arm: with_scope(arm) for arm in analysis.arms}
    named = [(100 * place.cost, place.gain, names[place.arm]) for place in found]
    name_points(axes, named, colour=INK, line=SOFT)


def _session(axes: Axes, result: FullResult) -> None:
    off = [run for run in result.runs if run.arm == OFF]
    off = off[:: max(1, len(off) // _MOST_POINTS)]
    for twin, filled in ((0, MARK), (1, "none")):
        shown = [run for run in off if run.twin == twin]
        axes.plot(
            [run.block for run in shown], [run.duration for run in shown], "o",
            markerfacecolor=filled, markeredgecolor=MARK, markersize=4, label=f"off {twin}",
        )  # fmt: skip
    axes.axhline(result.analysis.off_mean, color=SOFT, linewidth=0.8)
    axes.set_xlabel("block; filled: off run 0, hollow: off run 1; line: the mean")
    axes.set_ylabel("T off (s)")
