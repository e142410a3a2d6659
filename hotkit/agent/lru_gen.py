"""The text of debugfs lru_gen: generations of pages per memcg and node.

Documentation/admin-guide/mm/multigen_lru.rst, "Debugfs interface":
  memcg     7 /hotkit-workload
   node     0
            3       1204         16384          12
generation number, age in ms, anonymous pages, file pages; the oldest first. lru_gen_full has more
lines below each, of six or seven fields, and marks counts of generations that are gone with an x.
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
                current = None
                # Without memory cgroups there is no path.
                path = line.split(maxsplit=2)[2].strip() if len(fields) > 2 else "/"
                memcg = int(fields[1]), path
            elif fields[0] == "node":
                current = None
                if memcg is None:
                    raise ValueError("a node of no memcg")
                current = Lruvec(memcg[0], memcg[1], int(fields[1]), [])
                found.append(current)
            elif current is None or len(fields) < 4:
                raise ValueError("a generation of no node")
            elif len(fields) == 4:
                one = Generation(*(int(field.rstrip("x")) for field in fields))
                if current.generations and one.number <= current.generations[-1].number:
                    raise ValueError("not a younger generation")
                current.generations.append(one)
        except (ValueError, IndexError):
            damaged += 1
            if not line[0].isspace():
                memcg = current = None  # it was a memcg's
    return found, damaged
