"""The part of `make bench` that runs on the measured machine still fits the agent's trackers."""

import json
import subprocess
import sys
from pathlib import Path

from hotkit.host.workload import build, build_hotset, build_scan
from hotkit.host.zipapp import build_agent

HERE = Path(__file__).resolve().parents[2] / "tools/bench"
SIZE = 4 << 20


def test_both_sides_look_at_the_same_process():
    """Without page idle tracking: not every kernel has it. What it says here is not kept."""
    order = {
        "agent": build_agent().path,
        "hotset": build_hotset().path,
        "scan": build_scan().path,
        "wss": build("wss", HERE).path,
        "bytes": SIZE,
        "memory": "4k",
        "pairs": {"idlepage": 0, "softdirty": 2, "frames": 2},
    }
    done = subprocess.run(
        [sys.executable, HERE / "onhost.py", json.dumps(order, default=str)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    head, *lines = map(json.loads, done.stdout.splitlines())
    assert head["bytes"] == SIZE
    assert head["pages"] >= SIZE // 4096
    sides = [(line["reader"], line["side"]) for line in lines]
    assert sides == [
        ("softdirty", "softdirty"), ("softdirty", "SoftDirty.look"),
        ("softdirty", "SoftDirty.look"), ("softdirty", "softdirty"),
        ("frames", "frames"), ("frames", "frames_of"),
        ("frames", "frames_of"), ("frames", "frames"),
    ]  # fmt: skip
    pages = {line["side"]: line["pages"] for line in lines}
    assert pages["frames_of"] == pages["frames"] == SIZE // 4096
    assert pages["SoftDirty.look"] >= SIZE // 4096  # of all that the process may write
