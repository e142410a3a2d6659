"""page_alloc really traced here: who holds memory is found in it, who has freed it is not."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hotkit.agent.access import no_traced_pids

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts tracefs: root only")

MIB = 1 << 20
SIZE = 16 * MIB
# The system's own Python, in a mount namespace of its own: the machine's mounts stay as they are.
COMMAND = [
    "unshare", "--mount", "sh", "-c",
    "mount -t tracefs tracefs /sys/kernel/tracing && exec /usr/bin/python3 -I \"$@\"", "sh",
    str(Path(__file__).with_name("page_trace_run.py")), str(SIZE // MIB),
]  # fmt: skip


def recorded(stacks: bool) -> dict[str, Any]:
    if "tracefs" not in Path("/proc/filesystems").read_text():
        pytest.skip("hardware: this kernel has no tracefs")
    done = subprocess.run(
        [*COMMAND, str(int(stacks))], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def left_over() -> str:
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c",
         "mount -t tracefs tracefs /sys/kernel/tracing; ls /sys/kernel/tracing/instances"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def test_by_task():
    found = recorded(stacks=False)
    assert (found["off"], found["on"], found["by"]) == (False, True, "task")
    held = {item["name"]: item for item in found["held"]}
    for name in ("hk-file", "hk-stays"):
        item = held[name]
        # Its page tables and what the kernel keeps for it come on top: less than a quarter.
        assert SIZE <= item["size_bytes"] < SIZE * 5 // 4, f"{name} holds {item}"
        assert SIZE <= item["movable_bytes"] <= item["size_bytes"]
    # It has ended: what is left is a page here and there (a slab's, a list's).
    assert held.get("hk-gone", {"size_bytes": 0})["size_bytes"] < MIB
    assert found["allocations"] >= 3 * SIZE // 4096 and found["frees"] >= SIZE // 4096
    assert found["lost_events"] == 0 and found["missed_pages"] == 0 and not found["cut_off"]
    assert int(found["buffer_kb"].split()[0]) >= 32 << 10
    assert "hotkit-test" not in left_over()


def test_by_function():
    if no_traced_pids():
        pytest.skip("hardware: in this container a trace's pids are not ours")
    found = recorded(stacks=True)
    assert found["by"] == "function"
    held = {item["name"]: item["size_bytes"] for item in found["held"]}
    names = sorted(held, key=lambda name: -held[name])[:3]
    # Names differ from kernel to kernel: one allocates for tmpfs, one for a process.
    assert any("shmem" in name for name in names), held
    assert any("anon" in name for name in names), held
    total = sum(held.values())
    assert 2 * SIZE <= total < 3 * SIZE, "what ended is counted, or what stays is not"
    assert "alloc_pages" not in " ".join(names)
