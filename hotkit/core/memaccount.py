"""What an explanation of used memory is made of: items in a tree that adds up, and what is beside.

Sizes are bytes. The first level of `MemoryAccount.items` adds up to MemTotal - MemFree exactly, for
the machine and for each node of `node_used`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hotkit.core.labels import Label


class Kind(StrEnum):
    """What a size stands for."""

    RAM = "RAM"  # pages in use, as a counter of the kernel has them
    LOWER_BOUND = "at least"  # some of the item above, as far as a listing that is cut shows
    NAMED = "RAM, named"  # pages that somebody's name is known for (page_owner, a trace)
    COMPUTED = "RAM, computed"  # no counter has it; it follows from what is known
    UNEXPLAINED = "unexplained"  # what is left; negative when more is named than is in use
    ADDRESS_SPACE = "address space, no RAM"
    ELSEWHERE = "RAM, counted elsewhere"
    VIEW = "another view"  # the same pages as above, cut otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryItem:
    """`nodes` are bytes per node as far as known; `source` the file and field it was read from.

    `scales_with` says what makes it larger (RAM, possible CPUs ...), None where nobody knows;
    `next_command` what would tell more. Children are parts and need not add up, unless one of them
    is a rest.
    """

    name: str
    size_bytes: int
    kind: Kind
    source: str
    nodes: Mapping[int, int] = field(default_factory=dict)
    note: str | None = None
    next_command: str | None = None
    scales_with: str | None = None
    children: tuple[MemoryItem, ...] = ()

    def walk(self) -> Iterator[MemoryItem]:
        """This item and all below it, from the top."""
        yield self
        for child in self.children:
            yield from child.walk()

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "name": self.name,
            "size_bytes": self.size_bytes,
            "kind": self.kind.name.lower(),
            "source": self.source,
            "nodes": {str(node): size for node, size in sorted(self.nodes.items())},
            "note": self.note,
            "next_command": self.next_command,
            "scales_with": self.scales_with,
            "children": [child.to_dict() for child in self.children],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One way to count: what no field explains when it is done so."""

    rest_bytes: int
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        return {"rest_bytes": self.rest_bytes, "sentence": self.sentence}


class Fit(StrEnum):
    """Whether a suspect can be the unexplained memory."""

    MEASURED = "in the tree"  # by a counter of the kernel's, or computed from what is known
    FITS = "fits"
    TOO_LARGE = "cannot be"
    NONE = "nothing"  # it takes no memory here
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One usual reason for memory that no field counts; `size_bytes` computed for this machine."""

    name: str
    fit: Fit
    sentence: str
    size_bytes: int | None = None
    next_command: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "name": self.name,
            "fit": str(self.fit),
            "size_bytes": self.size_bytes,
            "sentence": self.sentence,
            "next_command": self.next_command,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAccount:
    """Who holds how much of one machine's memory.

    `items` is the tree; `beside` what vmallocinfo lists that is no RAM or is counted elsewhere;
    `views` the same memory cut otherwise (processes, cgroups), and what lies outside MemTotal.
    `steps` lead from the plain sum of meminfo's fields to the tree. `unavailable_bytes` is
    MemTotal - MemAvailable, None on kernels that do not estimate it.
    """

    name: str
    label: Label | None
    kernel_release: str | None
    total_bytes: int
    free_bytes: int
    unavailable_bytes: int | None
    items: tuple[MemoryItem, ...]
    node_used: Mapping[int, int] = field(default_factory=dict)
    beside: tuple[MemoryItem, ...] = ()
    views: tuple[MemoryItem, ...] = ()
    steps: tuple[Step, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def used_bytes(self) -> int:
        """MemTotal - MemFree."""
        return self.total_bytes - self.free_bytes

    @property
    def unexplained(self) -> MemoryItem:
        """What no source has a name for."""
        return next(
            item for top in self.items for item in top.walk() if item.kind is Kind.UNEXPLAINED
        )

    def item(self, name: str) -> MemoryItem:
        """The first item of that name, from the top. Raises KeyError."""
        for top in (*self.items, *self.beside, *self.views):
            for item in top.walk():
                if item.name == name:
                    return item
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "schema_version": 1,
            "name": self.name,
            "label": self.label.to_dict() if self.label else None,
            "kernel_release": self.kernel_release,
            "total_bytes": self.total_bytes,
            "free_bytes": self.free_bytes,
            "used_bytes": self.used_bytes,
            "unavailable_bytes": self.unavailable_bytes,
            "node_used": {str(node): size for node, size in sorted(self.node_used.items())},
            "unexplained_bytes": self.unexplained.size_bytes,
            "items": [item.to_dict() for item in self.items],
            "beside": [item.to_dict() for item in self.beside],
            "views": [item.to_dict() for item in self.views],
            "steps": [step.to_dict() for step in self.steps],
            "suspects": [suspect.to_dict() for suspect in self.suspects],
            "notes": list(self.notes),
            "problems": list(self.problems),
        }
