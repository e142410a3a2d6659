"""What `hotkit provision` and `hotkit rollback` show: plans, live rows per host, a summary."""

from __future__ import annotations

import difflib
import io
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hotkit.core.plaintext import plain, plain_line
from hotkit.core.units import format_size

_STYLES = {
    "ok": "green",
    "would-change": "yellow",
    "declined": "yellow",
    "refused": "bold red",
    "failed": "bold red",
    "not-verified": "bold red",
    "not-started": "yellow",
    "fell-back": "bold red",
    "unreachable": "bold red",
}


class Ended(Protocol):
    """What a host's outcome tells this file (provision.HostOutcome, rollback.HostOutcome)."""

    @property
    def host(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def sentence(self) -> str: ...
    @property
    def hint(self) -> str | None: ...
    @property
    def changed(self) -> int: ...
    @property
    def rebooted(self) -> bool: ...
    @property
    def reboot_seconds(self) -> int | None: ...
    @property
    def seconds(self) -> float: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def console(self) -> tuple[str, ...]: ...


class LiveProgress:
    """A row per host with its step and how long it takes; plain lines where nobody watches."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()
        self._rows: dict[str, tuple[str, float, str]] = {}
        self._consoles: dict[str, str] = {}
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=4)

    def __enter__(self) -> LiveProgress:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._live.stop()
        if kind is KeyboardInterrupt:
            self.console.print("A step under way on a host ends by itself; a second call goes on.")

    def paused(self, ask: Callable[[], bool]) -> Callable[[], bool]:
        """`ask`, with the drawing stopped while it asks."""

        def asking() -> bool:
            self._live.stop()
            try:
                return ask()
            finally:
                if self.console.is_terminal:
                    self._live.start()

        return asking

    def step(self, host: str, step: str) -> None:
        self._consoles.pop(host, None)
        self._rows[host] = (step, time.monotonic(), "")
        self._line(host, step)

    def console_line(self, host: str, line: str) -> None:
        self._consoles[host] = line

    def done(self, host: str, outcome: Ended) -> None:
        self._consoles.pop(host, None)
        self._rows[host] = (outcome.status, time.monotonic(), _STYLES[outcome.status])
        self._line(host, outcome.status)

    def plans(self, plans: Sequence[Mapping[str, Any]]) -> None:
        for hosts, plan in same_plans(plans):
            self.console.print(plan_block(plan, hosts))

    def diff(self, host: str, diffs: Sequence[Mapping[str, Any]]) -> None:
        for item in diffs:
            self.console.print(diff_block(host, item))

    def _line(self, host: str, text: str) -> None:
        if not self.console.is_terminal:
            elapsed = time.monotonic() - self._began
            self.console.print(f"{elapsed:6.1f} s  {host}: {text}", markup=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table(show_edge=False, box=None, pad_edge=False)
        table.add_column("host", style="bold", no_wrap=True)
        table.add_column("step")
        table.add_column("for", justify="right", no_wrap=True)
        table.add_column("console", no_wrap=True)
        now = time.monotonic()
        for host, (step, since, style) in list(self._rows.items()):
            # A finished host keeps the time of the whole run, a running one that of its step.
            seconds = since - self._began if style else now - since
            said = Text(self._consoles.get(host, ""), style="dim", overflow="ellipsis")
            table.add_row(Text(host), Text(step, style=style), f"{seconds:.0f} s", said)
        return table


def same_plans(
    plans: Sequence[Mapping[str, Any]],
) -> list[tuple[list[str], Mapping[str, Any]]]:
    """Plans that are shown alike, once each with the names of their hosts: a lab has many."""
    found: dict[str, tuple[list[str], Mapping[str, Any]]] = {}
    for plan in plans:
        console = Console(file=io.StringIO(), width=200)
        console.print(plan_block(plan, [""]))
        assert isinstance(console.file, io.StringIO)
        found.setdefault(console.file.getvalue(), ([], plan))[0].append(str(plan["host"]))
    return list(found.values())


def plan_block(plan: Mapping[str, Any], hosts: Sequence[str] = ()) -> RenderableType:
    """A plan, of one host or of `hosts`: what each node keeps, command line, steps, doubts."""
    layout = plan["layout"]
    names = ", ".join(hosts or [plan["host"]])
    if len(hosts) > 1:
        names = f"{len(hosts)} hosts ({names})"
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("node", justify="right")
    table.add_column("role")
    for name in ("wanted", "RAM there", "kept"):
        table.add_column(name, justify="right")
    for node in layout["nodes"]:
        wanted = node["wanted_bytes"]
        table.add_row(
            str(node["node"]),
            node["role"],
            "" if wanted is None else format_size(wanted),
            format_size(node["present_bytes"]),
            format_size(node["kept_bytes"]),
        )
    steps = {
        "kernel": "install the kernel", "entry": "write the boot entry", "arm": "arm it once",
        "reboot": "reboot", "confirm": "see what came up", "pmem": "put the PMEM online",
        "verify": "verify",
    }  # fmt: skip
    lines: list[RenderableType] = [
        Text(f"{names}: {layout['profile']} ({layout['id'][:8]})", style="bold"),
        table,
        *([Text(f"kernel: {plan['kernel_build']['release']}")] if plan["kernel_build"] else []),
        Text(f"arguments: {layout['cmdline']}"),
        Text("to do: " + ", ".join(steps[item] for item in plan["left"])),
    ]
    for item in plan["files"] if "entry" in plan["left"] else ():
        lines.append(Text(f"writes: {item['path']} (after a copy into /var/lib/hotkit)"))
    for concern in plan["warnings"]:
        hint = f" ({concern['hint']})" if concern["hint"] else ""
        lines.append(Text(f"doubt: {concern['message']}{hint}", style="yellow"))
    lines += [Text(f"note: {note}", style="dim") for note in plan["notes"]]
    return Group(*lines, Text())


def diff_block(host: str, item: Mapping[str, Any]) -> Text:
    """One file's change as a unified diff."""
    text = Text()
    lines = difflib.unified_diff(
        str(item.get("before", "")).splitlines(),
        str(item.get("after", "")).splitlines(),
        f"{host}:{item.get('before_header', 'before')}",
        f"{host}:{item.get('after_header', 'after')}",
        lineterm="",
    )
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in lines:
        text.append(line + "\n", style=styles.get(line[:1], ""))
    return text


def print_summary(outcomes: Sequence[Ended], folder: str, console: Console) -> None:
    """A row per host, then what went wrong in sentences, and where the logs are."""
    table = Table(show_edge=False, pad_edge=False)
    for name in ("host", "outcome"):
        table.add_column(name, no_wrap=True)
    for name in ("changed", "reboot", "took"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in outcomes:
        reboot = f"{item.reboot_seconds} s" if item.reboot_seconds else "yes"
        table.add_row(
            Text(item.host),
            Text(item.status, style=_STYLES[item.status]),
            str(item.changed),
            reboot if item.rebooted else "no",
            f"{item.seconds:.0f} s",
        )
    console.print(table)
    for item in outcomes:
        style = _STYLES[item.status] if item.status not in ("ok", "would-change") else ""
        # A machine's own words may be in each of these: one line, and nothing but text.
        console.print(Text(f"{item.host}: {plain_line(item.sentence, 2000)}", style=style))
        for line in (*item.notes, *([item.hint] if item.hint else [])):
            console.print(Text(f"  {plain_line(line, 2000)}"))
        if item.console:
            console.print(Text("  the console said:"))
            for line in item.console:
                console.print(Text(f"  | {plain(line).replace(chr(10), ' ')}", style="dim"))
    if any(item.status not in ("ok", "would-change") for item in outcomes):
        console.print(Text(f"logs: {folder}"))
