"""An initramfs, packed here so that neither root nor cpio is needed.

The format is "newc": Documentation/driver-api/early-userspace/buffer-format.rst, Linux 6.1.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

DIRECTORY, PROGRAM, LINK, DEVICE = 0o040755, 0o100755, 0o120777, 0o020600


@dataclass(frozen=True, slots=True)
class Item:
    """One file; of a link `data` is where it points, of a device major and minor count.

    What is in a directory comes after it.
    """

    name: str
    mode: int
    data: bytes = b""
    major: int = 0
    minor: int = 0


def pack(items: Iterable[Item]) -> bytes:
    """The archive, gzipped."""
    whole = b"".join(_entry(item) for item in (*items, Item("TRAILER!!!", 0)))
    return zlib.compress(whole, 6, wbits=31)


def _entry(item: Item) -> bytes:
    size, name = len(item.data), item.name.encode()
    fields = (0, item.mode, 0, 0, 1, 0, size, 0, 0, item.major, item.minor, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name + b"\0"
    return _padded(head) + _padded(item.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
