"""What a sweep found: the trust verdict first, then the figures, each with unit and label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hotkit.core.analysis import Analysis, ArmResult, PerSample
from hotkit.core.labels import Label, Platform
from hotkit.core.stats import Interval, Ratio

_LABELS = {
    Platform.EMULATED: "EMULATED: shows that a tracker works, never what it costs on hardware",
    Platform.VIRTUAL: "VIRTUAL: measured below a hypervisor",
    Platform.METAL: "METAL",
}


class Result(Protocol):
    """What is needed of a SweepResult (hotkit/sweep.py)."""

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


class ProgressLike(Protocol):
    """What is needed of a Progress (hotkit/sweep.py)."""

    @property
    def host(self) -> str: ...
    @property
    def step(self) -> str: ...
    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def block(self) -> int | None: ...
    @property
    def blocks(self) -> int: ...
    @property
    def arm(self) -> str | None: ...
    @property
    def analysis(self) -> Analysis | None: ...


def print_sweep(result: Result, console: Console) -> None:
    """The whole report on the terminal."""
    analysis = result.analysis
    console.print(_verdict(result))
    console.print(_slowdown_table(result))
    # What was seen does not depend on how long it took.
    if seen := _accuracy_table(result):
        console.print(seen)
    if analysis.trusted:
        console.print(_sample_table(result))
        for arm in analysis.arms:
            for line in statements(arm, analysis):
                console.print(f"  {line}")
    else:
        console.print("  Overhead per sample is withheld: the session is not trustworthy.")
        console.print("  Raw figures are in the journal; nothing here may be ranked.")
    console.print(
        f"\n[bold]Data[/]  {result.folder}  (manifest.json, journal.jsonl, raw/)\n"
        f"      seed {result.manifest['seed']}, {analysis.blocks} blocks,"
        f" kernel {result.machine['kernel_release']}, {result.label}"
        f" ({result.label.evidence})",
        soft_wrap=True,
    )


def _verdict(result: Result) -> Panel:
    """Whether to read on: A/A first, then every other doubt."""
    analysis = result.analysis
    a_a = analysis.a_a
    if a_a.interval is not None and a_a.p_t is not None:
        pairs = (
            f"A/A: the two off runs of {a_a.n} blocks differ by {seconds(a_a.mean)}"
            f" (95 % interval {span(a_a.interval, seconds)}; p = {a_a.p_t:.2f},"
            f" sign-flip p = {a_a.p_sign_flip:.2f})"
        )
    else:
        pairs = f"A/A: {a_a.undefined}"
    undefined = [f"{arm.arm}: {arm.undefined}" for arm in analysis.arms if arm.undefined]
    if not analysis.trusted:
        title, style = "NOT TRUSTWORTHY", "red"
        lines = [*(f"- {doubt}" for doubt in analysis.untrusted), pairs]
    elif undefined:
        title, style = "UNDEFINED", "yellow"
        lines = [pairs, *(f"- {line}" for line in undefined)]
    else:
        title, style = "trustworthy", "green"
        lines = [f"{pairs}: identical runs look identical"]
    return Panel(
        Text("\n".join([*lines, _LABELS[result.label.platform]])),
        title=f"sweep on {result.host}: {title} [{result.label}]".replace("[", r"\["),
        border_style=style,
    )


def _slowdown_table(result: Result) -> Table:
    table = Table(title=f"Slow-down against off ({result.label})", title_justify="left")
    for name in ("arm", "runs", "off", "overhead per run", "slow-down", "95 % interval", "p"):
        table.add_column(name, justify="left" if name == "arm" else "right")
    for arm in _results(result.analysis):
        table.add_row(
            arm.arm,
            str(arm.runs),
            seconds(result.analysis.off_mean),
            seconds(arm.overhead.mean),
            percent(arm.slowdown.estimate),
            span(arm.slowdown.interval, percent),
            f"{arm.overhead.p_sign_flip:.3f}",
        )
    return table


def _sample_table(result: Result) -> Table:
    """One row per arm and unit: samples of different units never share a row."""
    table = Table(title=f"Overhead per sample ({result.label})", title_justify="left")
    for name in ("arm", "unit", "samples", "differential", "95 % Fieller interval", "direct"):
        table.add_column(name, justify="left" if name in ("arm", "unit") else "right")
    for arm in _results(result.analysis):
        units = (arm.per_examined, arm.per_positive)
        for per in units if units[0].unit != units[1].unit else units[:1]:
            ratio = per.differential
            table.add_row(
                arm.arm,
                f"ns per {per.unit}",
                f"{per.samples:,}",
                nanoseconds(ratio.estimate),
                span(ratio.interval, nanoseconds) if ratio.defined else "undefined",
                nanoseconds(per.direct),
            )
    return table


def _results(analysis: Analysis) -> list[ArmResult]:
    """The arms that did what they are called: only they have figures."""
    return [arm for arm in analysis.arms if not arm.errors]


def _accuracy_table(result: Result) -> Table | None:
    """What each tracker saw of the truth; None when no arm reports heat."""
    seen = [(arm.arm, arm.accuracy) for arm in _results(result.analysis) if arm.accuracy]
    if not seen:
        return None
    first = seen[0][1]
    title = f"Against ground truth: {first.hot_pages:,} hot of {first.pages:,} pages"
    table = Table(title=f"{title} ({result.label})", title_justify="left")
    for name in ("arm", "precision", "recall", "F1", "top", "found", "rank"):
        table.add_column(name, justify="left" if name == "arm" else "right")
    for name, it in seen:
        values = (it.precision, it.recall, it.f1, it.top, it.found, it.rank)
        table.add_row(name, *("-" if value is None else f"{value:.3f}" for value in values))
    return table


def statements(arm: ArmResult, analysis: Analysis) -> list[str]:
    """The sentences below the table: what cannot be told, cross-checks, ground truth."""
    if arm.errors:
        return [f"{arm.arm}: no result: {error}" for error in arm.errors]
    said = []
    per = arm.per_examined
    interval = per.differential.interval
    if per.undefined:
        said.append(f"{arm.arm}: undefined: {per.undefined}")
    elif interval is not None and interval.holds_zero:
        said.append(_not_distinguishable(arm, per, interval, analysis))
    if arm.per_positive.undefined and not per.undefined:
        said.append(
            f"{arm.arm}: per {arm.per_positive.unit}: undefined: {arm.per_positive.undefined}"
        )
    if per.differential.bootstrap:
        said.append(
            f"{arm.arm}: cross-check, studentised bootstrap:"
            f" {span(per.differential.bootstrap, nanoseconds)} ns per {per.unit}"
        )
    said.append(f"{arm.arm}: the average includes the fixed cost of tracking, if there is any")
    return said


def _not_distinguishable(
    arm: ArmResult, per: PerSample, interval: Interval, analysis: Analysis
) -> str:
    smallest = 100 * analysis.sesoi_fraction
    words = [
        f"{arm.arm}: not distinguishable from 0 (95 % {span(interval, nanoseconds)} ns"
        f" per {per.unit}); upper bound {nanoseconds(interval.high)} ns"
    ]
    if per.mde is not None:
        words.append(
            f"the smallest effect that this sweep could see is {nanoseconds(per.mde)} ns"
            f" ({percent(arm.mde_fraction)})"
        )
    if arm.blocks_needed is not None:
        words.append(f"{arm.blocks_needed} blocks would show {smallest:g} %")
    else:
        words.append(f"more blocks than can be run would be needed to show {smallest:g} %")
    return "; ".join(words)


def progress_line(progress: ProgressLike, elapsed_s: float) -> Text:
    """Where the sweep stands, in one line."""
    head = Text(f"{progress.host}: ", style="bold")
    head.append(progress.step, style="")
    if progress.block is not None:
        head.append(f"  block {progress.block + 1}/{progress.blocks}  arm {progress.arm}")
    head.append(f"  {elapsed_s:.0f} s", style="dim")
    return head


def progress_view(progress: ProgressLike, elapsed_s: float) -> RenderableType:
    """The live view: block, arm, elapsed, the running estimate with its interval."""
    head = progress_line(progress, elapsed_s)
    if not progress.total:
        return head
    lines: list[RenderableType] = [
        head, ProgressBar(total=progress.total, completed=progress.done, width=50),
    ]  # fmt: skip
    if progress.analysis:
        a_a = progress.analysis.a_a
        lines.append(Text(f"  A/A {seconds(a_a.mean)} {span(a_a.interval, seconds)}", style="dim"))
        for arm in progress.analysis.arms:
            lines.append(
                Text(
                    f"  {arm.arm} so far: {percent(arm.slowdown.estimate)}"
                    f" {span(arm.slowdown.interval, percent)}"
                )
            )
    return Group(*lines)


def to_dict(result: Result) -> dict[str, Any]:
    """The `--json` document: times in seconds, per-sample figures in ns, slow-down a fraction."""
    analysis = result.analysis
    a_a = analysis.a_a
    return {
        "schema_version": 1,
        "label": {
            "platform": str(result.label.platform),
            "nested": result.label.nested,
            "evidence": result.label.evidence,
        },
        "host": result.host,
        "folder": str(result.folder),
        "kernel_release": result.machine["kernel_release"],
        "seed": result.manifest["seed"],
        "sha256": result.manifest["sha256"],
        "trusted": analysis.trusted,
        "doubts": list(analysis.untrusted),
        "blocks": analysis.blocks,
        "incomplete_blocks": list(analysis.incomplete_blocks),
        "off_mean_s": analysis.off_mean,
        "a_a": {
            "pairs": a_a.n,
            "mean_s": a_a.mean,
            "sd_s": a_a.sd,
            "interval_s": _pair(a_a.interval),
            "p_t": a_a.p_t,
            "p_sign_flip": a_a.p_sign_flip,
            "undefined": a_a.undefined,
        },
        "arms": [_arm_dict(arm) for arm in analysis.arms],
    }


def _arm_dict(arm: ArmResult) -> dict[str, Any]:
    if arm.errors:
        return {
            "arm": arm.arm, "tracker": arm.tracker, "runs": arm.runs, "errors": list(arm.errors)
        }  # fmt: skip
    return {
        "errors": [],
        "arm": arm.arm,
        "tracker": arm.tracker,
        "runs": arm.runs,
        "overhead_s": arm.overhead.mean,
        "overhead_interval_s": _pair(arm.overhead.interval),
        "p_sign_flip": arm.overhead.p_sign_flip,
        "slowdown": _ratio_dict(arm.slowdown, 1.0),
        "per_examined": _per_dict(arm.per_examined),
        "per_positive": _per_dict(arm.per_positive),
        "mde_fraction": arm.mde_fraction,
        "blocks_needed": arm.blocks_needed,
        "accuracy": arm.accuracy.to_dict() if arm.accuracy else None,
    }


def _per_dict(per: PerSample) -> dict[str, Any]:
    return {
        "unit": f"ns per {per.unit}",
        "samples": per.samples,
        "differential_ns": _ratio_dict(per.differential, 1e9),
        "direct_ns": None if per.direct is None else per.direct * 1e9,
        "mde_ns": None if per.mde is None else per.mde * 1e9,
    }


def _ratio_dict(ratio: Ratio, scale: float) -> dict[str, Any]:
    return {
        "estimate": None if ratio.estimate is None else ratio.estimate * scale,
        "fieller": _pair(ratio.interval, scale),
        "bootstrap": _pair(ratio.bootstrap, scale),
        "g": ratio.g,
        "undefined": ratio.undefined,
    }


def _pair(interval: Interval | None, scale: float = 1.0) -> list[float] | None:
    return None if interval is None else [interval.low * scale, interval.high * scale]


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
