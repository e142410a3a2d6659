"""The shipped suite as a user runs it: plain pytest, testinfra's local backend, this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import testinfra

from hotkit.checks.gathering import Gatherer
from hotkit.core import memmap
from hotkit.core.hostverdict import Outcome
from hotkit.core.layout import Layout, NodePlan
from hotkit.core.ranges import Range, RangeSet
from hotkit.host.inventory import Host
from hotkit.host.sshway import SshWay
from hotkit.parse.facts import topology_from_facts
from hotkit.topology import gather_local
from hotkit.verify import verify_hosts

# /proc/iomem hides its addresses from who is not root: then nothing is known, and that is no pass.
SHOWN = os.geteuid() == 0 or (
    shutil.which("sudo") is not None
    and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
)


def suite(folder: Path, *options: str) -> tuple[int, str, dict[str, Any]]:
    """Exit status, output and results of `pytest --pyargs hotkit.checks` on this machine."""
    results = folder / "results.json"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--pyargs", "hotkit.checks", "-p", "no:cacheprovider",
         "--hosts=local://", f"--hotkit-results={results}", f"--rootdir={folder}", *options],
        cwd=folder, env={**os.environ, "PYTEST_ADDOPTS": ""}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    found = json.loads(results.read_text())["hosts"]["local"] if results.exists() else {}
    return done.returncode, done.stdout + done.stderr, found


@pytest.fixture(scope="module")
def stock() -> Layout:
    """What this machine runs now, written down as a layout: no argument, all of its RAM."""
    facts = gather_local()
    topology = topology_from_facts(facts)
    ram = memmap.system_ram_under(topology.firmware, facts["cmdline"])
    return Layout(
        profile="stock",
        topology=topology.name,
        style="$",
        size_means="present",
        args=(),
        cpus=tuple(sorted(os.sched_getaffinity(0) | set(range(os.cpu_count() or 1)))),
        nodes=tuple(
            NodePlan(
                node=node,
                role="fast",
                wanted_bytes=None,
                present_bytes=topology.node_ram(node).size_bytes,
                reserved=(),
                predicted=ram.intersect(topology.span(node)),
            )
            for node in topology.nodes
        ),
    )


def write(layout: Layout, folder: Path) -> str:
    (folder / "layout.json").write_text(json.dumps(layout.to_dict()))
    return f"--hotkit-layout={folder / 'layout.json'}"


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["verdict"] for item in found["checks"]}


def test_a_machine_without_record_or_layout_is_told_so(tmp_path):
    if Path("/var/lib/hotkit/state.json").exists():
        pytest.skip("this machine has a record of hotkit's")
    code, text, found = suite(tmp_path)
    assert code == 1
    assert found["outcome"] == "problem"
    assert "--hotkit-layout" in text
    assert "1 failed, 15 skipped" in text


def test_the_stock_machine_has_its_ram_but_not_our_entry(stock, tmp_path):
    junit = tmp_path / "junit.xml"
    code, text, found = suite(tmp_path, write(stock, tmp_path), f"--junitxml={junit}")
    assert code == 1
    seen = verdicts(found)
    assert seen["cpus"] == "pass"
    assert seen["system-ram-node0"] == seen["no-other-ram"] == ("pass" if SHOWN else "unknown")
    assert seen["entry"] == "fail"
    assert f"expected {stock.token}" in text
    assert [cause["kind"] for cause in found["causes"]] == ["stock-entry"]
    failed = {
        case.get("name")
        for case in ElementTree.parse(junit).getroot().iter("testcase")
        if case.find("failure") is not None
    }
    assert "test_layout[local-entry]" in failed
    assert ("test_layout[local-system-ram]" in failed) == (not SHOWN)


def test_one_page_that_should_not_be_there_fails(stock, tmp_path):
    node = stock.nodes[0]
    last = node.predicted.ranges[-1]
    less = node.predicted.subtract(RangeSet((Range(last.end - 4096, last.end),)))
    wrong = replace(stock, nodes=(replace(node, predicted=less), *stock.nodes[1:]))
    code, text, found = suite(tmp_path, write(wrong, tmp_path), "-k", "system-ram")
    assert code == 1
    assert verdicts(found)["system-ram-node0"] == ("fail" if SHOWN else "unknown")
    assert ("4 KiB more than planned" if SHOWN else "hides the addresses") in text


def test_a_kernel_that_does_not_run_fails(stock, tmp_path):
    code, text, _ = suite(
        tmp_path, write(stock, tmp_path), "--hotkit-kernel=6.1.0-hotkit", "-k", "kernel"
    )
    assert code == 1
    assert "expected 6.1.0-hotkit" in text


def test_a_host_is_gathered_in_one_round_trip(monkeypatch):
    host = testinfra.get_host("local://")
    commands = []
    run = type(host.backend).run
    monkeypatch.setattr(
        type(host.backend),
        "run",
        lambda self, command, *args, **more: (
            commands.append(command) or run(self, command, *args, **more)
        ),
    )
    gatherer = Gatherer()
    gatherer.start(host)
    assert gatherer.facts(host)["schema_version"] == gatherer.facts(host)["schema_version"] == 1
    gatherer.close()
    assert len(commands) == 1


def test_a_layout_file_that_cannot_be_read_is_a_usage_error(tmp_path):
    code, text, _ = suite(tmp_path, "--hotkit-layout=missing.json")
    assert code == 4  # pytest's usage error
    assert "cannot read what to expect" in text
    assert "Traceback" not in text


def test_a_silent_host_is_unreachable_and_its_neighbour_is_no_worse_off(tmp_path):
    # Port 1 of the loopback refuses at once.
    hosts = [
        Host(name=name, variables={}, way=SshWay(host="127.0.0.1", port=1))
        for name in ("first", "second")
    ]
    found = verify_hosts(hosts, junit=tmp_path / "junit.xml")
    assert [item.host for item in found] == ["first", "second"]
    assert {item.outcome for item in found} == {Outcome.UNREACHABLE}
    assert "Connection refused" in found[0].problem
    assert (tmp_path / "junit.xml").exists()
