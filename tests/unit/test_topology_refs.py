"""Topology references: local, ssh, hosts, captures; and what is none of them."""

import json
import shutil
import subprocess
import sys

import pytest

from hotkit.errors import ExitCode, HotkitError
from hotkit.parse.facts import topology_from_facts
from hotkit.topology import gather_script, load_topology
from tests.unit.machines import CAPTURE, DATA


def test_this_machine():
    found = load_topology("local")
    assert found.ram.size_bytes > 0
    assert found.source == "this machine"


def test_the_gather_script_runs_alone():
    """As on a host: from standard input, in an empty environment; JSON and nothing else."""
    done = subprocess.run(
        [sys.executable, "-I", "-"], input=gather_script(), capture_output=True, text=True,
        check=True, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    facts = json.loads(done.stdout)
    assert done.stderr == ""
    assert set(facts) == {
        "schema_version", "hostname", "arch", "kernel_release", "boot_id", "cmdline", "uid",
        "python", "platform", "platform_evidence", "firmware_memmap", "acpi", "iomem", "meminfo",
        "numactl", "nodes", "cpus", "pmem", "dmesg_memory", "os_release", "efi", "secure_boot",
        "boot", "state", "lease", "commands_missing", "nested", "kernel", "required_mounts",
        "uptime_s",
    }  # fmt: skip
    assert facts["platform"] in ("metal", "virtual", "emulated")
    assert set(facts["acpi"]) == {"SRAT", "APIC", "SLIT"}
    assert topology_from_facts(facts).ram.size_bytes > 0


def test_a_directory_a_log_and_facts():
    assert len(load_topology(str(CAPTURE)).cpus) == 144
    assert load_topology(str(CAPTURE)).name == "lab-2s-256g"
    assert load_topology(str(CAPTURE / "dmesg-boot.txt")).cpus == ()
    assert load_topology(str(DATA / "facts/qemu-8n.json")).nodes == tuple(range(8))


def test_a_directory_with_facts(tmp_path):
    shutil.copy(DATA / "facts/qemu-8n.json", tmp_path / "facts.json")
    assert load_topology(str(tmp_path)).name == "qemu-8n"


@pytest.fixture
def inventory(tmp_path):
    path = tmp_path / "hosts.yml"
    path.write_text(
        "all:\n  hosts:\n    dead:\n      ansible_host: 127.0.0.1\n      ansible_port: 1\n",
        encoding="utf-8",
    )
    return path


def test_an_unreachable_host(inventory):
    with pytest.raises(HotkitError, match="cannot be reached: .*refused") as caught:
        load_topology("dead", inventory)
    assert caught.value.exit_code == ExitCode.UNREACHABLE
    with pytest.raises(HotkitError) as caught:
        load_topology("ssh://nobody@127.0.0.1:1")
    assert caught.value.exit_code == ExitCode.UNREACHABLE


def test_an_unknown_host(inventory):
    with pytest.raises(HotkitError, match="no host 'alive'"):
        load_topology("alive", inventory)


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("nowhere/", "no such file or directory"),
        ("nowhere.txt", "no such file or directory"),
        ("no-such-host", "no file, no directory, and no host"),
        ("ssh://", "no ssh address"),
        ("ssh://-oProxyCommand=x", "no ssh address"),
        ("ssh://host:port", "no ssh address"),
    ],
)
def test_references_that_lead_nowhere(ref, message):
    with pytest.raises(HotkitError, match=message) as caught:
        load_topology(ref)
    assert caught.value.exit_code == ExitCode.BAD_INPUT


def test_captures_that_cannot_be_read(tmp_path):
    with pytest.raises(HotkitError, match="holds no capture"):
        load_topology(str(tmp_path))
    (tmp_path / "dmesg.txt").write_bytes(b"\xff\xfe\x00garbage")
    with pytest.raises(HotkitError, match="is no text"):
        load_topology(str(tmp_path))
    (tmp_path / "half.json").write_text('{"schema_version": 1, "hos', encoding="utf-8")
    with pytest.raises(HotkitError, match="no JSON"):
        load_topology(str(tmp_path / "half.json"))
