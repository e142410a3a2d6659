"""Survivors that alter nothing that can be seen: (line before, line after) -> why, by module."""

from __future__ import annotations

_ONCE = "each letter is there once, so that it is the first and the last"
_CARVED = "the other branch leaves the same addresses, and perhaps an entry of no size"

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
    "design": {
        (
            "members: list[tuple[Arm, int | None]] = []",
            "members: list[tuple[Arm, int | None]] = None",
        ): "the first block is an even one, and makes the list",
    },
    "e820map": {
        (
            "start, end = addr, addr + min(size, _ULLONG_MAX - addr)",
            "start, end = addr, addr + min(size, _ULLONG_MAX + addr)",
        ): "no entry ends beyond 64 bits, where a larger end would differ",
        (
            "if entry.addr >= start and entry.end <= end:",
            "if entry.addr > start and entry.end <= end:",
        ): _CARVED,
        (
            "if entry.addr >= start and entry.end <= end:",
            "if entry.addr >= start and entry.end < end:",
        ): _CARVED,
        (
            "elif entry.addr < start and entry.end > end:",
            "elif entry.addr <= start and entry.end > end:",
        ): _CARVED,
        (
            "elif entry.addr < start and entry.end > end:",
            "elif entry.addr < start and entry.end >= end:",
        ): _CARVED,
        ("if first >= last:", "if first > last:"): "an entry of no size is added, and left out",
        (
            "+ [(e.end, 1, index) for index, e in enumerate(self._entries) if e.size]",
            "+ [(e.end, 2, index) for index, e in enumerate(self._entries) if e.size]",
        ): "ends come behind begins with either number",
        (
            "last_type, last_addr = 0, 0",
            "last_type, last_addr = 0, 1",
        ): "the address is looked at only behind a type, which brings its own",
        (
            "kind = max((self._entries[i].type for i in inside), default=0)",
            "kind = max((self._entries[i].type for i in inside), default=None)",
        ): "no type at all is false either way",
    },
    "grub_quote": {
        (
            'lambda: grub_dropin(arguments).rstrip("\\n"),',
            "lambda: grub_dropin(arguments).rstrip(None),",
        ): "it ends with a quote and a line end, and nothing else",
        (
            "lambda: bls_options(arguments, understands_escape=False),",
            "lambda: bls_options(arguments, understands_escape=None),",
        ): "as false",
    },
    "grubenv": {
        (
            "while at < len(block):",
            "while at <= len(block):",
        ): "at the end stands neither a # nor a =, and it stops",
        (
            'while at < len(block) and block[at : at + 1] != b"\\n":',
            'while at <= len(block) and block[at : at + 1] != b"\\n":',
        ): "one behind the end is behind the end",
        ("if equals < 0:", "if equals <= 0:"): "the signature stands before it",
        ("if equals < 0:", "if equals < 1:"): "the signature stands before it",
        ("while at < len(value):", "while at <= len(value):"): "at the end nothing is added",
    },
    "memmap": {
        (
            "table.remove(size, U64 - 1 - size, E820Type.RAM)",
            "table.remove(size, U64 - 1 + size, E820Type.RAM)",
        ): "remove() cuts a range at the end of the address space",
        (
            "table.remove(size, U64 - 1 - size, E820Type.RAM)",
            "table.remove(size, U64 + 1 - size, E820Type.RAM)",
        ): "remove() cuts a range at the end of the address space",
    },
    "sh_lexer": {
        (
            'line = text.count("\\n", 0, at) + 1',
            'line = text.count("\\n", None, at) + 1',
        ): "from the beginning, either way",
        (
            "return len(text) if end < 0 else end",
            "return len(text) if end <= 0 else end",
        ): "a line that is asked for has something in it, and ends behind it",
        (
            "return len(text) if end < 0 else end",
            "return len(text) if end < 1 else end",
        ): "a line that is asked for has something in it, and ends behind it",
        ("if end < 0:", "if end <= 0:"): "a name and a = stand before the quote",
        ("if end < 0:", "if end < 1:"): "a name and a = stand before the quote",
        (
            "number = int(variable[:9])  # no script has as many",
            "number = int(variable[:10])  # no script has as many",
        ): "either is more than there are",
    },
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
