"""What `hotkit memory diff` prints: nodes, items, and what the two captures say together."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hotkit.core.memaccount import MemoryAccount
from hotkit.core.memdiff import ItemDiff, MemoryDiff, NodeDiff
from hotkit.core.units import MIB
from hotkit.report.memoryaccount import mib

_SHOWN = 8  # of what changed below one item


def diff_report(found: MemoryDiff) -> RenderableType:
    """Nodes first: they are all that a table of numactl has."""
    parts: list[RenderableType] = [
        Text(f"A: {_named(found.left)}"),
        Text(f"B: {_named(found.right)}"),
        Text(),
        _nodes(found),
    ]
    if found.items:
        parts += [Text(), _items(found)]
    parts += [Text(), Text("What that says", style="bold")]
    parts += [Text(f"  {sentence}") for sentence in found.answers]
    for mark, account in (("A", found.left), ("B", found.right)):
        parts += [Text(f"note, {mark}: {problem}", style="dim") for problem in account.problems]
    return Group(*parts)


def _named(account: MemoryAccount) -> str:
    label = f" [{account.label}]" if account.label else ""
    kernel = f", Linux {account.kernel_release}" if account.kernel_release else ""
    return f"{account.name}{label}{kernel}"


def _nodes(found: MemoryDiff) -> Table:
    table = _table("in use, MiB", "A", "B", "B - A", "MemTotal A", "MemTotal B", "CPUs A", "CPUs B")
    for node in found.nodes:
        table.add_row(f"node {node.node}", *_of_node(node))
    table.add_section()
    totals = (found.left, found.right)
    cpus = [
        _count(_sum(side)) for side in ([node.left_cpus for node in found.nodes],
                                        [node.right_cpus for node in found.nodes])
    ]  # fmt: skip
    table.add_row(
        "all",
        *(mib(side.used_bytes) for side in totals),
        _signed(found.delta),
        *(mib(side.total_bytes) for side in totals),
        *cpus,
        style="bold",
    )
    return table


def _of_node(node: NodeDiff) -> list[str]:
    sizes = [_known(node.left_used), _known(node.right_used)]
    sizes.append("" if node.delta is None else _signed(node.delta))
    sizes += [_known(node.left_total), _known(node.right_total)]
    return [*sizes, _count(node.left_cpus), _count(node.right_cpus)]


def _items(found: MemoryDiff) -> Table:
    nodes = sorted({node for item in found.items for node in item.nodes})
    table = _table("in use, MiB", "A", "B", "B - A", *(f"node {node}" for node in nodes))
    for item in found.items:
        _row(table, item, nodes, "")
        for child in item.children[:_SHOWN]:
            _row(table, child, nodes, "  ")
        if len(item.children) > _SHOWN:
            table.add_row(f"  {len(item.children) - _SHOWN} smaller changes")
    return table


def _row(table: Table, item: ItemDiff, nodes: list[int], lead: str) -> None:
    table.add_row(
        lead + item.name,
        mib(item.left_bytes),
        mib(item.right_bytes),
        _signed(item.delta),
        *(_signed(item.nodes[node]) if node in item.nodes else "" for node in nodes),
    )


def _table(first: str, *numbers: str) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _known(size: int | None) -> str:
    return "" if size is None else mib(size)


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _signed(size: int) -> str:
    return f"{size / MIB:+.1f}"
