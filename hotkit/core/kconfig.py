"""Kernel configurations: our fragments (a reason per line), and what Kconfig made of them.

A fragment's line is `OPTION=value  # why`. Kconfig drops in silence what lacks a dependency, so the
finished `.config` is held against what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hotkit.errors import HotkitError

_LINE = re.compile(r"(?P<name>[A-Z0-9_a-z]+)=(?P<value>\"[^\"]*\"|[^\s#]+)\s+#\s*(?P<reason>\S.*)")


@dataclass(frozen=True, slots=True)
class Option:
    """One wanted option; `name` is without CONFIG_, `value` y, m, n, a number or a quoted text."""

    name: str
    value: str
    reason: str

    @property
    def line(self) -> str:
        """As Kconfig reads it."""
        if self.value == "n":
            return f"# CONFIG_{self.name} is not set"
        return f"CONFIG_{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class Unmet:
    """An option that did not come out as wanted; `found` is None when Kconfig knows it not."""

    option: Option
    found: str

    @property
    def sentence(self) -> str:
        name, value = self.option.name, self.option.value
        return f"CONFIG_{name}={value} is wanted ({self.option.reason}), {self.found} came out"


def parse_fragment(text: str, source: str) -> tuple[Option, ...]:
    """The options of a fragment, in its order. `source` names it in errors (HotkitError)."""
    found: dict[str, Option] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise HotkitError(
                f"{source}:{number}: {line!r} is not like `OPTION=value  # why`",
                hint="each option says why it is there",
            )
        option = Option(match["name"].removeprefix("CONFIG_"), match["value"], match["reason"])
        if option.name in found:
            raise HotkitError(f"{source}:{number}: {option.name} stands there twice")
        found[option.name] = option
    return tuple(found.values())


def merged(base: Iterable[Option], more: Iterable[Option]) -> tuple[Option, ...]:
    """`base` with the options of `more` added; where both have one, `more` has the last word."""
    return tuple(({o.name: o for o in base} | {o.name: o for o in more}).values())


def render(options: Iterable[Option]) -> str:
    """A file for KCONFIG_ALLCONFIG or to be appended to a .config: the last one wins there."""
    return "".join(option.line + "\n" for option in options)


def parse_config(text: str) -> dict[str, str]:
    """A `.config`: name without CONFIG_ -> value; "n" where it says "is not set"."""
    found = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"CONFIG_(\w+)=(.*)", line):
            found[match[1]] = match[2]
        elif match := re.fullmatch(r"# CONFIG_(\w+) is not set", line):
            found[match[1]] = "n"
    return found


def unmet(options: Iterable[Option], config: dict[str, str]) -> tuple[Unmet, ...]:
    """What did not come out as wanted. An option that is absent is as good as "n", and as an empty
    text; y does for m."""
    found = []
    for option in options:
        value = config.get(option.name, '""' if option.value == '""' else "n")
        if value != option.value and not (option.value == "m" and value == "y"):
            found.append(Unmet(option, value))
    return tuple(found)
