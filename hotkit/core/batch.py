"""How many hosts are on their way at once: never all of a lab, unless that is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hotkit.errors import HotkitError


@dataclass(frozen=True, slots=True)
class Batch:
    """`text` is a number, a percentage or `all`; without it half of the hosts, at least one."""

    text: str | None = None

    def size(self, hosts: int) -> int:
        """How many of `hosts` may be on their way at once; HotkitError for an unreadable text."""
        if self.text is None:
            return max(1, hosts // 2)
        if self.text == "all":
            return max(1, hosts)
        found = re.fullmatch(r"([0-9]{1,6})(%?)", self.text)
        if not found or int(found[1]) == 0:
            raise HotkitError(
                f"--batch {self.text}: not a batch",
                hint="a number like 4, a share like 25%, or all",
            )
        return max(1, hosts * int(found[1]) // 100) if found[2] else int(found[1])


HALF = Batch()
