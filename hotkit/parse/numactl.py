"""`numactl -H`: nodes, their CPUs, sizes and distances, as a capture keeps them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hotkit.core.plaintext import plain_line
from hotkit.core.units import MIB
from hotkit.errors import HotkitError

_CPUS = re.compile(r"node (\d{1,5}) cpus:(.*)")
_SIZE = re.compile(r"node (\d{1,5}) (size|free): (\d{1,15}) MB")
_ROW = re.compile(r"(\d{1,5}):((?:\s+\d{1,5})+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numactl:
    """`sizes_bytes` and `free_bytes` are whole MiB (numactl cuts the rest); distances by position
    in `nodes`.
    """

    nodes: tuple[int, ...]
    cpus: dict[int, tuple[int, ...]]
    sizes_bytes: dict[int, int]
    distances: tuple[tuple[int, ...], ...]
    free_bytes: dict[int, int] = field(default_factory=dict)

    @property
    def used_bytes(self) -> int:
        """Of all nodes whose size and free memory are there."""
        return sum(
            self.sizes_bytes[n] - self.free_bytes[n]
            for n in self.free_bytes
            if n in self.sizes_bytes
        )


def parse_numactl(text: str) -> Numactl:
    """Read the output, indented or not. Raises HotkitError when it is none."""
    cpus: dict[int, tuple[int, ...]] = {}
    sizes: dict[int, int] = {}
    free: dict[int, int] = {}
    rows: dict[int, tuple[int, ...]] = {}
    for line in text.splitlines():
        line = line.strip()
        if match := _CPUS.fullmatch(line):
            words = match[2].split()
            if not all(word.isdecimal() and len(word) < 6 for word in words):
                raise HotkitError(f"numactl -H: cannot read the CPUs in {plain_line(line)!r}")
            cpus[int(match[1])] = tuple(map(int, words))
        elif match := _SIZE.fullmatch(line):
            (sizes if match[2] == "size" else free)[int(match[1])] = int(match[3]) * MIB
        elif match := _ROW.fullmatch(line):
            rows[int(match[1])] = tuple(map(int, match[2].split()))
    if not cpus:
        raise HotkitError("this is no output of `numactl -H`: it names no node's CPUs")
    nodes = tuple(sorted(cpus))
    square = all(node in rows and len(rows[node]) == len(nodes) for node in nodes)
    return Numactl(
        nodes=nodes,
        cpus=cpus,
        sizes_bytes=sizes,
        free_bytes=free,
        distances=tuple(rows[node] for node in nodes) if square else (),
    )
