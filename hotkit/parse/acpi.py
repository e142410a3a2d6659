"""ACPI tables as Linux hands them out (/sys/firmware/acpi/tables): header and subtables."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from hotkit.errors import HotkitError

HEADER_BYTES = 36


@dataclass(frozen=True, slots=True)
class Subtable:
    """One entry of a SRAT or MADT: `data` is the whole of it, type and length included."""

    kind: int
    data: bytes

    def u8(self, offset: int) -> int:
        return self.data[offset]

    def u32(self, offset: int) -> int:
        return int(struct.unpack_from("<I", self.data, offset)[0])

    def u64(self, offset: int) -> int:
        return int(struct.unpack_from("<Q", self.data, offset)[0])


def body(table: bytes, signature: str) -> bytes:
    """The table without its 36-byte header, cut to the length that the header states.

    Raises HotkitError when it is another table, is cut short, or its bytes do not sum to zero.
    """
    if len(table) < HEADER_BYTES:
        raise HotkitError(f"{signature} table: {len(table)} bytes are less than its header")
    found = table[:4].decode("ascii", errors="replace")
    if found != signature:
        raise HotkitError(f"expected the ACPI table {signature}, found {found!r}")
    length = int(struct.unpack_from("<I", table, 4)[0])
    if not HEADER_BYTES <= length <= len(table):
        raise HotkitError(
            f"{signature} table is cut short: its header says {length} bytes, {len(table)} are here"
        )
    if sum(table[:length]) % 256:
        raise HotkitError(f"{signature} table is damaged: its checksum is wrong")
    return table[HEADER_BYTES:length]


def subtables(data: bytes, signature: str, sizes: dict[int, int]) -> Iterator[Subtable]:
    """Walk type-length entries; `sizes` gives the smallest length of the types that matter."""
    offset = 0
    while offset < len(data):
        kind, length = data[offset], data[offset + 1] if offset + 1 < len(data) else 0
        if length < max(2, sizes.get(kind, 2)) or offset + length > len(data):
            raise HotkitError(
                f"{signature} table is damaged: the entry at byte {offset + HEADER_BYTES} "
                f"(type {kind}) has length {length}"
            )
        yield Subtable(kind, data[offset : offset + length])
        offset += length
