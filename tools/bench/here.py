"""The machine that a benchmark runs on, when that is this one."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path

from hotkit.agent.platform import describe


def about_here() -> str:
    """This machine: label, CPUs, kernel, Python."""
    return (
        f"{describe()['platform']}, {os.cpu_count()} CPUs, Linux {platform.release()},"
        f" python {platform.python_version()}"
    )


def go_first() -> None:
    """All sides of a benchmark before whatever else this machine does; as far as we may.

    Where the kernel groups processes by session (sched(7), autogroup), it is the group that counts.
    """
    with suppress(OSError):
        os.nice(-20)
        Path("/proc/self/autogroup").write_text("-20")
