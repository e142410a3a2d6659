"""What a lab machine is made of: the inventory variable `hotkit_machine`, read and checked.

hotkit_machine:
  nodes:                      # node 0, 1, ...: in this order, and DRAM in this address order
    - {memory: 128G, cpus: 4}
    - {memory: 128G, cpus: 1}
    - {pmem: 504G}            # an NVDIMM: non-volatile, a node of its own, above all DRAM
  distances: [[10, 20, 17], [20, 10, 28], [17, 28, 10]]   # optional: 10 and 20
  guest_disk: true            # optional: the lab's image once more, read-only, for guests to boot
  notes: ["what differs from the machine it stands for"]  # optional
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hotkit.core.units import MIB, format_size, parse_size
from hotkit.errors import HotkitError

MAX_NODES = 8
MAX_CPUS = 64  # software emulation gives every CPU a thread: far more than a laptop has is no use
_TAKEN = ("logs", "ssh_config")  # other things in the lab's directory
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineNode:
    """One NUMA node: DRAM with CPUs, DRAM alone, CPUs alone, or one NVDIMM."""

    memory_bytes: int = 0
    pmem_bytes: int = 0
    cpus: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """How QEMU builds a machine. CPUs are numbered node by node; distances[i][j] as in SLIT."""

    name: str
    nodes: tuple[MachineNode, ...]
    distances: tuple[tuple[int, ...], ...]
    guest_disk: bool = False
    notes: tuple[str, ...] = ()

    @property
    def memory_bytes(self) -> int:
        return sum(node.memory_bytes for node in self.nodes)

    @property
    def pmem_bytes(self) -> int:
        return sum(node.pmem_bytes for node in self.nodes)

    @property
    def cpu_count(self) -> int:
        return sum(node.cpus for node in self.nodes)

    @property
    def id(self) -> str:
        """Twelve hex digits over what QEMU is told (the notes do not count)."""
        left_out = ("notes",) if self.guest_disk else ("notes", "guest_disk")
        told = {key: value for key, value in self.to_dict().items() if key not in left_out}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]

    def cpu_range(self, node: int) -> tuple[int, int] | None:
        """First and last CPU number of `node`, or None when it has none."""
        first = sum(item.cpus for item in self.nodes[:node])
        count = self.nodes[node].cpus
        return (first, first + count - 1) if count else None

    def describe(self) -> str:
        """One line: "2 nodes 128 GiB + 128 GiB, PMEM 504 GiB, 5 CPUs"."""
        dram = [format_size(node.memory_bytes) for node in self.nodes if node.memory_bytes]
        pmem = [format_size(node.pmem_bytes) for node in self.nodes if node.pmem_bytes]
        parts = [f"{len(self.nodes)} nodes", f"RAM {' + '.join(dram)}"]
        if pmem:
            parts.append(f"PMEM {' + '.join(pmem)}")
        return ", ".join([*parts, f"{self.cpu_count} CPUs"])

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "nodes": [
                {"memory": node.memory_bytes, "pmem": node.pmem_bytes, "cpus": node.cpus}
                for node in self.nodes
            ],
            "distances": [list(row) for row in self.distances],
            "guest_disk": self.guest_disk,
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, name: str, data: Mapping[str, Any]) -> Machine:
        """Read the inventory's mapping; raises HotkitError that names the key and the node."""
        check_name(name)
        where = f"{name}: hotkit_machine"
        _only(data, ("name", "nodes", "distances", "guest_disk", "notes"), where)
        listed = data.get("nodes")
        if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_NODES:
            raise HotkitError(f"{where}: nodes is a list of 1 to {MAX_NODES} nodes")
        nodes = tuple(_node(item, f"{where}.nodes[{i}]") for i, item in enumerate(listed))
        if not any(node.memory_bytes for node in nodes):
            raise HotkitError(f"{where}: no node has memory")
        if not 1 <= sum(node.cpus for node in nodes) <= MAX_CPUS:
            raise HotkitError(f"{where}: 1 to {MAX_CPUS} CPUs in all")
        guest_disk = data.get("guest_disk", False)
        if not isinstance(guest_disk, bool):
            raise HotkitError(f"{where}.guest_disk: true or false, not {guest_disk!r}")
        notes = data.get("notes", [])
        if not isinstance(notes, list):
            raise HotkitError(f"{where}: notes is a list of sentences")
        return cls(
            name=name,
            nodes=nodes,
            distances=_distances(data.get("distances"), len(nodes), where),
            guest_disk=guest_disk,
            notes=tuple(str(note) for note in notes),
        )


def check_name(name: str) -> str:
    """Return `name` if it can name a machine, and so a directory; else raise HotkitError."""
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise HotkitError(f"{name!r} cannot name a lab machine: letters, digits, - _ . only")
    return name


def _only(data: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(data, Mapping):
        raise HotkitError(f"{where}: a mapping is needed, not {data!r}")
    for key in data:
        if key not in known:
            raise HotkitError(f"{where}: unknown key {key!r}", hint=f"known: {', '.join(known)}")


def _node(data: Any, where: str) -> MachineNode:
    _only(data, ("memory", "pmem", "cpus"), where)
    memory, pmem = (_size(data.get(key, 0), f"{where}.{key}") for key in ("memory", "pmem"))
    cpus = data.get("cpus", 0)
    if not isinstance(cpus, int) or isinstance(cpus, bool) or cpus < 0:
        raise HotkitError(f"{where}.cpus: a number of CPUs is needed, not {cpus!r}")
    if pmem and (memory or cpus):
        raise HotkitError(f"{where}: a PMEM node has neither memory nor cpus")
    return MachineNode(memory_bytes=memory, pmem_bytes=pmem, cpus=cpus)


def _size(value: Any, where: str) -> int:
    try:
        # Bytes as an integer is what `to_dict` writes.
        size = value if type(value) is int else parse_size(str(value))
    except ValueError as error:
        raise HotkitError(f"{where}: {error}") from error
    if size < 0 or size % (2 * MIB):
        raise HotkitError(f"{where}: {value} is not a multiple of 2M")
    return size


def _distances(data: Any, count: int, where: str) -> tuple[tuple[int, ...], ...]:
    if data is None:
        return tuple(tuple(10 if i == j else 20 for j in range(count)) for i in range(count))
    square = isinstance(data, list) and len(data) == count
    if not square or not all(isinstance(row, list) and len(row) == count for row in data):
        raise HotkitError(f"{where}.distances: {count} rows of {count} numbers are needed")
    for i, row in enumerate(data):
        for j, value in enumerate(row):
            # SLIT: 10 is the node itself; below is reserved, 255 is "no way".
            right = value == 10 if i == j else type(value) is int and 10 < value < 255
            if not right:
                raise HotkitError(
                    f"{where}.distances[{i}][{j}]: {value!r}; 10 from a node to itself, "
                    "11 to 254 between nodes"
                )
    return tuple(tuple(row) for row in data)
