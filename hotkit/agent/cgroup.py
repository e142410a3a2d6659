"""The memory cgroup that a workload runs in: what reclaim, MGLRU and a memcg scan are pointed at.

Every run has one, also those without a tracker, so that off and on differ in the tracker alone.
"""

from __future__ import annotations

import os
from pathlib import Path

from hotkit.agent.undo import Undo

ROOT = Path("/sys/fs/cgroup")
_NAME = "hotkit-workload"


def why_none() -> tuple[str, str] | None:
    """Why no memory cgroup can be made here, and what helps; None when one can."""
    if not (ROOT / "cgroup.controllers").exists():
        return (
            f"cgroup v2 is not mounted at {ROOT}",
            "boot with systemd.unified_cgroup_hierarchy=1 (cgroup v1 has no memory.reclaim)",
        )
    if "memory" not in (ROOT / "cgroup.controllers").read_text().split():
        return (
            "this machine's cgroups have no memory controller",
            "a kernel with CONFIG_MEMCG=y, without cgroup_disable=memory; not inside a container",
        )
    return None


def make(undo: Undo) -> Path | None:
    """A fresh cgroup with the memory controller, removed again by `undo`; None when none can be."""
    if why_none() or not os.access(str(ROOT), os.W_OK):
        return None
    children = ROOT / "cgroup.subtree_control"
    if "memory" not in children.read_text().split():
        undo.write(str(children), "+memory", back="-memory")
    path = ROOT / _NAME
    undo.make_directory(str(path))
    # Undone before the directory is removed. What is in it should have ended by then; a program
    # that outlived its agent all the same has not (cgroup.kill: Linux 5.14).
    undo.later(str(path / "cgroup.kill"), "1")
    return path


def entering(path: Path | None, argv: list[str]) -> list[str]:
    """`argv` as it is started inside the cgroup: the memory that it takes is charged there."""
    if path is None:
        return argv
    script = f'echo $$ > "{path}/cgroup.procs" && exec "$@"'
    return ["/bin/sh", "-c", script, "sh", *argv]
