"""`numactl -H`: nodes, their CPUs, sizes and distances, as a capture keeps them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hotkit.core.units import MIB
from hotkit.errors import HotkitError

_CPUS = re.compile(r"node (\d+) cpus:(.*)")
_SIZE = re.compile(r"node (\d+) size: (\d+) MB")
_ROW = re.compile(r"(\d+):((?:\s+\d+)+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numactl:
    """`sizes_bytes` are whole MiB (numactl rounds); distances by position in `nodes`."""

    nodes: tuple[int, ...]
    cpus: dict[int, tuple[int, ...]]
    sizes_bytes: dict[int, int]
    distances: tuple[tuple[int, ...], ...]


def parse_numactl(text: str) -> Numactl:
    """Read the output, indented or not. Raises HotkitError when it is none."""
    cpus: dict[int, tuple[int, ...]] = {}
    sizes: dict[int, int] = {}
    rows: dict[int, tuple[int, ...]] = {}
    for line in text.splitlines():
        line = line.strip()
        if match := _CPUS.fullmatch(line):
            words = match[2].split()
            if not all(word.isdecimal() for word in words):
                raise HotkitError(f"numactl -H: cannot read the CPUs in {line!r}")
            cpus[int(match[1])] = tuple(map(int, words))
        elif match := _SIZE.fullmatch(line):
            sizes[int(match[1])] = int(match[2]) * MIB
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
        distances=tuple(rows[node] for node in nodes) if square else (),
    )
