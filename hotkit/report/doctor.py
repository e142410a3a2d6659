"""What `hotkit doctor` prints: a line per finding, the gravest first, and its fix below it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hotkit.core.examination import Examination
from hotkit.core.gravity import Finding, Gravity
from hotkit.report.asking import host_title, silent_hosts

_STYLE = {Gravity.PROBLEM: "bold red", Gravity.WARNING: "yellow", Gravity.FINE: "green"}


def print_examination(found: Examination, console: Console) -> None:
    """The hosts, each with its guests, those that said nothing, and the controller."""
    for host in found.hosts:
        if host.findings:
            _block(host_title(host.answer), host.findings, console)
        if host.vms:
            title = f"{host_title(host.answer)}, for guests"
            _block(title, host.vms.findings, console, named=True)
            for guest in host.vms.guests:
                label = f" [{guest.label}]" if guest.label else ""
                title = f"{host.answer.host}, guest {guest.name}{label}"
                _block(title, guest.findings, console, named=True)
    silent_hosts([host.answer for host in found.hosts], console)
    _block("this machine, as the controller", found.controller, console)


def _block(title: str, findings: Sequence[Finding], console: Console, named: bool = False) -> None:
    """`named`: with the code of each finding, by which documentation speaks of it."""
    counts = [
        f"{sum(item.gravity is gravity for item in findings)} {word}"
        for gravity, word in (
            (Gravity.PROBLEM, "problems"),
            (Gravity.WARNING, "warnings"),
            (Gravity.FINE, "fine"),
        )
    ]
    console.print(Text.assemble((title, "bold"), f": {', '.join(counts)}"))
    table = Table(show_header=False, box=None, pad_edge=False)
    for _ in range(1 + named):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for item in findings:
        said = item.sentence + (f"\nfix: {item.fix}" if item.fix else "")
        words = [Text(item.gravity.name.lower(), style=_STYLE[item.gravity])]
        words += [Text(item.code)] if named else []
        table.add_row(*words, Text(said))
    console.print(Padding(table, (0, 0, 1, 2), expand=False))
