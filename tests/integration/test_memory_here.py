"""The script that `hotkit memory capture` sends, really run on this machine: as root and not."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from hotkit.memory import memory_script
from hotkit.parse.memfacts import memory_facts

MIB = 1 << 20
PYTHON = ["/usr/bin/python3", "-I", "-"]
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
SIZE = 24 * MIB
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="changes users and mounts: root only")


def asked(*before: str) -> dict[str, Any]:
    began = time.monotonic()
    done = subprocess.run(
        [*before, *PYTHON], input=memory_script(), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert time.monotonic() - began < 20
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@root_only
def test_as_root_everything_is_seen():
    holder = subprocess.Popen(
        ["/usr/bin/python3", "-c", f"a = bytearray(b'x') * {SIZE}; print(flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        document = asked()
    finally:
        holder.communicate(b"\n")
    texts, record = document["texts"], document["record"]
    for source in ("meminfo", "node0-meminfo", "vmallocinfo", "slabinfo", "zoneinfo", "iomem"):
        assert texts[source], f"{source} is empty"
    (mine,) = [item for item in record["processes"] if item["pid"] == holder.pid]
    assert SIZE <= mine["anonymous_bytes"] <= mine["pss_bytes"] < SIZE + 16 * MIB
    assert mine["name"].startswith("python3") and mine["rss_bytes"] >= SIZE
    assert record["cpus_online"] == os.cpu_count() and record["uid"] == 0
    assert record["image_bytes"]["code"] > MIB
    facts = memory_facts("here", texts, record)
    assert facts.label is not None and facts.vmalloc and facts.slabs and facts.zones
    now = Path("/proc/meminfo").read_text().split()
    assert abs(facts.meminfo["MemTotal"] - int(now[1]) * 1024) < 64 * MIB


@root_only
def test_a_file_on_tmpfs_and_a_trace_buffer_are_seen():
    script = (
        "mkdir -p /run && mount -t tmpfs -o size=64m 'hotkit test' /mnt &&"
        f" head -c {SIZE} /dev/zero > /mnt/file && mount -t tracefs tracefs /sys/kernel/tracing &&"
        " mkdir /sys/kernel/tracing/instances/hotkit-test-buffer &&"
        " echo 2048 > /sys/kernel/tracing/instances/hotkit-test-buffer/buffer_size_kb;"
        ' "$@"; rmdir /sys/kernel/tracing/instances/hotkit-test-buffer'
    )
    record = asked("unshare", "--mount", "sh", "-c", script, "sh")["record"]
    held = {item["name"]: item["size_bytes"] for item in record["tmpfs"]}
    assert held["/mnt"] == SIZE
    buffers = {item["name"]: item["size_bytes"] for item in record["trace_buffers"]}
    cpus = os.cpu_count() or 1
    assert 2 * MIB * cpus <= buffers["hotkit-test-buffer"] < 3 * MIB * cpus
    # Nobody traces: a page or two for each CPU, not the size that it could grow to.
    assert buffers["tracing"] < MIB
    assert not any("tracefs" in item for item in record["problems"])


@root_only
def test_another_user_is_told_what_is_missing():
    document = asked(*NOBODY)
    record = document["record"]
    said = " ".join(record["problems"])
    assert "/proc/vmallocinfo cannot be read: Permission denied" in record["problems"]
    assert "/proc/slabinfo cannot be read: Permission denied" in record["problems"]
    assert "/proc/iomem has no addresses" in said and "(root may)" in said
    assert "meminfo" in document["texts"] and record["image_bytes"] == {}
    facts = memory_facts("here", document["texts"], record)
    assert facts.used_bytes > 0 and facts.vmalloc is None and len(facts.problems) >= 4
