"""/proc/meminfo and /sys/devices/system/node/node*/meminfo."""

from __future__ import annotations

import re

from hotkit.core.units import KIB
from hotkit.errors import HotkitError
from hotkit.parse.doubts import NUMBER, Doubts, cut_at_the_end

_LINE = re.compile(
    rf"(?:Node [0-9]+ )?(?P<name>[A-Za-z0-9_()]+):\s+(?P<number>{NUMBER})(?P<unit> kB)?"
)


def parse_meminfo(text: str) -> dict[str, int]:
    """Field -> bytes (counts such as HugePages_Total stay counts); either file's form.

    Lines that are not fields are skipped: newer kernels add some. Raises HotkitError when
    MemTotal is missing.
    """
    found: dict[str, int] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match:
            found[match["name"]] = int(match["number"]) * (KIB if match["unit"] else 1)
    if "MemTotal" not in found:
        raise HotkitError("meminfo has no MemTotal: this is not a meminfo file, or it is cut short")
    return found


def read_meminfo(text: str, source: str = "meminfo") -> tuple[dict[str, int], tuple[str, ...]]:
    """The same of a file that may be damaged: its fields, and what could not be read of it.

    A size without its unit is left out: its digits may be cut, too. Of a field that is there twice
    the first counts.
    """
    doubts = Doubts(source)
    found: dict[str, int] = {}
    lines = text.splitlines()
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            doubts.line(number, line)
        elif match["name"] in found:
            doubts.line(number, line, "is there a second time and not counted")
        elif match["unit"]:
            found[match["name"]] = int(match["number"]) * KIB
        elif not match["name"].startswith("HugePages_"):
            doubts.line(number, line, "has no kB and is left out")
        elif number == len(lines) and cut_at_the_end(text):
            doubts.line(number, line, "may be cut short and is left out")
        else:
            found[match["name"]] = int(match["number"])
    return found, doubts.sentences
