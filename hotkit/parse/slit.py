"""SLIT: the distances between proximity domains (ACPI 6.4, 5.2.17)."""

from __future__ import annotations

import struct

from hotkit.errors import HotkitError
from hotkit.parse.acpi import body


def parse_slit(table: bytes) -> tuple[tuple[int, ...], ...]:
    """The square matrix by domain number. Raises HotkitError on a damaged table."""
    data = body(table, "SLIT")
    if len(data) < 8:
        raise HotkitError("SLIT table is cut short: it has no number of localities")
    count = int(struct.unpack_from("<Q", data)[0])
    if len(data) < 8 + count * count:
        raise HotkitError(f"SLIT table is cut short: {count} localities do not fit into it")
    return tuple(tuple(data[8 + row * count : 8 + (row + 1) * count]) for row in range(count))
