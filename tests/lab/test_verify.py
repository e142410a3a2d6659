"""`hotkit verify` over real ssh, on a booted machine: lab-small with its stock entry.

The layouts that a machine boots into (good, wrong escape, panic) are in test_provision.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hotkit import lab
from hotkit.cli import main
from hotkit.core import memmap
from hotkit.core.hostverdict import HostVerdict
from hotkit.core.layout import Layout, NodePlan
from hotkit.host import labssh
from hotkit.host.inventory import Host, load_inventory
from hotkit.host.ssh import Ssh
from hotkit.parse.facts import topology_from_facts
from hotkit.topology import gather_over
from hotkit.verify import verify_hosts

pytestmark = pytest.mark.lab

NAME = "lab-small"


def quiet(name: str, text: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def machine(lab_state: Path) -> Host:
    """lab-small as it became ready, in the tests' own lab."""
    lab.up(lab.known_machine(NAME), quiet)
    lab.reset(NAME, quiet)
    return load_inventory("lab", NAME).host(NAME)


@pytest.fixture(scope="module")
def stock(machine: Host) -> Layout:
    """The stock boot written down as a layout: no argument, all RAM, all CPUs."""
    topology = topology_from_facts(gather_over(machine.way))
    ram = memmap.stock_ram(topology.firmware)
    return Layout(
        profile="stock",
        topology=NAME,
        style="$",
        size_means="present",
        args=(),
        cpus=tuple(cpu.number for cpu in topology.cpus),
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


def verdict_of(machine: Host, layout: Layout) -> HostVerdict:
    (found,) = verify_hosts([machine], layouts={NAME: layout})
    return found


def failing(found: HostVerdict) -> set[str]:
    return {item.name for item in found.checks if item.verdict != "pass"}


def test_the_stock_machine_is_not_the_layout_of_its_profile(
    machine: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junit = tmp_path / "verify.xml"
    code = main(["verify", "lab", "--limit", NAME, "--json", "--junit", str(junit)])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    (host,) = document["hosts"]
    assert code == 1
    assert (document["ok"], host["outcome"], host["platform"]) == (False, "fail", "emulated")
    assert [cause["kind"] for cause in host["causes"]] == ["stock-entry"]
    verdicts = {item["name"]: item["verdict"] for item in host["checks"]}
    assert verdicts["entry"] == verdicts["system-ram-node0"] == verdicts["cpus"] == "fail"
    assert verdicts["no-other-ram"] == "pass"
    assert "test_layout[ssh://lab-small-cpus]" in junit.read_text()


def test_every_check_but_the_entry_holds_for_what_really_runs(machine: Host, stock: Layout) -> None:
    found = verdict_of(machine, stock)
    assert failing(found) == {"entry"}, found.sentence
    assert {"memtotal-node0", "memtotal-node1", "numactl"} <= {item.name for item in found.checks}


def test_a_cpu_taken_offline_is_seen(machine: Host, stock: Layout) -> None:
    ssh = Ssh(machine.way)
    ssh.run(["sh", "-c", "echo 0 > /sys/devices/system/cpu/cpu1/online"])
    try:
        found = verdict_of(machine, stock)
    finally:
        ssh.run(["sh", "-c", "echo 1 > /sys/devices/system/cpu/cpu1/online"])
    assert failing(found) == {"entry", "cpus"}
    assert "CPU 1 did not come online" in next(
        item.sentence for item in found.checks if item.name == "cpus"
    )


def test_plain_pytest_reaches_the_machine_too(machine: Host, stock: Layout, tmp_path: Path) -> None:
    (tmp_path / "layout.json").write_text(json.dumps(stock.to_dict()))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--pyargs", "hotkit.checks", "-p", "no:cacheprovider",
         f"--rootdir={tmp_path}", f"--hosts=ssh://{NAME}", f"--ssh-config={labssh.ssh_config()}",
         f"--hotkit-layout={tmp_path / 'layout.json'}"],
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "1 failed, 8 passed, 7 skipped" in done.stdout, done.stdout
    assert f"expected {stock.token}" in done.stdout


def test_a_machine_that_is_down_is_unreachable(
    machine: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.down(NAME, quiet)
    assert main(["verify", "lab", "--limit", NAME]) == 3
    # A table's row while other machines of the lab run, a sentence on stderr when none does.
    said = " ".join("".join(capsys.readouterr()).split())
    assert "hotkit lab up" in said
