"""What kind of value each of the facts is that somebody here reads (agent/gather.py writes them).

Facts are a stranger's words: they come over ssh, or out of a file that was edited. They are held
against this once, so that their readers need not doubt every value. Null and absence mean "could
not be read" nearly everywhere; keys that nobody reads may be anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hotkit.core.labels import Platform
from hotkit.core.plaintext import plain_line

_LARGEST = 1 << 64  # no address, size or count of this world is as large
# Linux has at most 1024 nodes and 8192 CPUs (MAX_NUMNODES, NR_CPUS), and CPUs have larger APIC ids.
_MOST_NUMBER = 1 << 20
_PLATFORMS = {platform.value for platform in Platform}


@dataclass(frozen=True, slots=True)
class _Value:
    """A single value: what it is called in a sentence, and whether one is it."""

    noun: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class _Object:
    """An object with known keys; those in `needed` must be there and not be null."""

    fields: Mapping[str, Any]
    needed: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class _Each:
    """An object whose keys are names, or numbers of nodes or CPUs; all values are of a kind."""

    kind: Any
    by_number: bool = False
    null: bool = False


@dataclass(frozen=True, slots=True)
class _List:
    kind: Any


def _whole(value: Any, least: int, end: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < end


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 8 and int(text) < _MOST_NUMBER


_TEXT = _Value("text", lambda value: isinstance(value, str))
_FLAG = _Value("true or false", lambda value: isinstance(value, bool))
_COUNT = _Value("a count below 2^64", lambda value: _whole(value, 0, _LARGEST))
_NUMBER = _Value("a number of a node or a CPU", lambda value: _whole(value, -1, _MOST_NUMBER))
_APIC_ID = _Value("an APIC id", lambda value: _whole(value, 0, 1 << 32))
_SECONDS = _Value(
    "a time in seconds",
    lambda value: (
        not isinstance(value, bool)
        and isinstance(value, (int, float))
        and math.isfinite(value)
        and 0 <= value < _LARGEST
    ),
)
_PLATFORM = _Value(
    "metal, virtual or emulated", lambda value: isinstance(value, str) and value in _PLATFORMS
)
_DISTANCES = _Value(
    "text of numbers",
    lambda value: isinstance(value, str) and all(_is_number(word) for word in value.split()),
)


def _all_of(**fields: Any) -> _Object:
    return _Object(fields, frozenset(fields))


_REGION = _all_of(
    name=_TEXT, start=_COUNT, size=_COUNT, largest_free=_COUNT, align=_COUNT, labelled=_FLAG,
    namespaces=_List(_all_of(name=_TEXT, size=_COUNT, mode=_TEXT, alt_name=_TEXT)),
)  # fmt: skip
_DAX = _Object(
    {"name": _TEXT, "start": _COUNT, "size": _COUNT, "node": _NUMBER, "online_bytes": _COUNT,
     "driver": _TEXT},
    frozenset({"name", "start", "size", "node", "online_bytes"}),
)  # fmt: skip
_BOOT = _Object({
    "grub_dir": _TEXT, "grub_cfg": _TEXT, "custom_cfg": _TEXT, "grubenv": _TEXT,
    "grubenv_problem": _TEXT, "default_grub": _TEXT, "free_bytes": _COUNT, "loader": _TEXT,
    "kernels": _List(_TEXT), "kernel_init_bytes": _Each(_COUNT), "tools": _Each(_TEXT, null=True),
    "initrds": _Each(_Object({"bytes": _COUNT, "unpacked_bytes": _COUNT}, frozenset({"bytes"}))),
})  # fmt: skip
_FACTS = _Object({
    **dict.fromkeys(
        ("hostname", "arch", "kernel_release", "boot_id", "cmdline", "platform_evidence", "iomem",
         "meminfo", "numactl"), _TEXT),
    "platform": _PLATFORM, "nested": _FLAG, "uid": _COUNT, "uptime_s": _SECONDS,
    "secure_boot": _FLAG,
    "kernel": _Object({"build_id": _TEXT, "switches": _Each(_TEXT)}),
    "firmware_memmap": _List(_all_of(start=_COUNT, end_inclusive=_COUNT, type=_TEXT)),
    "acpi": _Each(_TEXT, null=True),
    "nodes": _Each(
        _Object({"meminfo": _TEXT, "cpulist": _TEXT, "distance": _DISTANCES}), by_number=True),
    "cpus": _Object({
        "online": _TEXT, "possible": _TEXT, "boot_apic_id": _APIC_ID,
        "node": _Each(_NUMBER, by_number=True)}),
    "pmem": _Object({
        "regions": _List(_REGION), "dax": _List(_DAX), "block_bytes": _COUNT,
        "tiers": _Each(_TEXT), "demotion": _TEXT, "tools_missing": _List(_TEXT)}),
    "dmesg_memory": _List(_TEXT), "required_mounts": _List(_TEXT),
    "os_release": _Each(_TEXT), "boot": _BOOT,
})  # fmt: skip


def damage(facts: Mapping[str, Any]) -> str | None:
    """The first value of another kind than its readers take, in one sentence; else None."""
    return _damage(facts, _FACTS, ())


def _damage(value: Any, kind: Any, path: tuple[str, ...]) -> str | None:
    if isinstance(kind, _Value):
        return None if kind.holds(value) else _other(path, kind.noun)
    if isinstance(kind, _List):
        if not isinstance(value, (list, tuple)):
            return _other(path, "a list")
        found = (_damage(item, kind.kind, (*path, str(at))) for at, item in enumerate(value))
        return next(filter(None, found), None)
    if not isinstance(value, Mapping):
        return _other(path, "an object")
    if isinstance(kind, _Each):
        for key, item in value.items():
            if kind.by_number and not _is_number(str(key)):
                return (
                    f"{_dotted(path)} has the key {plain_line(str(key), 40)!r}, which is no number"
                )
            if item is None and kind.null:
                continue
            if said := _damage(item, kind.kind, (*path, str(key))):
                return said
        return None
    for key, inner in kind.fields.items():
        item = value.get(key)
        if item is None and key in kind.needed:
            return f"{_dotted((*path, key))} is missing"
        if item is not None and (said := _damage(item, inner, (*path, key))):
            return said
    return None


def _other(path: tuple[str, ...], noun: str) -> str:
    return f"{_dotted(path)} is not {noun}"


def _dotted(path: tuple[str, ...]) -> str:
    return plain_line(".".join(path), 120)
