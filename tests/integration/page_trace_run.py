"""Records page_alloc on this machine for a moment, and prints what the agent reads back: JSON.

Called by test_page_trace_here.py in a mount namespace with tracefs: page_trace_run.py MIB STACKS.
A process of this one writes MIB to a file on tmpfs, another touches as much and a third too, and
ends; only then the trace is read. Its own tracing instance is gone afterwards.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hotkit.agent import pagetrace

PAGE = 4096


def touch(size: int) -> mmap.mmap:
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(mmap.MADV_NOHUGEPAGE)
    for at in range(0, size, PAGE):
        area[at] = 1
    return area


def child(name: str, size: int, stays: bool) -> tuple[int, int]:
    """A process that holds `size` bytes until its pipe is closed; returns pid and that pipe."""
    ready, told = os.pipe()
    waits, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go)
        Path("/proc/self/comm").write_text(name)
        area = touch(size)
        os.write(told, b"x")
        if stays:
            os.read(waits, 1)
        area.close()
        os._exit(0)
    os.close(waits)
    os.read(ready, 1)
    return pid, go


def main() -> None:
    size, stacks = int(sys.argv[1]) << 20, sys.argv[2] == "1"
    root = pagetrace.tracefs(Path("/"))
    assert root is not None
    instance = root / "instances" / f"hotkit-test-{os.getpid()}"
    instance.mkdir()
    pids = []
    folder = tempfile.mkdtemp(dir="/dev/shm")
    try:
        (instance / "buffer_size_kb").write_text(str(32 << 10))
        (instance / "options" / "stacktrace").write_text("1" if stacks else "0")
        if stacks:  # without tasks in the answer, only ours may be in the trace
            (instance / "options" / "event-fork").write_text("1")
            (instance / "set_event_pid").write_text(str(os.getpid()))
        off = pagetrace.is_on(instance)
        for event in pagetrace.EVENTS:
            (instance / "events" / event / "enable").write_text("1")
        on = pagetrace.is_on(instance)
        Path("/proc/self/comm").write_text("hk-file")
        Path(folder, "file").write_bytes(b"x" * size)
        pids.append(child("hk-stays", size, True))
        gone, pipe = child("hk-gone", size, False)
        os.waitpid(gone, 0)
        os.close(pipe)
        found = pagetrace.read_trace(instance, {}, 60)
        sizes = (instance / "buffer_total_size_kb").read_text()
        for event in pagetrace.EVENTS:
            (instance / "events" / event / "enable").write_text("0")
        json.dump({"off": off, "on": on, "buffer_kb": sizes.strip(), **found}, sys.stdout)
    finally:
        for pid, pipe in pids:
            os.close(pipe)
            os.waitpid(pid, 0)
        for file in Path(folder).iterdir():
            file.unlink()
        Path(folder).rmdir()
        instance.rmdir()


if __name__ == "__main__":
    main()
