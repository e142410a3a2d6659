"""/proc/meminfo and /sys/devices/system/node/node*/meminfo."""

from __future__ import annotations

import re

from hotkit.core.units import KIB
from hotkit.errors import HotkitError

_LINE = re.compile(r"(?:Node \d+ )?(?P<name>[A-Za-z0-9_()]+):\s+(?P<number>\d+)(?P<unit> kB)?")


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
