"""The written ssh_config against ssh itself: `ssh -G` must see the same way through it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotkit.errors import ExitCode, HotkitError
from hotkit.host.run import run
from hotkit.host.sshconfig import write_ssh_config
from hotkit.host.sshway import SshWay

DECIDING = (
    "hostname", "port", "user", "identityfile", "userknownhostsfile", "hostkeyalias",
    "proxyjump", "controlpath", "stricthostkeychecking",
)  # fmt: skip


def effective(*words: str | Path) -> dict[str, list[str]]:
    """What ssh would do, by key."""
    found: dict[str, list[str]] = {}
    for line in run(["ssh", "-G", *words]).stdout.splitlines():
        key, _, value = line.partition(" ")
        if key in DECIDING:
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def lab_config(tmp_path: Path) -> Path:
    """As `hotkit lab` writes it, in a directory whose name has a space."""
    folder = tmp_path / "state dir"
    folder.mkdir()
    path = folder / "ssh_config"
    path.write_text(
        "Host lab-1\n  HostName 127.0.0.1\n  Port 2222\n  User root\n  HostKeyAlias lab-1\n"
        f'  IdentityFile "{folder}/key"\n  UserKnownHostsFile "{folder}/known_hosts"\n'
        "  StrictHostKeyChecking yes\n  ServerAliveInterval 5\n  ControlPath /tmp/hk-%C\n"
        "Host jump\n  HostName 127.0.0.2\n  Port 2200\n"
    )
    return path


WAYS = {
    "plain": {"host": "server.example"},
    "variables": {"host": "127.0.0.1", "port": 2201, "user": "root", "key": Path("/keys/a")},
    "options": {"host": "h", "args": ("-o", "ProxyJump=gate:2022", "-o", "HostKeyAlias=tier1")},
}


@pytest.mark.parametrize("name", WAYS)
def test_the_way_is_the_same(name, tmp_path):
    way = SshWay(**WAYS[name])
    path = tmp_path / "config"
    write_ssh_config({name: way, "other": SshWay(host="elsewhere")}, path)
    assert effective("-F", path, name) == effective(*way.words)


def test_the_way_into_the_lab_is_the_same(lab_config, tmp_path):
    way = SshWay(host="lab-1", args=("-F", str(lab_config)))
    path = tmp_path / "config"
    write_ssh_config({"lab-1": way}, path)
    found = effective("-F", path, "lab-1")
    assert found["port"] == ["2222"]
    expected = effective(*way.words)
    # %C is a hash that ssh makes of the way; it must be the same connection that is shared.
    assert found == expected


def test_two_hosts_on_one_address_stay_apart(tmp_path):
    path = tmp_path / "config"
    write_ssh_config({f"t{n}": SshWay(host="127.0.0.1", port=2200 + n) for n in (1, 2)}, path)
    assert effective("-F", path, "t1")["port"] == ["2201"]
    assert effective("-F", path, "t2")["port"] == ["2202"]


def test_a_jump_host_keeps_the_users_own_name_for_it(lab_config, tmp_path):
    path = tmp_path / "config"
    way = SshWay(host="inside", args=("-F", str(lab_config), "-J", "jump"))
    write_ssh_config({"inside": way}, path)
    assert effective("-F", path, "jump")["port"] == ["2200"]


@pytest.mark.parametrize(("asked", "written"), [("0", "10"), ("5", "5")])
def test_a_host_that_hangs_is_noticed(asked, written, tmp_path):
    path = tmp_path / "config"
    way = SshWay(host="b", args=("-o", f"ServerAliveInterval={asked}"))
    write_ssh_config({"a": way}, path)
    assert f"serveraliveinterval {written}\n" in run(["ssh", "-G", "-F", path, "a"]).stdout


def test_no_question_is_ever_asked(tmp_path):
    path = tmp_path / "config"
    write_ssh_config({"a": SshWay(host="b")}, path)
    assert "batchmode yes" in run(["ssh", "-G", "-F", path, "a"]).stdout


def test_a_lab_that_is_not_up_is_unreachable(tmp_path):
    way = SshWay(host="lab-1", args=("-F", str(tmp_path / "missing")))
    with pytest.raises(HotkitError, match="is not there") as caught:
        write_ssh_config({"lab-1": way}, tmp_path / "config")
    assert caught.value.exit_code == ExitCode.UNREACHABLE


def test_options_that_ssh_does_not_know_are_bad_input(tmp_path):
    with pytest.raises(HotkitError, match="host a: ssh does not understand") as caught:
        write_ssh_config({"a": SshWay(host="b", args=("-o", "Nonsense=1"))}, tmp_path / "config")
    assert caught.value.exit_code == ExitCode.BAD_INPUT
