"""What is known of each module's mutants: tests/mutation/modules/NAME.yml.

`tests` (below tests/unit) are the module's own, which should notice. `alters_nothing` lists the
survivors that nobody can see: the lines of the source, what they became, and why that is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_FOLDER = Path(__file__).with_name("modules")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """`alters_nothing`: (lines before, lines after) -> why nobody can tell them apart."""

    tests: tuple[str, ...]
    alters_nothing: dict[tuple[str, str], str]


def names() -> list[str]:
    """All modules that are mutated, in the order of the campaign's cases."""
    return sorted(file.stem for file in _FOLDER.glob("*.yml"))


@cache
def known(module: str) -> Known:
    """What NAME.yml says."""
    said = yaml.safe_load((_FOLDER / f"{module}.yml").read_text())
    return Known(
        tests=tuple(f"tests/unit/{name}" for name in said["tests"]),
        alters_nothing={
            (one["from"], became): one["why"]
            for one in said.get("alters_nothing", [])
            for became in one["to"]
        },
    )
