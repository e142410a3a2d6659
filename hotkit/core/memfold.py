"""Long lists made short: the largest, and one line for all others."""

from __future__ import annotations

from collections.abc import Iterable

from hotkit.core.memaccount import Kind, MemoryItem
from hotkit.core.units import KIB

_SHOWN = 12
_SMALL_BYTES = 512 * KIB


def fold(items: Iterable[MemoryItem]) -> tuple[MemoryItem, ...]:
    """Small items of one kind become one, whose size and nodes are theirs added up.

    The order stays; what is unexplained is never folded, and two lines are not made of one.
    """
    items = tuple(items)
    parts = [item for item in items if item.kind is not Kind.UNEXPLAINED]
    largest = sorted(parts, key=lambda item: -item.size_bytes)[:_SHOWN]
    shown = {id(item) for item in largest if item.size_bytes >= _SMALL_BYTES}
    rest = [item for item in parts if id(item) not in shown]
    if len(rest) < 2:
        return items
    nodes: dict[int, int] = {}
    for item in rest:
        for node, size in item.nodes.items():
            nodes[node] = nodes.get(node, 0) + size
    folded = MemoryItem(
        name=f"{len(rest)} more",
        size_bytes=sum(item.size_bytes for item in rest),
        kind=rest[0].kind,
        source=rest[0].source,
        nodes=nodes,
    )
    kept = [item for item in parts if id(item) in shown]
    return (*kept, folded, *(item for item in items if item.kind is Kind.UNEXPLAINED))
