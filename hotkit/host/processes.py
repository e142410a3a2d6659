"""Processes: whether one still lives, and the end of those that carry a run's mark."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_POLITE_SECONDS = 5.0


def start_ticks(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat, in clock ticks since boot; None if it is gone, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before may hold spaces and brackets
    return None if fields[0] in "ZX" else int(fields[19])


def end_marked(name: str, value: str) -> None:
    """End every process of ours that was started with `name=value` in its environment.

    For programs whose children leave the process group: Ansible's workers call setsid(), and so
    outlive a kill of the group. Shared ssh connections ("ssh: ... [mux]") are left alone: others
    may use them, and they end by themselves.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _POLITE_SECONDS
        for pid in _marked(name, value):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        while _marked(name, value) and time.monotonic() < deadline:
            time.sleep(0.1)


def _marked(name: str, value: str) -> list[int]:
    mark = f"{name}={value}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        # A process that is gone, a zombie, or somebody else's cannot be read: not ours to end.
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                title = (folder / "cmdline").read_bytes()
                pid = int(folder.name)
                if title and not title.startswith(b"ssh: ") and pid != os.getpid():
                    found.append(pid)
    return found
