"""One mapping of an inventory, read key by key; what is wrong is said with the way to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from hotkit.core.units import MIB, parse_size

T = TypeVar("T")

KeyPath = tuple[str | int, ...]

# QEMU's memory backends and huge pages come in these.
_STEP_BYTES = 2 * MIB


class GuestError(ValueError):
    """A guest that cannot be meant; `path` leads to the culprit: (0, "nodes", 1, "memory")."""

    def __init__(self, path: KeyPath, problem: str) -> None:
        super().__init__(f"{'.'.join(str(step) for step in ('hotkit_guests', *path))}: {problem}")
        self.path = path
        self.problem = problem


class Keys:
    """The mapping at `at` in `hotkit_guests`; every method raises GuestError."""

    def __init__(self, at: KeyPath, data: Any, known: tuple[str, ...]) -> None:
        self.at = at
        if not isinstance(data, Mapping):
            raise GuestError(at, f"{data!r} is not a mapping")
        self.data: Mapping[str, Any] = data
        for key in data:
            if key not in known:
                raise self.bad(str(key), f"unknown key; known here: {', '.join(known)}")

    def bad(self, key: str, problem: str) -> GuestError:
        """The error for one key, to be raised."""
        return GuestError((*self.at, key), problem)

    def has(self, key: str) -> bool:
        """Whether something is said: a key without a value says nothing."""
        return self.data.get(key) is not None

    def below(self, key: str, known: tuple[str, ...]) -> Keys:
        """The mapping that a key holds; an empty one when it says nothing."""
        return Keys((*self.at, key), self.data[key] if self.has(key) else {}, known)

    def size(self, key: str, default: int = 0) -> int:
        """Bytes, a multiple of 2M; `default` 0: it must be said."""
        value = self.data.get(key)
        if value is None:
            if default:
                return default
            raise self.bad(key, "is missing: how much, like 1G")
        if not isinstance(value, str) or value.strip().isdecimal():
            raise self.bad(key, f"{value!r} has no unit: write it like 384M or 16G")
        try:
            size = parse_size(value)
        except ValueError as error:
            raise self.bad(key, str(error)) from error
        if size == 0 or size % _STEP_BYTES:
            raise self.bad(key, f"{value} is not a multiple of 2M" if size else "0 is no memory")
        return size

    def whole(self, key: str, default: T, least: int, most: int | None = None) -> int | T:
        """A whole number from `least` to `most`."""
        value = self.data.get(key)
        if value is None:
            return default
        if type(value) is not int or value < least or (most is not None and value > most):
            upper = f" to {most}" if most is not None else " or more"
            raise self.bad(key, f"{value!r} is not a whole number, {least}{upper}")
        return value

    def yes_or_no(self, key: str) -> bool | None:
        """true, false, or None when it is not said."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.bad(key, f"{value!r} is neither true nor false")
        return value

    def text(self, key: str, default: T) -> str | T:
        """Text, as it stands there."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, str):
            raise self.bad(key, f"{value!r} is not text")
        return default if value is None else value

    def path(self, key: str) -> str:
        """A path on the host."""
        value = self.text(key, "")
        # Paths go into files of options: a quote or a line's end would begin another one.
        if not value.startswith("/") or not value.isprintable() or '"' in value:
            raise self.bad(key, f"{value!r} is no path on the host: /..., without quotes")
        return value

    def one_of(self, key: str, allowed: tuple[str, ...]) -> str:
        """One of these words, the first when nothing is said."""
        value = self.text(key, allowed[0])
        if value not in allowed:
            raise self.bad(key, f"{value!r} is none of {', '.join(allowed)}")
        return value
