"""What `hotkit trackers` prints: the matrix, why the gaps in it, and what each tracker is."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hotkit.agent.trackers import TRACKERS
from hotkit.agent.trackers.base import OVER_VM, Tracker, rules_of
from hotkit.core.trackermatrix import HostTrackers, Verdict
from hotkit.report.asking import host_title, silent_hosts

_YES, _NO = ("yes", "green"), ("no", "red")


def print_matrix(hosts: Sequence[HostTrackers], console: Console) -> None:
    """Trackers down, hosts across; below it reasons with fixes, and what each tracker does."""
    answered = [host for host in hosts if host.verdicts]
    if answered:
        table = Table(show_edge=False, pad_edge=False)
        table.add_column("tracker", no_wrap=True)
        for host in answered:
            table.add_column(Text(host_title(host.answer)), overflow="fold")
        for name in TRACKERS:
            table.add_row(name, *(_mark(host.verdicts.get(name)) for host in answered))
        console.print(table)
    for host in answered:
        for name, verdict in host.verdicts.items():
            if not verdict.available:
                console.print()
                _why(console, f"{host.answer.host}: {name}", verdict)
    silent_hosts([host.answer for host in hosts], console)
    console.print()
    for name, kind in TRACKERS.items():
        console.print(Text.assemble((name, "bold"), f": {kind.how}"))
        if kind.units["examined"] != Tracker.units["examined"]:
            console.print(Padding(Text(_units(kind), style="dim"), (0, 0, 0, 2), expand=False))


def print_tracker(kind: type[Tracker], hosts: Sequence[HostTrackers], console: Console) -> None:
    """One tracker: what it does, its settings, and where it works."""
    console.print(Text.assemble((kind.name, "bold"), f": {kind.how}"))
    console.print(Text(_units(kind)))
    console.print()
    table = Table(show_edge=False, pad_edge=False)
    for column in ("setting", "default"):
        table.add_column(column, no_wrap=True)
    table.add_column("meaning", overflow="fold")
    for name, setting in rules_of(kind, "host").items():
        meaning = setting.help + (" (scope: host)" if name in OVER_VM else "")
        if setting.choices:
            meaning += f" [{' | '.join(setting.choices)}]"
        if setting.least is not None:
            meaning += f" (at least {setting.least})"
        default = setting.default
        words = str(default).lower() if isinstance(default, bool) else str(default)
        table.add_row(name, words, Text(meaning), style="dim" if name not in kind.settings else "")
    console.print(table)
    console.print()
    for host in hosts:
        verdict = host.verdicts.get(kind.name)
        if verdict is None:
            continue
        if verdict.available:
            console.print(Text.assemble(f"{host_title(host.answer)}: ", _YES))
        else:
            _why(console, f"{host_title(host.answer)}: no", verdict)
    silent_hosts([host.answer for host in hosts], console)


def _units(kind: type[Tracker]) -> str:
    return f"examined: {kind.units['examined']}; positive: {kind.units['positive']}"


def _mark(verdict: Verdict | None) -> Text:
    if verdict is None:
        return Text("-")
    return Text(*(_YES if verdict.available else _NO))


def _why(console: Console, title: str, verdict: Verdict) -> None:
    console.print(Text.assemble((title, "bold"), f": {verdict.reason}"))
    if verdict.fix:
        console.print(Padding(Text(f"fix: {verdict.fix}"), (0, 0, 0, 2), expand=False))
