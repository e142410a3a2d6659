"""A machine as a lab manager gives it out: no root login, sudo with a password, a jump host.

Both hops are lab-small (its network reaches nobody else): `student` logs in there, and from there
on its loopback address. The password is vaulted, host keys are pinned. Budget: 6 minutes on 2
cores without KVM.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hotkit import lab
from hotkit.cli import main
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.dirs import state_dir
from hotkit.host.inventory import Host, load_inventory
from hotkit.host.ssh import Ssh

pytestmark = pytest.mark.lab

NAME = "lab-small"
PASSWORD = "canary-9f13-open-sesame"
PREPARE = f"""
useradd -m -s /bin/bash -G sudo student
echo 'student:{PASSWORD}' | chpasswd
mkdir -m 700 ~student/.ssh
cp /root/.ssh/authorized_keys ~student/.ssh/
chown -R student: ~student/.ssh
# Later connections as root are refused; the one that is open stays for the test to look with.
echo 'PermitRootLogin no' >/etc/ssh/sshd_config.d/00-no-root.conf
systemctl reload ssh
"""
SSH_CONFIG = """
Host jump
    HostName 127.0.0.1
    Port {port}
    HostKeyAlias jump
Host *
    User student
    IdentityFile "{identity}/login-key"
    IdentitiesOnly yes
    IdentityAgent none
    StrictHostKeyChecking yes
    UserKnownHostsFile "{known_hosts}"
    GlobalKnownHostsFile none
    LogLevel ERROR
"""
INVENTORY = """
all:
  hosts:
    m1:
      ansible_host: 127.0.0.1
      ansible_ssh_common_args: "-F {config} -J jump"
      ansible_become: true
      ansible_become_password: "{{{{ sudo_password }}}}"
      hotkit_boot_timeout_s: 300
      hotkit_profile: {{base: 4C16G-remote, cpus: 2, total: 1536M, fast_share: 1/3}}
"""


@pytest.fixture(scope="module")
def machine(own_machine: Callable[[str], Host]) -> Host:
    """lab-small, prepared."""
    host = own_machine(NAME)
    Ssh(host.way).run(["sh", "-c", PREPARE])
    return host


@pytest.fixture
def inventory(machine: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory with the vaulted password, and an ssh_config with pinned keys, in tmp_path."""
    record = lab.status_of(lab.known_machine(NAME))
    assert record.directory is not None
    identity = record.directory / "identity"
    key = (identity / "host-key.pub").read_text()
    (tmp_path / "known_hosts").write_text(f"jump {key}127.0.0.1 {key}")
    (tmp_path / "ssh_config").write_text(
        SSH_CONFIG.format(port=record.ssh_port, identity=identity,
                          known_hosts=tmp_path / "known_hosts")
    )  # fmt: skip
    (tmp_path / "vault").write_text("mellon\n")
    (tmp_path / "vault").chmod(0o600)
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(tmp_path / "vault"))
    vaulted = subprocess.run(
        [Path(sys.executable).with_name("ansible-vault"), "encrypt_string",
         "--stdin-name", "sudo_password"],
        input=PASSWORD, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    folder = tmp_path / "inventory"
    (folder / "group_vars").mkdir(parents=True)
    (folder / "group_vars" / "all.yml").write_text(vaulted)
    (folder / "hosts.yml").write_text(INVENTORY.format(config=tmp_path / "ssh_config"))
    return folder


@contextmanager
def processes_watched(for_text: str) -> Iterator[list[str]]:
    """Looks into the command line and environment of every process until the block ends."""
    found: list[str] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            for folder in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    if for_text.encode() in (folder / "cmdline").read_bytes():
                        found.append((folder / "cmdline").read_text(errors="replace"))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()


def hotkit(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = main([*words, "--json"])
    said = capsys.readouterr()
    (host,) = json.loads(said.out)["hosts"]
    return code, host, said.out + said.err


def test_root_cannot_log_in(machine: Host, inventory: Path) -> None:
    direct = load_inventory("lab", NAME).host(NAME)
    Ssh(direct.way).hang_up()
    refused = Ssh(direct.way)
    with pytest.raises(HotkitError, match="Permission denied"):
        refused.run(["true"])


def traced(inventory: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What `--trace-memory` is for: who took the pages, from boot on; all that was said."""
    kept = str(inventory.parent / "traced")
    assert main(["memory", "capture", "m1", "-i", str(inventory), "--out", kept]) == ExitCode.OK
    told = capsys.readouterr()
    assert main(["memory", "explain", "--capture", kept, "--json"]) == ExitCode.OK
    said = capsys.readouterr().out
    account = json.loads(said)
    assert sum(item["size_bytes"] for item in account["items"]) == account["used_bytes"]
    (trace,) = [view for view in account["views"] if view["name"] == "by a trace of page_alloc"]
    assert len(trace["children"]) >= 10 and trace["size_bytes"] > account["used_bytes"] / 4
    # Two CPUs of three are up: the third has no buffer. Its pages hold a little less than 4 KiB
    # each, so there are some more. With both sources little has no name.
    (rest,) = [item for item in account["items"] if item["name"] == "in no field of meminfo"]
    sizes = {item["name"]: item["size_bytes"] for item in rest["children"]}
    assert 0 <= sizes["trace buffers"] - (64 << 20) < 64 << 10
    assert abs(account["unexplained_bytes"]) < 8 << 20
    return told.out + told.err + said


def test_provision_and_rollback(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with processes_watched(PASSWORD) as seen:
        words = ("provision", str(inventory), "--yes", "--trace-memory", "--trace-buffer", "32M")
        code, host, said = hotkit(capsys, *words)
        assert code == ExitCode.OK, host["sentence"]
        assert "trace_buf_size=" in host["cmdline"]
        assert (host["status"], host["state"]) == ("ok", "verified")
        checks = {item["name"]: item["verdict"] for item in host["verdict"]["checks"]}
        assert set(checks.values()) == {"pass"} and "system-ram-node0" in checks
        code, row, more = hotkit(capsys, "status", str(inventory))
        assert code == ExitCode.OK and row["runs"] == host["layout"]["id"]
        said += traced(inventory, capsys)
        code, back, last = hotkit(capsys, "rollback", str(inventory), "--yes")
        assert code == ExitCode.OK, back["sentence"]
    assert seen == []
    assert PASSWORD not in said + more + last
    # Neither in logs and artifacts, nor in anything else that the runs left.
    runs = state_dir() / "runs"
    kept = [path for path in runs.rglob("*") if path.is_file()]
    assert len(kept) > 50
    assert [path for path in kept if PASSWORD.encode() in path.read_bytes()] == []
    assert {path.stat().st_mode & 0o77 for path in runs.iterdir()} == {0}


def test_another_host_key_is_not_talked_to(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = inventory.parent / "known_hosts"
    other = subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", inventory.parent / "other"],
        capture_output=True, check=True,
    )  # fmt: skip
    assert other.returncode == 0
    # By another address of the same machine: an open connection to the first one would be shared.
    hosts = inventory / "hosts.yml"
    hosts.write_text(hosts.read_text().replace("127.0.0.1", "127.0.0.2"))
    known.write_text(f"{known.read_text()}127.0.0.2 {(inventory.parent / 'other.pub').read_text()}")
    code, host, said = hotkit(capsys, "provision", str(inventory), "--yes")
    assert code == ExitCode.UNREACHABLE and host["status"] == "unreachable"
    assert "its host key is not the one in known_hosts" in host["sentence"], host["sentence"]
    assert PASSWORD not in said


def test_a_wrong_sudo_password_is_one_sentence(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (inventory / "group_vars" / "all.yml").write_text("sudo_password: canary-wrong\n")
    code, host, said = hotkit(capsys, "provision", str(inventory), "--yes")
    assert code != ExitCode.OK and host["status"] in ("failed", "unreachable")
    assert "sudo password" in host["sentence"], host["sentence"]
    code, row, more = hotkit(capsys, "status", str(inventory))
    assert "sudo" in str(row["problem"])
    assert "canary-wrong" not in said + more
