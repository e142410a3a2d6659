"""What a lab machine said on its serial console since a given moment."""

from __future__ import annotations

import re
from pathlib import Path

from hotkit.host.dirs import state_dir
from hotkit.host.inventory import Host
from hotkit.host.qemu import CONSOLE_LOG

_READ_BYTES = 4 << 20
_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")
# The lines that tell why a boot ended, the most telling kind first: a slow emulator also logs soft
# lockups that did no harm.
_WHY = tuple(
    re.compile(pattern)
    for pattern in (
        r"Kernel panic|System is deadlocked",
        r"Out of memory|Gave up waiting for root|Oops:",
        r"error: .*(file|symbol|device)|BUG:",
    )
)
_STAMP = re.compile(r"^\[ *\d+\.\d+\] ")


def log_of(host: Host) -> Path | None:
    """The console log of a lab machine, None for a machine that is not the lab's."""
    if host.machine is None:
        return None
    path = state_dir() / "lab" / host.name / CONSOLE_LOG
    return path if path.is_file() else None


def size_now(host: Host) -> int:
    """How long the log is, to read only what comes after; 0 without a log."""
    path = log_of(host)
    return path.stat().st_size if path else 0


def excerpt(host: Host, since: int, *, lines: int = 12) -> list[str]:
    """The telling lines after byte `since`: around the first panic, else the last ones."""
    said = _said(host, since)
    for pattern in _WHY:
        for number, line in enumerate(said):
            if pattern.search(line):
                return said[max(0, number - 3) : number + lines - 3]
    return said[-lines:]


def reason(lines: list[str]) -> str | None:
    """The line of an excerpt that names the cause, without its time stamp."""
    for pattern in _WHY[:2]:
        for line in lines:
            if pattern.search(line):
                return _STAMP.sub("", line)
    return None


def _said(host: Host, since: int) -> list[str]:
    path = log_of(host)
    if path is None:
        return []
    with path.open("rb") as stream:
        # A log that was cut (the machine was reset) is read from its start.
        stream.seek(since if since <= path.stat().st_size else 0)
        text = _ANSI.sub(b"", stream.read(_READ_BYTES)).decode(errors="replace")
    return [line.rstrip() for line in text.splitlines() if line.strip()]
