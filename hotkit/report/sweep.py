"""What a sweep found: the trust verdict first, then the figures, each with unit and label."""

from __future__ import annotations

from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.text import Text

from hotkit.core.analysis import A_A_LEVEL, Analysis
from hotkit.report.sweep_gates import gate_lines, rerun_table
from hotkit.report.sweep_guest import guest_lines, seen_lines
from hotkit.report.sweep_json import to_dict as to_dict
from hotkit.report.sweep_tables import (
    Result,
    accuracy_table,
    dose_table,
    percent,
    sample_table,
    seconds,
    slowdown_table,
    span,
)
from hotkit.report.sweep_verdict import verdict_of
from hotkit.report.sweep_words import dose_lines, drift_lines, statements

# Rows of re-run blocks on a terminal.
_MOST_RERUNS = 8


class ProgressLike(Protocol):
    """What is needed of a Progress (hotkit/sweep/progress.py)."""

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
    @property
    def reruns(self) -> int: ...
    @property
    def gate(self) -> str | None: ...
    @property
    def left_s(self) -> float | None: ...


def print_sweep(result: Result, console: Console) -> None:
    """The whole report on the terminal."""
    analysis = result.analysis
    console.print(_verdict(result))
    console.print(slowdown_table(result))
    for line in drift_lines(analysis.drift):
        console.print(f"  {line}")
    if again := rerun_table(result, most=_MOST_RERUNS):
        console.print(again)
    for line in [*gate_lines(analysis), *guest_lines(result)]:
        console.print(Text(f"  {line}"))
    # What was seen does not depend on how long it took.
    if seen := accuracy_table(result):
        console.print(seen)
    for line in seen_lines(analysis):
        console.print(Text(f"  {line}"))
    if analysis.trusted:
        console.print(sample_table(result))
        if doses := dose_table(result):
            console.print(doses)
        said = [line for arm in analysis.arms for line in statements(arm, analysis)]
        for line in [*said, *dose_lines(analysis.doses)]:
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
    verdict = verdict_of(result)
    style = {"trusted": "green", "undefined": "yellow", "untrusted": "red"}[verdict.kind]
    return Panel(
        Text("\n".join(verdict.lines)),
        title=f"sweep on {result.host}: {verdict.title} [{result.label}]".replace("[", r"\["),
        border_style=style,
    )


def progress_line(progress: ProgressLike, elapsed_s: float) -> Text:
    """Where the sweep stands, in one line."""
    head = Text(f"{progress.host}: ", style="bold")
    head.append(progress.step, style="")
    if progress.block is not None:
        head.append(f"  block {progress.block + 1}/{progress.blocks}  arm {progress.arm}")
    head.append(f"  {elapsed_s:.0f} s", style="dim")
    if progress.left_s is not None:
        head.append(f", about {progress.left_s:.0f} s left", style="dim")
    if progress.gate:
        head.append(f"  block begins anew: {progress.gate}", style="yellow")
    elif progress.reruns:
        head.append(f"  {progress.reruns} block(s) begun anew", style="yellow")
    return head


def _a_a_so_far(analysis: Analysis) -> Text:
    """The two off runs so far: what decides whether the session will be trusted."""
    a_a = analysis.a_a
    differ = a_a.p_t is not None and a_a.p_t < A_A_LEVEL
    word = "the off runs differ" if differ else "the off runs agree"
    return Text(
        f"  A/A so far: {seconds(a_a.mean)} {span(a_a.interval, seconds)}: {word}",
        style="red" if differ else "dim",
    )


def progress_view(progress: ProgressLike, elapsed_s: float) -> RenderableType:
    """The live view: block, arm, elapsed, the running estimate with its interval."""
    head = progress_line(progress, elapsed_s)
    if not progress.total:
        return head
    lines: list[RenderableType] = [
        head, ProgressBar(total=progress.total, completed=progress.done, width=50),
    ]  # fmt: skip
    if progress.analysis:
        lines.append(_a_a_so_far(progress.analysis))
        for arm in progress.analysis.arms:
            lines.append(
                Text(
                    f"  {arm.arm} so far: {percent(arm.slowdown.estimate)}"
                    f" {span(arm.slowdown.interval, percent)}"
                )
            )
    return Group(*lines)
