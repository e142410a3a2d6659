"""One thing to change so that a boot needs less memory, and what it is worked out from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hotkit.core import cmdline
from hotkit.core.layout import Layout
from hotkit.core.memfacts import MemoryFacts
from hotkit.core.savings import SAVINGS
from hotkit.core.topology import Topology
from hotkit.core.units import MIB, PAGE_BYTES

# Below this nobody changes a boot.
WORTH_BYTES = MIB
LIST_KEYS = ("save", "mask_units", "extra")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """`saves_bytes` is what is won, of the `holds_bytes` that the capture (or, for what is only to
    come, the layout) says are there. `between` is the range where that is a guess.

    `sentence` says what it is, why, and what it costs; `basis` where the figure is from. `settings`
    are keys of a profile with their value (of a list: the item); without any, `step` says what a
    person does. `by_itself`: the kernel gives it back when memory gets short, so that it keeps
    nothing from booting.
    """

    name: str
    sentence: str
    saves_bytes: int
    between: tuple[int, int] | None = None
    holds_bytes: int
    basis: str
    settings: tuple[tuple[str, str], ...] = ()
    step: str = ""
    by_itself: bool = False

    @property
    def in_profile(self) -> bool:
        """Whether hotkit applies it, by its profile."""
        return bool(self.settings)

    @property
    def apply(self) -> str:
        """YAML for the profile, or the step."""
        return profile_text((self,)) or self.step

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "name": self.name,
            "sentence": self.sentence,
            "saves_bytes": self.saves_bytes,
            "between_bytes": list(self.between) if self.between else None,
            "holds_bytes": self.holds_bytes,
            "basis": self.basis,
            "in_profile": self.in_profile,
            "apply": self.apply,
            "by_itself": self.by_itself,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A capture, and what is planned for the machine; the latter may be unknown.

    `nameless_bytes` are in use and counted by no field of meminfo (core/memtree.py).
    """

    facts: MemoryFacts
    nameless_bytes: int
    layout: Layout | None = None
    topology: Topology | None = None

    @property
    def used_bytes(self) -> int:
        """MemTotal - MemFree; 0 in a capture where one of them is damaged."""
        return max(0, self.facts.used_bytes)

    def field(self, name: str) -> int:
        """A field of meminfo in bytes, no more than is in use; 0 where the kernel has none."""
        return within(self.facts.meminfo.get(name, 0), self.used_bytes)

    @property
    def cpus_possible(self) -> int:
        """How many CPUs per-CPU memory is for; 0 when nobody says."""
        known = len(self.topology.cpus) if self.topology else 0
        return self.facts.cpus_possible or known

    @property
    def cpus_left(self) -> int | None:
        """How many CPUs come up in the layout; without one, in the boot that was captured."""
        line = self.layout.cmdline if self.layout else self.facts.cmdline or ""
        return cmdline.cpu_limit(line) or (None if self.layout else self.facts.cpus_online)

    @property
    def kept_bytes(self) -> int:
        """RAM in the layout; without one, of the machine as it was captured."""
        if self.layout:
            return sum(plan.kept_bytes for plan in self.layout.nodes)
        present = sum(self.facts.present_bytes.values())
        return present or self.facts.meminfo["MemTotal"]

    def applied(self, name: str) -> bool:
        """Whether the layout has this name of `save:` already."""
        if self.layout is None:
            return False
        return set(SAVINGS[name].arguments(self.kept_bytes)) <= set(self.layout.args)

    def given(self, name: str) -> tuple[str, ...]:
        """The values of an argument on the captured command line."""
        found = cmdline.values(self.facts.cmdline or "", name)
        return tuple(value or "" for value in found)

    def vmalloc(self, *callers: str) -> int:
        """RAM behind vmalloc areas whose caller begins with one of these names."""
        areas = self.facts.vmalloc or ()
        pages = sum(area.pages or 0 for area in areas if area.caller.startswith(callers))
        return within(pages * PAGE_BYTES, self.used_bytes)


def profile_text(remedies: Iterable[Remedy]) -> str:
    """The lines of a profile that apply all of these at once; empty when none is applied so."""
    lists: dict[str, list[str]] = {}
    lines: dict[str, str] = {}
    for remedy in remedies:
        for key, value in remedy.settings:
            if key in LIST_KEYS:
                lists.setdefault(key, []).append(value)
            else:
                lines[key] = value
    lines |= {key: f"[{', '.join(dict.fromkeys(items))}]" for key, items in lists.items()}
    return "\n".join(f"{key}: {value}" for key, value in lines.items())


def within(size_bytes: int, most_bytes: int) -> int:
    """A size that is neither negative nor more than there is."""
    return max(0, min(size_bytes, most_bytes))
