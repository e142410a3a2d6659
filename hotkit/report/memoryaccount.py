"""What `hotkit memory explain` prints: the tree, what is no part of it, and the suspects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hotkit.core.memaccount import Fit, Kind, MemoryAccount, MemoryItem, Suspect
from hotkit.core.memfold import fold
from hotkit.core.units import MIB

_FIT_STYLE = {
    Fit.MEASURED: "green", Fit.FITS: "yellow", Fit.TOO_LARGE: "red", Fit.NONE: "dim",
    Fit.UNKNOWN: "yellow",
}  # fmt: skip


def account_report(account: MemoryAccount) -> RenderableType:
    """The whole answer, in the order in which one asks."""
    parts: list[RenderableType] = [*_head(account), Text(), _tree(account), Text()]
    parts += _steps(account)
    if account.suspects:
        parts += [Text(), _suspects(account.suspects)]
        parts += [Text(f"  ask: {command}") for command in _commands(account)]
    if account.beside:
        title = "Listed in vmallocinfo, and no part of the above"
        parts += [Text(), _list(title, account.beside, depth=2)]
    for view in account.views:
        parts += [
            Text(),
            _list(f"{_capital(view.name)}: {mib(view.size_bytes)} MiB", view.children),
        ]
        parts += [Text(f"  {_remark(view)}", style="dim")] if _remark(view) else []
    said = [*account.notes, *account.problems]
    return Group(*parts, *([Text()] if said else []), *(Text(f"note: {one}") for one in said))


def _head(account: MemoryAccount) -> Iterator[Text]:
    label = f" [{account.label}]" if account.label else ""
    kernel = f", Linux {account.kernel_release}" if account.kernel_release else ""
    yield Text(f"{account.name}{label}{kernel}", style="bold")
    line = (
        f"{mib(account.used_bytes)} MiB of {mib(account.total_bytes)} are in use "
        "(MemTotal - MemFree)"
    )
    if account.unavailable_bytes is not None:
        line += f", {mib(account.unavailable_bytes)} MiB by MemAvailable"
    yield Text(line)


def _tree(account: MemoryAccount) -> Table:
    nodes = sorted(
        set(account.node_used)
        | {node for top in account.items for item in top.walk() for node in item.nodes}
    )
    table = _table("in use, MiB", "all", *(f"node {node}" for node in nodes))
    table.add_column("what that is", overflow="fold")
    for item in account.items:
        _rows(table, item, nodes, "", "", "")
    table.add_section()
    used = [_node(account.node_used, node) for node in nodes]
    table.add_row("all of it", mib(account.used_bytes), *used, "adds up exactly", style="bold")
    return table


def _rows(
    table: Table, item: MemoryItem, nodes: Sequence[int], lead: str, mark: str, below: str
) -> None:
    style = "bold yellow" if item.kind is Kind.UNEXPLAINED else ""
    table.add_row(
        Text(lead + mark + item.name, style=style),
        mib(item.size_bytes),
        *(_node(item.nodes, node) for node in nodes),
        Text(_remark(item), style="dim"),
    )
    children = fold(item.children)
    for child in children:
        last = child is children[-1]
        _rows(table, child, nodes, lead + below, "└ " if last else "├ ", "  " if last else "│ ")


def _remark(item: MemoryItem) -> str:
    """Where the figure is from, what it stands for, what makes it larger."""
    said = [item.source]
    if item.kind in (Kind.LOWER_BOUND, Kind.NAMED, Kind.COMPUTED):
        said.append(str(item.kind))
    said += [item.note] if item.note else []
    said += [f"scales with {item.scales_with}"] if item.scales_with else []
    said += [f"ask: {item.next_command}"] if _asks(item) else []
    return "; ".join(said)


def _asks(item: MemoryItem) -> bool:
    # What would explain the rest has a line of its own below the suspects.
    return item.next_command is not None and item.kind is not Kind.UNEXPLAINED


def _steps(account: MemoryAccount) -> list[RenderableType]:
    rest = account.unexplained
    lines: list[RenderableType] = [Text("What no field of meminfo explains", style="bold")]
    lines += [Text(f"  {mib(step.rest_bytes):>9} MiB {step.sentence}") for step in account.steps]
    if rest.next_command and rest.size_bytes > 0:
        lines.append(Text(f"  ask: {rest.next_command}"))
    return lines


def _suspects(suspects: Iterable[Suspect]) -> Table:
    table = _table("the usual suspects", "MiB", title="What it can be, computed for this machine")
    table.add_column("verdict", no_wrap=True)
    table.add_column("why", overflow="fold")
    for one in suspects:
        table.add_row(
            one.name,
            "-" if one.size_bytes is None else mib(one.size_bytes),
            Text(str(one.fit), style=_FIT_STYLE[one.fit]),
            one.sentence,
        )
    return table


def _commands(account: MemoryAccount) -> list[str]:
    """Each once, in the order of the suspects."""
    return list(dict.fromkeys(one.next_command for one in account.suspects if one.next_command))


def _list(title: str, items: Iterable[MemoryItem], depth: int = 1) -> Table:
    table = _table(title, "MiB")
    table.add_column("what that is", overflow="fold")
    for item in fold(items):
        said = [str(item.kind)] if item.kind is not Kind.VIEW else []
        said += [item.note] if item.note else []
        table.add_row(item.name, mib(item.size_bytes), Text("; ".join(said), style="dim"))
        for child in fold(item.children) if depth > 1 else ():
            table.add_row(f"  {child.name}", mib(child.size_bytes), "")
    return table


def _table(first: str, *numbers: str, title: str | None = None) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", show_edge=False, pad_edge=False
    )
    table.add_column(first, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _node(nodes: Mapping[int, int], node: int) -> str:
    return mib(nodes[node]) if node in nodes else ""


def mib(size_bytes: int) -> str:
    """One decimal: a page is 0.004 MiB."""
    return f"{size_bytes / MIB:.1f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
