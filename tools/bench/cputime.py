"""CPU time of everything that one side of a benchmark starts, hosts that it talks to as well.

A control group counts it: cgroup v1's cpuacct, or v2. It says what a side costs also on a machine
that is busy with other work, where seconds on the wall say little.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Meter = Callable[[], float]
_ROOT = Path("/sys/fs/cgroup")


@contextmanager
def metered() -> Iterator[Meter | None]:
    """This process and its children in a group of their own; yields what tells its CPU seconds.

    None where no group can be made. Children must have ended when the block does.
    """
    for root, name, scale in (
        (_ROOT / "cpuacct", "cpuacct.usage", 1e9),
        (_ROOT, "cpu.stat", 1e6),
    ):
        group = root / f"hotkit-bench-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / name).exists():
            _move(group)
            try:
                yield lambda file=group / name, by=scale: _seconds(file) / by  # type: ignore[misc]
            finally:
                _move(root)
                group.rmdir()
            return
        group.rmdir()
    yield None


def _move(group: Path) -> None:
    (group / "cgroup.procs").write_text(f"{os.getpid()}\n")


def _seconds(file: Path) -> int:
    """The file's one number, or of cpu.stat the one after usage_usec."""
    words = file.read_text().split()
    return int(words[words.index("usage_usec") + 1] if "usage_usec" in words else words[0])
