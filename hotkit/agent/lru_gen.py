"""The text of debugfs lru_gen: generations of pages per memcg and node.

Documentation/admin-guide/mm/multigen_lru.rst, "Debugfs interface":
  memcg     7 /hotkit-workload
   node     0
            3       1204         16384          12
generation number, age in ms, anonymous pages, file pages; the oldest first.
"""

from __future__ import annotations

from typing import NamedTuple


class Generation(NamedTuple):
    """One line; -0 stands where a count is hidden below 0 (the kernel's own writing)."""

    number: int
    age_ms: int
    anon: int
    file: int


class Lruvec(NamedTuple):
    """The generations of one memcg on one node."""

    memcg_id: int
    path: str
    node: int
    generations: list[Generation]


def parse_lru_gen(text: str) -> tuple[list[Lruvec], int]:
    """All of it, and how many lines could not be read."""
    found: list[Lruvec] = []
    damaged = 0
    memcg: tuple[int, str] | None = None
    current: Lruvec | None = None
    for line in text.splitlines():
        fields = line.split()
        if not fields:
            continue
        try:
            if fields[0] == "memcg":
                memcg, current = (int(fields[1]), fields[2] if len(fields) > 2 else "/"), None
            elif fields[0] == "node":
                if memcg is None:
                    raise ValueError("a node of no memcg")
                current = Lruvec(memcg[0], memcg[1], int(fields[1]), [])
                found.append(current)
            elif current is None or len(fields) < 4:
                raise ValueError("a generation of no node")
            else:
                # lru_gen_full has more lines below a generation: words, not four numbers.
                current.generations.append(Generation(*map(int, fields[:4])))
        except (ValueError, IndexError):
            damaged += 1
    return found, damaged
