"""Topology -> the binary SRAT and SLIT that a firmware would show for it (ACPI 6.4, 5.2.16-17)."""

from __future__ import annotations

import struct

from hotkit.core.topology import Topology

_ENABLED, _HOTPLUG, _NONVOLATILE = 1, 2, 4


def build_srat(topology: Topology, cpu_nodes: tuple[int, ...]) -> bytes:
    """SRAT with the node numbers as proximity domains; `cpu_nodes[i]` is the node of APIC id i.

    Memory comes in node order: Linux numbers domains in the order in which it meets them.
    """
    parts = [struct.pack("<IQ", 1, 0)]
    parts += [
        struct.pack("<BBHIIIII", 2, 24, 0, node, apic, _ENABLED, 0, 0)
        for apic, node in enumerate(cpu_nodes)
    ]
    for item in sorted(topology.affinity, key=lambda item: (item.node, item.range)):
        flags = _ENABLED | _HOTPLUG * item.hotplug | _NONVOLATILE * item.nonvolatile
        parts.append(
            struct.pack(
                "<BBIHQQIIQ", 1, 40, item.node, 0, item.range.start, item.range.size_bytes,
                0, flags, 0,
            )
        )  # fmt: skip
    return _table(b"SRAT", 3, b"".join(parts))


def build_slit(distances: tuple[tuple[int, ...], ...]) -> bytes:
    """SLIT: a square of bytes, row by row."""
    body = struct.pack("<Q", len(distances)) + bytes(value for row in distances for value in row)
    return _table(b"SLIT", 1, body)


def _table(signature: bytes, revision: int, body: bytes) -> bytes:
    """Put the ACPI header before `body` and make all bytes add up to 0."""
    header = struct.pack(
        "<4sIBB6s8sI4sI", signature, 36 + len(body), revision, 0, b"HOTKIT", b"SIMULATE",
        1, b"HKIT", 1,
    )  # fmt: skip
    table = bytearray(header + body)
    table[9] = -sum(table) & 0xFF
    return bytes(table)
