"""Sizes in bytes: what people write, what the kernel's memparse() reads, what we print."""

from __future__ import annotations

import re

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40
PAGE_BYTES = 4096

_UNITS = {
    "": 1, "b": 1,
    "k": KIB, "kib": KIB, "m": MIB, "mib": MIB, "g": GIB, "gib": GIB, "t": TIB, "tib": TIB,
}  # fmt: skip
_SIZE = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)\s*")


def parse_size(text: str) -> int:
    """Read a size that a person wrote ("3276M", "128 GiB", "1.5G") as bytes.

    K, M, G and T are powers of 1024, as everywhere in the kernel; decimal units (MB, GB) are
    refused rather than guessed. Raises ValueError with one sentence.
    """
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a size: write a number and K, M, G or T, like 3276M")
    unit = match["unit"].lower()
    if unit not in _UNITS:
        raise ValueError(
            f"{text!r}: unknown unit {match['unit']!r}; use K, M, G, T (powers of 1024)"
        )
    whole, _, fraction = match["number"].partition(".")
    scale = _UNITS[unit]
    value, rest = int(whole) * scale, 0
    if fraction:
        value_part, rest = divmod(int(fraction) * scale, 10 ** len(fraction))
        value += value_part
    if rest:
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return value


def format_size(size_bytes: int) -> str:
    """Exact and short, with binary units: 3276 MiB, 128 GiB, 4 KiB, 1699.8 MiB (rounded)."""
    sign, size = ("-", -size_bytes) if size_bytes < 0 else ("", size_bytes)
    for scale, unit in ((TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        # Thousands of KiB say less than a rounded number of MiB.
        if size >= scale and size % scale == 0 and (unit != "KiB" or size < 16 * MIB):
            return f"{sign}{size // scale} {unit}"
    for scale, unit in ((10 * GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= scale:
            return f"{sign}{size / (GIB if unit == 'GiB' else scale):.1f} {unit}"
    return f"{sign}{size} B"


def kernel_size(size_bytes: int) -> str:
    """Render as the kernel's memparse() reads it back, in the largest unit up to M that is exact.

    M is the largest because published command lines count in M ("127796M$5324M").
    """
    for scale, unit in ((MIB, "M"), (KIB, "K")):
        if size_bytes % scale == 0:
            return f"{size_bytes // scale}{unit}"
    return f"{size_bytes:#x}"
