"""`agent.pyz tiers` on this machine: every pair of nodes, measured, and placed where asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from hotkit.agent import tierprobe
from hotkit.agentplace import find_place
from hotkit.core.labels import Platform
from hotkit.host.zipapp import build_agent
from hotkit.report.tierprobe import probe_block
from hotkit.verify import probe_place


def nodes(kind):
    return (Path("/sys/devices/system/node") / kind).read_text().strip()


def test_every_pair_is_measured_and_reported(tmp_path):
    probe = probe_place(find_place("lab", None, local=True), tmp_path)
    pairs = {(row.cpu_node, row.memory_node) for row in probe.rows}
    assert pairs and len(pairs) == len(probe.rows)
    if nodes("has_memory") == nodes("has_cpu") == "0":
        assert pairs == {(0, 0)} and probe.verdicts == ()
    for row in probe.rows:
        assert row.misplaced == 0
        assert len(row.latency_ns) == len(row.read_mib_s) == 9
        assert min(row.latency_ns) > 0.2 and min(row.read_mib_s) > 1
    assert probe.label.platform in Platform
    assert {said["what"] for said in probe.says} >= {"sub-NUMA clustering", "PMEM in Memory Mode"}
    with (tmp_path / "said").open("w") as out:
        Console(file=out, width=120).print(probe_block(probe))
    said = (tmp_path / "said").read_text()
    assert f"[{probe.label}]" in said and "node 0" in said


def test_the_footprint_exceeds_the_cache_where_memory_allows(monkeypatch):
    monkeypatch.setattr(tierprobe, "llc_bytes", lambda: 36 << 20)
    assert tierprobe._footprint(64 << 30, emulated=False) == 144 << 20
    assert tierprobe._footprint(256 << 20, emulated=False) == 64 << 20
    assert tierprobe._footprint(64 << 30, emulated=True) == 16 << 20
    monkeypatch.setattr(tierprobe, "llc_bytes", lambda: None)
    assert tierprobe._footprint(64 << 30, emulated=False) == 64 << 20


def test_a_program_that_fails_is_an_error_event(tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho it broke >&2\nexit 2\n")
    broken.chmod(0o755)
    done = subprocess.run(
        [sys.executable, build_agent().path, "tiers", "--binary", broken],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    last = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1
    assert last["type"] == "error" and "it broke" in last["message"]
