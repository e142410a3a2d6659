"""The kernel's idea of a number: simple_strtoull() and memparse(), quirks and all.

Source: lib/kstrtox.c, lib/vsprintf.c, lib/cmdline.c (Linux 6.1).
"""

from __future__ import annotations

U64 = 1 << 64
_DIGITS = "0123456789abcdef"
_SUFFIXES = "KMGTPE"


def strtoull(text: str) -> tuple[int, str]:
    """The number at the start of `text`, and what is left of it.

    A leading 0 means octal and 0x (with a hex digit behind it) hexadecimal, as with base 0 in C.
    Text without a digit gives 0 and is left whole; what does not fit wraps at 64 bits.
    """
    rest = text
    hexadecimal = rest[:2].lower() == "0x" and rest[2:3].lower() in tuple(_DIGITS)
    base = 16 if hexadecimal else 8 if rest.startswith("0") else 10
    if hexadecimal:
        rest = rest[2:]
    value = 0
    while rest:
        digit = _DIGITS.find(rest[0].lower())
        if not 0 <= digit < base:
            break
        value = (value * base + digit) % U64
        rest = rest[1:]
    return value, rest


def memparse(text: str) -> tuple[int, str]:
    """A size or an address with an optional suffix K M G T P E of either case, and the rest.

    `memparse("127796M$5324M")` is `(134003818496, "$5324M")`. In hexadecimal an E is a digit:
    `0x1E` is 30, never an exabyte.
    """
    value, rest = strtoull(text)
    power = _SUFFIXES.find(rest[0].upper()) if rest else -1
    if power < 0:
        return value, rest
    return (value << 10 * (power + 1)) % U64, rest[1:]
