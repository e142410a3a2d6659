"""Who holds pages by page_owner (debugfs; kernels booted with page_owner=on), in bounded time.

Since Linux 6.9 page_owner_stacks/show_stacks counts per stack; before, page_owner has a record for
every allocation, and each record is a system call (mm/page_owner.c).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hotkit.agent.pagetrace import largest
from hotkit.agent.stackname import asker

DEBUGFS = "sys/kernel/debug"
_PAGE_BYTES = 4096
_ORDER = re.compile(r"Page allocated via order (\d+), ")
_COUNT = re.compile(r"nr_base_pages: (\d+)")
_MOST_NAMES = 1 << 16


def page_owner(root: Path, seconds: float) -> tuple[list[dict[str, Any]] | None, str | None]:
    """(largest first: name, size_bytes; what is wrong with it), None where page_owner is off.

    Raises OSError where it cannot be read.
    """
    debugfs = root / DEBUGFS
    for name in ("page_owner_stacks/show_stacks", "page_owner"):
        path = debugfs / name
        if path.exists():
            with path.open(errors="replace") as file:
                return tally(file, seconds)
    return None, None


def tally(lines: Iterable[str], seconds: float) -> tuple[list[dict[str, Any]], str | None]:
    """Bytes per function that asked, from either file's text."""
    deadline = time.monotonic() + seconds
    found: dict[str, int] = {}
    problem = None
    for count, (pages, frames) in enumerate(records(lines)):
        if pages:
            name = asker(frames) or "unknown"
            if name not in found and len(found) > _MOST_NAMES:
                name = "others"
            found[name] = found.get(name, 0) + pages * _PAGE_BYTES
        if count % 256 == 0 and time.monotonic() > deadline:
            problem = (
                f"page_owner was read for {seconds:g} s only: what it says of pages at higher"
                " addresses is missing"
            )
            break
    return largest([{"name": key, "size_bytes": size} for key, size in found.items()]), problem


def records(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """(pages, the lines of its stack) of each record; 0 pages for one that cannot be read."""
    pages = 0
    frames: list[str] = []
    for line in lines:
        text = line.rstrip("\n")
        if not text:
            yield pages, frames
            pages, frames = 0, []
        elif text[0].isspace():
            if len(frames) < 64:
                frames.append(text)
        else:
            order, count = _ORDER.match(text), _COUNT.match(text)
            if order and int(order[1]) <= 20:
                pages = 1 << int(order[1])
            elif count:
                pages = int(count[1])
    yield pages, frames
