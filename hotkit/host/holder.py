"""Who this controller is, for the lease on a host; whether the holder of a lease is still at it."""

from __future__ import annotations

import os
import platform
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotkit.host.processes import start_ticks
from hotkit.host.runs import run_is_over


def this_holder(run_id: str) -> dict[str, Any]:
    """The lease that this process asks for: `who` is for people, the rest tells whether we live."""
    user = pwd.getpwuid(os.getuid()).pw_name
    return {
        "id": run_id,
        "who": f"{user}@{platform.node()} (process {os.getpid()})",
        "pid": os.getpid(),
        "start_ticks": start_ticks(os.getpid()),
        **_here(),
    }


def is_dead(lease: Mapping[str, Any]) -> bool:
    """Whether the holder was a run of this very machine that is over: its process is gone, or it
    has told its result (a host that could not be reached at its end could not be given back).

    Of another machine (or container) nothing is known: its holder counts as alive until the lease
    runs out.
    """
    here = _here()
    if not here["machine_id"] or lease.get("machine_id") != here["machine_id"]:
        return False
    if lease.get("boot_id") != here["boot_id"]:
        return True
    if run_is_over(str(lease.get("id"))):
        return True
    pid = lease.get("pid")
    same_space = lease.get("pid_namespace") == here["pid_namespace"]
    return same_space and isinstance(pid, int) and start_ticks(pid) != lease.get("start_ticks")


def _here() -> dict[str, str]:
    return {
        "machine_id": _line("/etc/machine-id"),
        "boot_id": _line("/proc/sys/kernel/random/boot_id"),
        "pid_namespace": str(Path("/proc/self/ns/pid").readlink()),
    }


def _line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
