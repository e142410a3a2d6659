"""What `hotkit verify` prints: a table of expected, found and verdict per host, and the causes."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from hotkit.core.check import Verdict
from hotkit.core.hostverdict import HostVerdict, Outcome

_STYLE = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.UNKNOWN: "yellow"}
_WORD = {Verdict.PASS: "pass", Verdict.FAIL: "FAIL", Verdict.UNKNOWN: "unknown"}


def print_verdicts(verdicts: Iterable[HostVerdict], console: Console) -> None:
    """One block per host, then one line for all."""
    hosts = list(verdicts)
    for verdict in hosts:
        console.print(host_block(verdict))
    if len(hosts) > 1:
        good = sum(verdict.ok for verdict in hosts)
        console.print(f"{good} of {len(hosts)} hosts are as planned.")


def host_block(verdict: HostVerdict) -> RenderableType:
    """A host's table and below it what is wrong, in sentences."""
    if verdict.outcome in (Outcome.UNREACHABLE, Outcome.PROBLEM):
        return Group(Text(verdict.problem, style="bold red"), Text())
    table = Table(
        title=_title(verdict),
        title_justify="left",
        title_style="bold",
        show_edge=False,
        pad_edge=False,
    )
    table.add_column("check", no_wrap=True)
    table.add_column("expected", overflow="fold")
    table.add_column("found", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for item in verdict.checks:
        # Text, not str: a bracket in "[mem 0x...]" is no markup.
        table.add_row(
            Text(item.name),
            Text(item.expected),
            Text(item.found),
            Text(_WORD[item.verdict], style=_STYLE[item.verdict]),
        )
    lines: list[RenderableType] = [table]
    for item in verdict.checks:
        if item.verdict is not Verdict.PASS:
            lines.append(Text(f"{item.name}: {item.sentence}", style=_STYLE[item.verdict]))
    for cause in verdict.causes:
        lines.append(Text(f"Cause: {cause.sentence}"))
        lines.append(Text(f"  {cause.advice}"))
    if verdict.memory is not None:
        style = "" if verdict.memory.within else "yellow"
        lines.append(Text(f"memory: {verdict.memory.sentence}", style=style))
    lines.append(Text())
    return Group(*lines)


def _title(verdict: HostVerdict) -> Text:
    passed = sum(item.verdict is Verdict.PASS for item in verdict.checks)
    label = f", {verdict.label}" if verdict.label else ""
    return Text(
        f"{verdict.host}: layout {verdict.layout_id} ({verdict.profile}), "
        f"Linux {verdict.kernel_release}{label}: {passed} of {len(verdict.checks)} checks passed"
    )
