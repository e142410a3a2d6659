"""Numbers, times and sizes as damo writes them into its records, raw or for people.

damo 3.4 (PyPI), _damo_fmt_str.py: "94,827,419,009,024", "5 ms", "1 h 2 m 3.5 s", "12.000 MiB",
"max"; raw files hold plain numbers, as text or not. Every function raises ValueError.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from hotkit.core.regions import Intervals

_MAX = {"min": 0, "max": (1 << 64) - 1}
_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_NS["d"] = 24 * _NS["h"]
_BYTES = {
    "B": 1, **{f"{letter}{ending}": 1 << 10 * power
               for power, letter in enumerate("KMGTPE", 1) for ending in ("", "B", "iB")},
}  # fmt: skip
_PART = re.compile(r"\s*(-?[\d,]*\.?\d+(?:[eE][-+]?\d+)?)\s*([A-Za-z]*)")


def number(value: Any) -> int | float:
    """A number, as one or as text with commas between thousands."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a number")
    text = value.strip().replace(",", "")
    if text in _MAX:
        return _MAX[text]
    try:
        return int(text)
    except ValueError:
        pass
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{value!r} is not a number")
    return found


def whole(value: Any) -> int:
    """A number without a fraction."""
    found = number(value)
    if found != int(found):
        raise ValueError(f"{value!r} is not a whole number")
    return int(found)


def nanoseconds(value: Any) -> int:
    """A time; without a unit in nanoseconds."""
    return round(_sum(value, _NS, 1, "a time"))


def microseconds(value: Any) -> float:
    """A time; without a unit in microseconds."""
    return _sum(value, _NS, 1000, "a time") / 1000


def size(value: Any) -> int:
    """A number of bytes; rounded where damo had rounded it."""
    return round(_sum(value, _BYTES, 1, "a size"))


def basis_points(value: Any) -> float:
    """A share of 10,000: a number of that, or with % of 100."""
    if isinstance(value, str) and value.strip().endswith("%"):
        return 100 * float(number(value.strip().removesuffix("%")))
    return float(number(value))


def intervals(fields: Mapping[str, Any]) -> Intervals:
    """The intervals of a context. KeyError where one is missing."""
    goal = None
    if asked := fields.get("intervals_goal"):
        goal = (
            basis_points(asked["access_bp"]), float(number(asked["aggrs"])),
            microseconds(asked["min_sample_us"]), microseconds(asked["max_sample_us"]),
        )  # fmt: skip
        # damo writes a goal of zeros where there is none.
        goal = goal if goal[1] else None
    found = Intervals(
        sample_us=microseconds(fields["sample_us"]),
        aggr_us=microseconds(fields["aggr_us"]),
        update_us=microseconds(fields.get("ops_update_us", 0)),
        goal=goal,
    )
    if not 0 < found.sample_us <= found.aggr_us:
        raise ValueError(
            f"a sampling interval of {found.sample_us:g} us in one of aggregation of"
            f" {found.aggr_us:g} us"
        )
    return found


def _sum(value: Any, units: Mapping[str, int], bare: int, what: str) -> int | float:
    """The sum of "number unit" parts; `bare` is the unit of a number that has none."""
    try:
        return number(value) * bare
    except ValueError:
        if not isinstance(value, str):
            raise
    total: int | float = 0
    place = 0
    text = value.strip()
    sign = -1 if text.startswith("-") else 1
    text = text.removeprefix("-")
    while place < len(text):
        match = _PART.match(text, place)
        if match is None or match[2] not in units:
            raise ValueError(f"{value!r} is not {what}")
        total += number(match[1]) * units[match[2]]
        place = match.end()
    return sign * total
