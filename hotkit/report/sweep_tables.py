"""The tables of a sweep's report, and how a figure is written: each with its unit and label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.table import Table

from hotkit.core.analysis import Analysis, ArmResult
from hotkit.core.labels import Label
from hotkit.core.stats import Interval
from hotkit.core.sweepstate import SweepState


class Result(Protocol):
    """What is needed of a SweepResult (hotkit/sweep/folder.py)."""

    @property
    def analysis(self) -> Analysis: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...
    @property
    def machine(self) -> Mapping[str, Any]: ...
    @property
    def host(self) -> str: ...
    @property
    def label(self) -> Label: ...
    @property
    def folder(self) -> Any: ...
    @property
    def state(self) -> SweepState: ...


def slowdown_table(result: Result) -> Table:
    """One row per arm. The word that claims something is withheld from an untrusted session."""
    analysis = result.analysis
    # What is the same for every arm stands in the title: the words need the width.
    title = f"Slow-down against off, {seconds(analysis.off_mean)}, {analysis.blocks} runs each"
    table = Table(title=f"{title} ({result.label})", title_justify="left")
    against = f"against {100 * analysis.sesoi_fraction:g} %"
    there = in_guest(analysis)
    table.add_column("arm", overflow="fold")
    add_where(table, there)
    for name in ("per run", "slow-down", "95 %", "p", "p (Holm)"):
        table.add_column(name, justify="right")
    table.add_column(against, no_wrap=True)
    for arm in with_figures(analysis):
        answer = arm.equivalence.answer if arm.equivalence else None
        table.add_row(
            arm.arm,
            *where(arm.scope, there),
            seconds(arm.overhead.mean),
            percent(arm.slowdown.estimate),
            span(arm.slowdown.interval, percent),
            p_value(arm.overhead.p_sign_flip).removeprefix("= "),
            "-" if arm.p_holm is None else p_value(arm.p_holm).removeprefix("= "),
            str(answer) if answer and analysis.trusted else "-",
        )
    return table


def sample_table(result: Result) -> Table:
    """One row per arm and unit: samples of different units never share a row."""
    table = Table(title=f"Overhead per sample ({result.label})", title_justify="left")
    there = in_guest(result.analysis)
    table.add_column("arm")
    add_where(table, there)
    for name in ("unit", "samples", "differential", "95 % Fieller interval", "direct"):
        table.add_column(name, justify="left" if name == "unit" else "right")
    for arm in with_figures(result.analysis):
        units = (arm.per_examined, arm.per_positive)
        for per in units if units[0].unit != units[1].unit else units[:1]:
            ratio = per.differential
            table.add_row(
                arm.arm,
                *where(arm.scope, there),
                f"ns per {per.unit}",
                f"{per.samples:,}",
                nanoseconds(ratio.estimate),
                span(ratio.interval, nanoseconds) if ratio.defined else "undefined",
                nanoseconds(per.direct),
            )
    return table


def with_figures(analysis: Analysis) -> list[ArmResult]:
    """The arms that did what they are called: only they have figures."""
    return [arm for arm in analysis.arms if not arm.errors]


def accuracy_table(result: Result) -> Table | None:
    """What each tracker saw of the truth; None when no arm reports heat."""
    there = in_guest(result.analysis)
    seen = [(arm, arm.accuracy) for arm in with_figures(result.analysis) if arm.accuracy]
    if not seen:
        return None
    first = seen[0][1]
    title = f"Against ground truth: {first.hot_pages:,} hot of {first.pages:,} pages"
    table = Table(title=f"{title} ({result.label})", title_justify="left")
    table.add_column("arm")
    add_where(table, there)
    for name in ("precision", "recall", "F1", "top", "found", "rank"):
        table.add_column(name, justify="right")
    for arm, it in seen:
        values = (it.precision, it.recall, it.f1, it.top, it.found, it.rank)
        shown = ("-" if value is None else f"{value:.3f}" for value in values)
        table.add_row(arm.arm, *where(arm.scope, there), *shown)
    return table


def dose_table(result: Result) -> Table | None:
    """Fixed and per-sample cost apart; None when no tracker has settings that tell them apart."""
    told = [dose for dose in result.analysis.doses if dose.response.per_sample]
    if not told:
        return None
    table = Table(title=f"Fixed and per-sample cost ({result.label})", title_justify="left")
    there = in_guest(result.analysis)
    table.add_column("tracker")
    table.add_column("settings")
    add_where(table, there)
    for name in ("fixed per run", "95 %", "per sample", "unit", "95 %"):
        table.add_column(name, justify="left" if name == "unit" else "right")
    for dose in told:
        per = dose.response.per_sample
        table.add_row(
            dose.tracker,
            ", ".join(dose.arms),
            *where(dose.scope, there),
            seconds(dose.response.fixed),
            span(dose.response.fixed_interval, seconds),
            nanoseconds(per.estimate if per else None),
            f"ns per {dose.unit}",
            span(per.interval if per else None, nanoseconds),
        )
    return table


def in_guest(analysis: Analysis) -> bool:
    """Whether the workload ran in a guest, so that an arm must say where its tracker was."""
    return analysis.in_guest is not None


def add_where(table: Table, there: bool) -> None:
    """The column beside that of the arm: guest or host; none of a sweep without a guest."""
    if there:
        table.add_column("where")


def where(scope: str, there: bool) -> Sequence[str]:
    """The cell of that column."""
    return (scope or "-",) if there else ()


def with_scope(arm: ArmResult) -> str:
    """An arm's name where there are no columns, as in a figure."""
    return f"{arm.arm} ({arm.scope})" if arm.scope else arm.arm


def seconds(value: float | None) -> str:
    """Seconds, or milliseconds below a tenth of a second."""
    if value is None:
        return "-"
    return f"{value:.3f} s" if abs(value) >= 0.1 else f"{1e3 * value:.2f} ms"


def percent(value: float | None) -> str:
    """A fraction as percent, with its sign."""
    return "-" if value is None else f"{100 * value:+.2f} %"


def nanoseconds(value: float | None) -> str:
    """Seconds per sample as ns, without the unit: the column or the sentence names it."""
    if value is None:
        return "-"
    return f"{1e9 * value:,.0f}" if abs(value) >= 1e-7 else f"{1e9 * value:.3g}"


def span(interval: Interval | None, form: Any) -> str:
    """An interval in the given form."""
    return "-" if interval is None else f"{form(interval.low)} .. {form(interval.high)}"


def p_value(value: float) -> str:
    """With its sign of relation: no p-value is 0."""
    return f"= {value:.3f}" if value >= 0.001 else "< 0.001"
