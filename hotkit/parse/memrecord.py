"""memory.json of a capture: what has no text file of its own (agent/gathermemory.py writes it)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hotkit.core.labels import Label, label_of
from hotkit.core.memfacts import Held, PmemSpace, Process
from hotkit.core.plaintext import plain_line
from hotkit.parse.doubts import Doubts

SCHEMA_VERSION = 1
_T = TypeVar("_T")
_LARGEST = 1 << 63  # no memory and no count of this world is as large


def read_record(
    record: Mapping[str, Any], source: str = "memory.json"
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Keyword arguments for MemoryFacts, and what could not be read of the record.

    An entry of the wrong kind is left out and named; the others stay.
    """
    doubts = Doubts(source)
    version = record.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        doubts.say(f"its schema_version is {version!r:.20}, known is {SCHEMA_VERSION}")
    found: dict[str, Any] = {}
    readers: dict[str, Callable[[Any], Any]] = {
        "kernel_release": _word,
        "cpus_online": _number,
        "cpus_possible": _number,
        "crashkernel_bytes": _number,
        "percpu_unit_bytes": _number,
        "percpu_units": _number,
        "uptime_s": _seconds,
        "processes": _items(_process),
        "cgroups": _items(_held),
        "tmpfs": _items(_held),
        "trace_buffers": _items(_held),
        "page_owner": _items(_held),
        "traced": _items(_held),
        "traced_tasks": _items(_held),
        "pmem_spaces": _items(_space),
        "memmap_on_memory": _switch,
        "pmem_bytes": _per_node,
        "node_cpus": _per_node,
        "present_bytes": _per_node,
        "hugepages": _hugepages,
    }
    for key, read in readers.items():
        value = record.get(key)
        if value is None:
            continue
        try:
            found[key] = read(value)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            doubts.say(f"{key!r} cannot be read ({_reason(error)}) and is left out")
    found["label"] = _label(record, doubts)
    problems = record.get("problems") or ()
    if isinstance(problems, (list, tuple)):
        found["problems"] = tuple(plain_line(str(item)) for item in problems)
    return found, doubts.sentences


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {plain_line(str(error.args[0]), 40)}"
    return plain_line(str(error), 80)


def _label(record: Mapping[str, Any], doubts: Doubts) -> Label | None:
    platform = record.get("platform")
    if platform is None:
        return None
    try:
        return label_of(
            str(platform),
            nested=bool(record.get("nested")),
            evidence=plain_line(str(record.get("platform_evidence") or "")),
        )
    except ValueError:
        doubts.say(f"the platform {plain_line(str(platform), 40)!r} is unknown")
        return None


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return plain_line(value, 120)


def _switch(value: Any) -> bool:
    """A parameter of a module: Y, N, force."""
    word = _word(value).lower()
    if word in ("n", "0"):
        return False
    if word in ("y", "1", "force"):
        return True
    raise TypeError(f"{word!r} is neither Y nor N")


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LARGEST:
        raise TypeError(f"{value!r:.40} is no count")
    return value


def _optional(value: Any) -> int | None:
    return None if value is None else _number(value)


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r:.40} is no time")
    return float(value)


def _items(read: Callable[[Any], _T]) -> Callable[[Any], tuple[_T, ...]]:
    def all_of_them(value: Any) -> tuple[_T, ...]:
        if not isinstance(value, (list, tuple)):
            raise TypeError("no list")
        return tuple(read(item) for item in value)

    return all_of_them


def _held(item: Any) -> Held:
    return Held(name=plain_line(str(item["name"]), 120), size_bytes=_number(item["size_bytes"]))


def _process(item: Any) -> Process:
    return Process(
        pid=_number(item["pid"]),
        name=plain_line(str(item["name"]), 80),
        pss_bytes=_optional(item.get("pss_bytes")),
        anonymous_bytes=_optional(item.get("anonymous_bytes")),
        rss_bytes=_optional(item.get("rss_bytes")),
    )


def _space(item: Any) -> PmemSpace:
    map_in = item.get("map_in")
    node = item.get("node")
    return PmemSpace(
        name=plain_line(str(item["name"]), 80),
        mode=plain_line(str(item["mode"]), 40),
        size_bytes=_number(item["size_bytes"]),
        map_in=None if map_in is None else plain_line(str(map_in), 20),
        align_bytes=_optional(item.get("align_bytes")),
        node=node if isinstance(node, int) else None,
        system_ram=bool(item.get("system_ram")),
    )


def _per_node(value: Any) -> dict[int, int]:
    return {int(node): _number(size) for node, size in value.items()}


def _hugepages(value: Any) -> dict[tuple[int, int], int]:
    """A list of {node, page_bytes, size_bytes}: JSON has no pairs for keys."""
    return {
        (_number(item["node"]), _number(item["page_bytes"])): _number(item["size_bytes"])
        for item in value
    }
