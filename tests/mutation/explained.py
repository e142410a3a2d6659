"""Survivors that alter nothing that can be seen: (line before, line after) -> why, by module."""

from __future__ import annotations

_ONCE = "each letter is there once, so that it is the first and the last"

EXPLAINED: dict[str, dict[tuple[str, str], str]] = {
    "memparse": {
        (
            "digit = _DIGITS.find(rest[0].lower())",
            "digit = _DIGITS.rfind(rest[0].lower())",
        ): _ONCE,
        (
            "power = _SUFFIXES.find(rest[0].upper()) if rest else -1",
            "power = _SUFFIXES.rfind(rest[0].upper()) if rest else -1",
        ): _ONCE,
        (
            "power = _SUFFIXES.find(rest[0].upper()) if rest else -1",
            "power = _SUFFIXES.find(rest[0].upper()) if rest else -2",
        ): "below 0 all numbers mean the same",
    },
    "cmdline": {("maxcpus = 0", "maxcpus = 1"): "the limit is one CPU at least, also of 0"},
    "ranges": {
        (
            "if hole.end <= item.start or item.end <= hole.start:",
            "if hole.end < item.start or item.end <= hole.start:",
        ): "what a hole only touches comes out whole below, too",
        (
            "if hole.end <= item.start or item.end <= hole.start:",
            "if hole.end <= item.start or item.end < hole.start:",
        ): "what a hole only touches comes out whole below, too",
    },
}
