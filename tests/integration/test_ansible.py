"""The wall around ansible-runner, and the playbooks, against real Ansible."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotkit.assets import asset
from hotkit.cli import main
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.ansible import PlaybookRun
from hotkit.host.ansible_env import ansible_env
from hotkit.host.run import clean_env

BIN = Path(sys.executable).parent
ROLES = ("boot_once", "default_entry", "gather", "grub_entry", "kernel", "pmem", "restore")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "hotkit"


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts and never says a word: what a hung machine looks like to ssh."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def inventory(folder: Path, port: int, *, profile: str = "4C16G-remote") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "hosts.yml").write_text(
        "all:\n  hosts:\n    m1:\n      ansible_host: 127.0.0.1\n"
        f"      ansible_port: {port}\n      hotkit_profile: {profile}\n"
    )
    return folder


def test_unreachable_host(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ref = inventory(tmp_path / "inv", 1)
    assert main(["provision", str(ref), "--yes", "--json"]) == ExitCode.UNREACHABLE
    said = json.loads(capsys.readouterr().out)
    (host,) = said["hosts"]
    assert host["status"] == "unreachable" and "Connection refused" in host["sentence"]
    assert not said["ok"] and said["changed"] == 0 and said["rebooted"] == []
    assert main(["rollback", str(ref), "--yes"]) == ExitCode.UNREACHABLE


def test_logs_are_private_and_hold_no_environment(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_API_TOKEN", "s3cr3t-t0ken")
    assert main(["provision", str(inventory(tmp_path / "inv", 1)), "--yes"]) == 3
    (folder,) = (state / "runs").iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "stdout" for path in files)
    assert not [path for path in files if "s3cr3t-t0ken" in path.read_text(errors="replace")]


def test_an_unknown_inventory_is_named_before_anything_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for command in ("provision", "rollback"):
        assert main([command, "no-such-lab"]) == ExitCode.BAD_INPUT
        assert "no inventory 'no-such-lab'" in capsys.readouterr().err


def test_leaving_early_ends_ansible(state: Path, tmp_path: Path, silent_port: int) -> None:
    ref = inventory(tmp_path / "inv", silent_port)
    began = time.monotonic()
    with (
        pytest.raises(KeyboardInterrupt),
        PlaybookRun("rollback", ref, tmp_path / "run", hosts=["m1"]) as run,
    ):
        for event in run:
            if event.kind == "started" and event.task == "Read the machine":
                raise KeyboardInterrupt
    assert time.monotonic() - began < 30
    left = subprocess.run(["pgrep", "-af", str(tmp_path)], capture_output=True, text=True)
    assert left.stdout == ""


def test_a_run_without_events_is_an_error_of_its_own(tmp_path: Path) -> None:
    ref = inventory(tmp_path / "inv", 1)
    with (
        pytest.raises(HotkitError, match="Ansible ran nothing"),
        PlaybookRun("rollback", ref, tmp_path / "run", hosts=["no-such-host"]) as run,
    ):
        list(run)


def test_a_folder_is_never_used_twice(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(FileExistsError):
        PlaybookRun("rollback", inventory(tmp_path / "inv", 1), tmp_path / "run", hosts=["m1"])


@pytest.mark.parametrize("playbook", ["provision", "verify", "rollback"])
def test_playbooks_stand_alone(playbook: str) -> None:
    """As a user runs them: from the top of the clone, with nothing set."""
    root = asset("playbooks").parent
    done = subprocess.run(
        [BIN / "ansible-playbook", "-i", "inventories/lab", f"playbooks/{playbook}.yml",
         "--syntax-check"],
        cwd=root, capture_output=True, text=True, check=False, env=clean_env(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_role_is_documented() -> None:
    for role in (asset("roles") / name for name in ROLES):
        spec = (role / "meta" / "argument_specs.yml").read_text()
        readme = (role / "README.md").read_text()
        for line in (role / "defaults" / "main.yml").read_text().splitlines():
            name, colon, _ = line.partition(":")
            if colon and not line.startswith(("#", " ", "-")):
                assert f"{name}:" in spec and f"`{name}`" in readme, (role.name, name)


def test_the_environment_of_ansible_is_ours() -> None:
    env = ansible_env()
    assert env["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert Path(env["ANSIBLE_CONFIG"]).is_file() and Path(env["ANSIBLE_ROLES_PATH"]).is_dir()
