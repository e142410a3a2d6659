"""PMEM as the slow tier, on lab-pmem: a node of its own, verified, and given back.

A namespace of somebody else's, with data in it, lies beside all the time. The tests build on each
other, so they run in this order. Budget: 7 minutes on 2 cores without KVM.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hotkit.assets import asset
from hotkit.cli import main
from hotkit.errors import ExitCode
from hotkit.host.inventory import Host
from hotkit.host.ssh import Ssh

pytestmark = pytest.mark.lab

NAME = "lab-pmem"
# Raw mode: a plain block device, whose bytes are the data.
FOREIGN = """
ndctl create-namespace -r region0 -s 256M -m raw -n theirs >/dev/null
head -c 8M /dev/urandom >/dev/pmem0 && sync
"""
# By its name: with emulated PMEM the numbers of regions are others.
THEIRS = """
for found in $(grep -lx theirs /sys/bus/nd/devices/namespace*/alt_name); do
    head -c 8M "/dev/$(ls "${found%/*}/block")" | sha256sum
done
"""
NAMES = "cat /sys/bus/nd/devices/namespace*/alt_name | sort"
FREE = "cat /sys/bus/nd/devices/region*/available_size | sort"


@pytest.fixture(scope="module")
def machine(own_machine: Callable[[str], Host]) -> Host:
    """lab-pmem with somebody's data in region0."""
    host = own_machine(NAME)
    sh(host, FOREIGN)
    return host


@pytest.fixture(scope="module")
def theirs(machine: Host) -> str:
    """What the other namespace holds, before hotkit comes."""
    found = sh(machine, THEIRS)
    assert len(found.split()) == 2
    return found


def sh(machine: Host, command: str) -> str:
    return str(Ssh(machine.way).run(["sh", "-c", command]).stdout)


def hotkit(
    capsys: pytest.CaptureFixture[str], command: str, inventory: Path | str = "lab", *words: str
) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main([command, str(inventory), "--limit", NAME, "--json", *words])
    (host,) = json.loads(capsys.readouterr().out)["hosts"]
    return code, host


def inventory_with(folder: Path, slow: str) -> Path:
    """The lab's inventory with another slow tier for lab-pmem."""
    shutil.copytree(asset("inventories") / "lab", folder)
    variables = folder / "host_vars" / f"{NAME}.yml"
    text = variables.read_text()
    assert "slow: {size: 1G}" in text
    variables.write_text(text.replace("slow: {size: 1G}", f"slow: {slow}"))
    return folder


def checks_of(host: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {item["name"]: item for item in host["verdict"]["checks"]}


def test_more_than_is_free_is_refused(
    machine: Host, theirs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wants = inventory_with(tmp_path / "lab", "{size: 1792M}")
    code, host = hotkit(capsys, "provision", wants, "--yes")
    assert (code, host["status"]) == (ExitCode.BAD_INPUT, "refused")
    assert "free in one piece" in host["sentence"] and "(raw, 256 MiB)" in host["sentence"]
    assert sh(machine, THEIRS) == theirs
    assert sh(machine, "ls -d /var/lib/hotkit 2>/dev/null || true") == ""


def test_pmem_is_the_slow_tier(
    machine: Host, theirs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, host = hotkit(capsys, "provision", "lab", "--yes")
    assert code == ExitCode.OK, host["sentence"]
    assert (host["status"], host["state"]) == ("ok", "verified")
    found = checks_of(host)
    assert found["pmem-node2"]["found"].startswith("1 GiB (8 blocks of 128 MiB) online")
    assert found["distance-node2"]["found"] == "17"
    # dax/kmem gives PMEM a tier of its own, far behind DRAM (Linux 6.1).
    assert "memory_tier22, node 0 in memory_tier4" in found["tier-node2"]["found"]
    assert "node 2 1024 MB" in found["numactl"]["found"]
    assert host["verdict"]["memory"]["within"], host["verdict"]["memory"]
    assert sh(machine, "cat /sys/devices/system/node/node2/cpulist").strip() == ""
    assert sh(machine, THEIRS) == theirs


def test_it_is_used_and_costs_its_struct_pages(machine: Host) -> None:
    """A program bound to the node gets its pages there."""
    code = "b = bytearray(64 << 20); b[::4096] = b'x' * (len(b) // 4096); print(open(" \
           "'/sys/devices/system/node/node2/meminfo').read())"  # fmt: skip
    said = sh(machine, f'numactl --membind=2 python3 -c "{code}"')
    used_kib = int(said.split("MemUsed:")[1].split()[0])
    assert 64 << 10 <= used_kib < 128 << 10


def test_a_second_run_changes_nothing(machine: Host, capsys: pytest.CaptureFixture[str]) -> None:
    code, host = hotkit(capsys, "provision", "lab", "--yes")
    assert code == ExitCode.OK and host["changed"] == 0 and not host["rebooted"]
    assert sh(machine, "ls /var/lib/hotkit").split() == ["lock", "originals", "state.json"]


def test_emulated_pmem(
    machine: Host, theirs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Node 1's DRAM stands in for PMEM: for machines that have none."""
    wants = inventory_with(tmp_path / "lab", "{pmem: emulated, node: 1, size: 512M}")
    code, host = hotkit(capsys, "provision", wants, "--yes")
    assert code == ExitCode.OK, host["sentence"]
    assert "640M!1536M" in host["layout"]["cmdline"]
    found = checks_of(host)
    assert found["pmem-node1"]["found"].startswith("512 MiB (4 blocks of 128 MiB) online")
    assert found["distance-node1"]["found"] == "20"
    assert "memory_tier22" in found["tier-node1"]["found"]
    assert host["verdict"]["memory"]["within"], host["verdict"]["memory"]
    # The real PMEM of the layout before is devdax again, kept for its next boot.
    assert found["pmem-node2"]["verdict"] == found["pmem-node3"]["verdict"] == "pass"
    assert sh(machine, THEIRS) == theirs


def test_rollback_gives_back_what_was_ours(
    machine: Host, theirs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "hotkit-" in sh(machine, NAMES)
    code, host = hotkit(capsys, "rollback", "lab", "--yes")
    assert code == ExitCode.OK, host["sentence"]
    assert "hotkit.id=" not in sh(machine, "cat /proc/cmdline")
    assert sh(machine, THEIRS) == theirs
    assert sh(machine, NAMES).split() == ["theirs"]
    assert sh(machine, FREE).split() == [str(1 << 30), str((2048 - 256) << 20)]
    assert sh(machine, "ls -d /var/lib/hotkit 2>/dev/null || true") == ""
    code, host = hotkit(capsys, "rollback", "lab", "--yes")
    assert code == ExitCode.OK and host["changed"] == 0
