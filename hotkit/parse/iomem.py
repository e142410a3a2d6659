"""/proc/iomem: who owns which physical addresses, as the running kernel sees it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hotkit.core.ranges import Range, RangeSet
from hotkit.errors import HotkitError

_LINE = re.compile(
    r"(?P<indent> *)(?P<start>[0-9a-f]{1,16})-(?P<end>[0-9a-f]{1,16}) : (?P<name>.*)"
)


@dataclass(frozen=True, slots=True)
class Resource:
    """One line; `depth` 0 is the top level."""

    range: Range
    name: str
    depth: int


@dataclass(frozen=True, slots=True)
class Iomem:
    resources: tuple[Resource, ...]

    def named(self, *names: str, depth: int | None = 0) -> RangeSet:
        """The ranges that bear one of `names` at `depth` (None: anywhere), touching ones merged."""
        return RangeSet.of(
            item.range
            for item in self.resources
            if item.name in names and (depth is None or item.depth == depth)
        )

    @property
    def system_ram(self) -> RangeSet:
        """What the kernel took as RAM from the firmware map.

        RAM that was plugged in later is in here too when a driver called it just "System RAM";
        dax memory is not ("System RAM (kmem)").
        """
        # Not only at the top level: memmap=nn@ss may put RAM into a PCI bridge's window.
        return self.named("System RAM", depth=None)

    @property
    def persistent(self) -> RangeSet:
        return self.named("Persistent Memory", "Persistent Memory (legacy)")

    @property
    def reserved(self) -> RangeSet:
        return self.named("Reserved", "reserved")


def parse_iomem(text: str) -> Iomem:
    """Read the file. Raises HotkitError when it is not one, or shows zeros to a user not root."""
    found: list[Resource] = []
    zeroed = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.rstrip())
        if not match:
            raise HotkitError(f"/proc/iomem, line {number}: cannot read {line.strip()!r}")
        start, end = int(match["start"], 16), int(match["end"], 16)
        if start == end == 0:
            zeroed += 1
            continue
        if end < start:
            raise HotkitError(f"/proc/iomem, line {number}: ends before it starts")
        found.append(Resource(Range(start, end + 1), match["name"], len(match["indent"]) // 2))
    if zeroed and not found:
        raise HotkitError(
            "/proc/iomem shows zeros only: the kernel hides addresses from users other than root",
            hint="gather the facts as root (become: true, or sudo)",
        )
    if not found:
        raise HotkitError("/proc/iomem is empty")
    return Iomem(tuple(found))
