"""Two captures side by side: what grew, what shrank, on which node, and what that says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hotkit.core.memaccount import Kind, MemoryAccount, MemoryItem
from hotkit.core.memdiffwords import answers, totals_only
from hotkit.core.memfacts import MemoryFacts
from hotkit.core.memrest import NAME as NO_FIELD
from hotkit.core.memtree import explain
from hotkit.core.units import KIB

# A change of less than this is not worth a line of its own below its item.
_SMALL_BYTES = 256 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDiff:
    """One node in both captures, bytes; None where a capture does not know the node. `cpus` that
    are online, None where nobody says."""

    node: int
    left_total: int | None
    right_total: int | None
    left_used: int | None
    right_used: int | None
    left_cpus: int | None = None
    right_cpus: int | None = None

    @property
    def delta(self) -> int | None:
        """How much more the right one uses."""
        if self.left_used is None or self.right_used is None:
            return None
        return self.right_used - self.left_used

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "node": self.node,
            "total_bytes": [self.left_total, self.right_total],
            "used_bytes": [self.left_used, self.right_used],
            "cpus_online": [self.left_cpus, self.right_cpus],
            "delta_bytes": self.delta,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDiff:
    """One item of the two trees; `nodes` the change per node where both know it."""

    name: str
    left_bytes: int
    right_bytes: int
    nodes: Mapping[int, int] = field(default_factory=dict)
    children: tuple[ItemDiff, ...] = ()

    @property
    def delta(self) -> int:
        return self.right_bytes - self.left_bytes

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "name": self.name,
            "bytes": [self.left_bytes, self.right_bytes],
            "delta_bytes": self.delta,
            "delta_nodes": {str(node): size for node, size in sorted(self.nodes.items())},
            "children": [child.to_dict() for child in self.children],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryDiff:
    """`items` add up to the change of what is used; none when a capture has totals only.

    `answers` are sentences: where it went, as far as the captures show it.
    """

    left: MemoryAccount
    right: MemoryAccount
    nodes: tuple[NodeDiff, ...]
    items: tuple[ItemDiff, ...]
    answers: tuple[str, ...]

    @property
    def delta(self) -> int:
        """How much more the right one uses."""
        return self.right.used_bytes - self.left.used_bytes

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        sides = (self.left, self.right)
        return {
            "schema_version": 1,
            "names": [side.name for side in sides],
            "labels": [side.label.to_dict() if side.label else None for side in sides],
            "total_bytes": [side.total_bytes for side in sides],
            "used_bytes": [side.used_bytes for side in sides],
            "delta_bytes": self.delta,
            "nodes": [node.to_dict() for node in self.nodes],
            "items": [item.to_dict() for item in self.items],
            "answers": list(self.answers),
            "problems": [list(side.problems) for side in sides],
        }


def diff(left: MemoryFacts, right: MemoryFacts) -> MemoryDiff:
    """Compare two captures of one machine, or of two."""
    accounts = explain(left), explain(right)
    nodes = tuple(_node(node, left, right) for node in sorted(set(left.nodes) | set(right.nodes)))
    items: tuple[ItemDiff, ...] = ()
    if not totals_only(left) and not totals_only(right):
        items = tuple(_items(accounts[0].items, accounts[1].items, first=True))
    changes = {node.node: node.delta for node in nodes if node.delta is not None}
    return MemoryDiff(
        left=accounts[0],
        right=accounts[1],
        nodes=nodes,
        items=items,
        answers=tuple(answers(left, right, changes, accounts)),
    )


def _node(node: int, left: MemoryFacts, right: MemoryFacts) -> NodeDiff:
    def of(facts: MemoryFacts) -> tuple[int | None, int | None]:
        fields = facts.nodes.get(node)
        if fields is None:
            return None, None
        return fields["MemTotal"], fields["MemTotal"] - fields["MemFree"]

    left_total, left_used = of(left)
    right_total, right_used = of(right)
    return NodeDiff(
        node=node,
        left_total=left_total,
        right_total=right_total,
        left_used=left_used,
        right_used=right_used,
        left_cpus=left.node_cpus.get(node),
        right_cpus=right.node_cpus.get(node),
    )


def _items(
    left: Iterable[MemoryItem], right: Iterable[MemoryItem], *, first: bool
) -> Iterator[ItemDiff]:
    """All items of the first level, whatever has changed below; the largest change first."""
    both: dict[str, tuple[MemoryItem | None, MemoryItem | None]] = {
        _key(item, first): (item, None) for item in left
    }
    for item in right:
        key = _key(item, first)
        both[key] = (both.get(key, (None, None))[0], item)
    found = [_pair(name, a, b) for name, (a, b) in both.items()]
    found.sort(key=lambda item: (-abs(item.delta), item.name))
    for change in found:
        if first or abs(change.delta) >= _SMALL_BYTES:
            yield change


def _key(item: MemoryItem, first: bool) -> str:
    # Where no source beside meminfo has a name for any of it, the item stands without its parent.
    return NO_FIELD if first and item.kind is Kind.UNEXPLAINED else item.name


def _pair(name: str, left: MemoryItem | None, right: MemoryItem | None) -> ItemDiff:
    nodes: dict[int, int] = {}
    if left is not None and right is not None:
        nodes = {
            node: right.nodes[node] - left.nodes[node] for node in left.nodes if node in right.nodes
        }
    parts = [item.children if item else () for item in (left, right)]
    return ItemDiff(
        name=name,
        left_bytes=left.size_bytes if left else 0,
        right_bytes=right.size_bytes if right else 0,
        nodes=nodes,
        # Parts that one capture does not tell apart are not 0 in it.
        children=tuple(_items(*parts, first=False)) if all(parts) else (),
    )
