"""Inventories: what nobody would read is refused, with file:line:column."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hotkit.cli import main
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.inventory import load_inventory
from hotkit.host.run import run
from hotkit.host.sshway import way_to


def folder(tmp_path: Path, **files: str) -> Path:
    """An inventory folder; `host_vars__m1` becomes host_vars/m1.yml."""
    for name, text in files.items():
        path = tmp_path / (name.replace("__", "/") + ".yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


ONE = "all:\n  hosts:\n    m1:\n"

BAD = [
    # (files, what is said, where)
    ({"hosts": ONE + "      hotkit_profil: x\n"},
     "hosts.yml:4:7: unknown key 'hotkit_profil': did you mean 'hotkit_profile'?"),
    ({"hosts": ONE + "      hotkit_profile: {base: 4C16G-remote, cpu: 2}\n"},
     "hosts.yml:4:44: unknown key 'cpu': did you mean 'cpus'?"),
    ({"hosts": ONE, "host_vars__m1": "hotkit_profile:\n  base: 4C16G-remote\n  total: 16 apples\n"},
     "m1.yml:3:10: hotkit_profile.total: '16 apples' does not fit; expected: a size with a unit"),
    ({"hosts": ONE, "host_vars__m1": "hotkit_profile:\n  base: 4C16G-remote\n  total: 16GB\n"},
     "m1.yml:3:10: hotkit_profile.total: '16GB' does not fit; expected: a size with a unit"),
    ({"hosts": ONE, "host_vars__m1": "hotkit_profile:\n  base: 4C16G-remote\n  total: -4G\n"},
     "m1.yml:3:10: hotkit_profile.total: '-4G' does not fit"),
    ({"hosts": ONE, "host_vars__m1": "hotkit_profile:\n  base: 4C16G-remote\n  cpus: -1\n"},
     "m1.yml:3:9: hotkit_profile.cpus: -1 is less than the minimum of 1"),
    ({"hosts": ONE, "host_vars__m1": "hotkit_profile: 4C16G-remote\nhotkit_profile: x\n"},
     "m1.yml:2:1: duplicate key 'hotkit_profile'"),
    ({"hosts": ONE, "host_vars__m1": "hotkit_profile: 5C16G\n"},
     "there is no profile '5C16G'"),
    ({"hosts": ONE, "host_vars__m1": "hotkit_profile:\n  base: nix\n"},
     "m1.yml:2:9: there is no profile 'nix'"),
    ({"hosts": ONE, "group_vars__all": "hotkit_style: '&'\n"},
     "all.yml:1:15: hotkit_style: '&' is none of $, %"),
    ({"hosts": ONE, "group_vars__all": "hotkit_commit: 'yes please'\n"},
     "all.yml:1:16: hotkit_commit: 'yes please' is not of type 'boolean'"),
    ({"hosts": "all:\n  host:\n    m1:\n"},
     "hosts.yml:2:3: group all: 'host' is none of hosts, children, vars"),
    ({"hosts": "all:\n  hosts: [m1]\n"},
     "hosts.yml:2:10: hosts is a mapping in Ansible's YAML"),
    ({"hosts": ONE}, "host m1 asks for no layout"),
    ({"hosts": "all: {}\n"}, "no host in this inventory"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "said"), BAD)
def test_bad_input_ends_provision_before_anything_is_contacted(
    tmp_path: Path,
    files: dict[str, str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    ref = folder(tmp_path / "inv", **files)
    assert main(["provision", str(ref), "--yes"]) == ExitCode.BAD_INPUT
    assert said in capsys.readouterr().err
    assert not (tmp_path / "state").exists(), "a run was begun"


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("m1 hotkit_style=$#x", "hosts.ini:2:17: an INI inventory does not carry '$'"),
        ("m1 hotkit_profile=4C16G#5G", "hosts.ini:2:24: an INI inventory does not carry '#'"),
        ("m1 hotkit_profile='{base: x}'", 'does not carry "\'"'),
    ],
)
def test_ini_that_loses_characters(tmp_path: Path, line: str, where: str) -> None:
    (tmp_path / "hosts.ini").write_text(f"[all]\n{line}\n")
    with pytest.raises(HotkitError) as caught:
        load_inventory(tmp_path / "hosts.ini")
    assert where in caught.value.message
    assert "YAML" in (caught.value.hint or "")
    assert caught.value.exit_code == ExitCode.BAD_INPUT


def test_ini_without_such_characters_is_fine(tmp_path: Path) -> None:
    (tmp_path / "hosts.ini").write_text("# hotkit_x: '#'\n[all]\nm1 hotkit_profile=4C16G-pmem\n")
    assert load_inventory(tmp_path / "hosts.ini").host("m1").profile == "4C16G-pmem"


def test_merged_variables_order_and_where(tmp_path: Path) -> None:
    ref = folder(
        tmp_path,
        hosts="tiered:\n  hosts:\n    b:\n      hotkit_style: '%'\n    a:\n  vars:\n"
        "    hotkit_style: $\n    hotkit_profile: 4C16G-pmem\n",
        host_vars__a="hotkit_profile: {base: 4C16G-remote, cpus: 2}\nhotkit_commit: true\n",
        group_vars__tiered="hotkit_profile: 36C36G-pmem\nsecret_token: hush\n",
    )
    found = load_inventory(ref)
    assert [host.name for host in found.hosts] == ["b", "a"]
    b, a = found.hosts
    assert (b.style, b.profile, b.commit, b.entry_method) == ("%", "36C36G-pmem", False, "entry")
    assert (a.style, a.profile, a.commit) == ("$", {"base": "4C16G-remote", "cpus": 2}, True)
    assert str(found.where("a", "hotkit_profile", "cpus")).endswith("host_vars/a.yml:1:44")
    assert str(found.where("b", "hotkit_style")).endswith("hosts.yml:4:21")
    assert str(found.where("b", "hotkit_profile")).endswith("group_vars/tiered.yml:1:17")
    assert found.where("b", "hotkit_machine") is None
    assert "hush" not in repr(found), "a secret is in the text form"


def test_limit_and_names(tmp_path: Path) -> None:
    ref = folder(tmp_path, hosts="all:\n  hosts:\n    m1:\n    m2:\n")
    assert [host.name for host in load_inventory(ref, "m2").hosts] == ["m2"]
    with pytest.raises(HotkitError) as caught:
        load_inventory(ref, "m3")
    assert (caught.value.message, caught.value.hint) == (
        "--limit m3: no host of " + str(ref) + " matches",
        "hosts: m1, m2",
    )
    with pytest.raises(HotkitError, match="has no host 'm9'"):
        load_inventory(ref).host("m9")
    with pytest.raises(HotkitError) as caught:
        load_inventory("no-such-lab")
    assert "example-metal" in (caught.value.hint or "")


def test_shipped_inventories_are_valid() -> None:
    for name in ("lab", "example-metal"):
        for host in load_inventory(name).hosts:
            assert host.profile


def test_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAB_HOME", "/tmp/x")
    way = way_to(
        "m1",
        {
            "ansible_host": "{{ inventory_hostname }}.example.org",
            "ansible_port": 2222,
            "ansible_user": "root",
            "ansible_ssh_common_args": "-F \"{{ lookup('env', 'LAB_HOME') }}/ssh config\"",
            "ansible_become": True,
        },
        tmp_path,
    )
    assert way.words == (
        "-F", "/tmp/x/ssh config", "-p", "2222", "-l", "root", "m1.example.org",
    )  # fmt: skip
    assert way.become


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ansible_connection": "local"}, "only ssh"),
        ({"ansible_port": "ssh"}, "not a port number"),
        ({"ansible_host": "{{ lookup('file', 'x') }}"}, "cannot render"),
        ({"ansible_host": "{{ no_such_variable }}"}, "cannot render"),
    ],
)
def test_ways_that_are_refused(variables: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(HotkitError, match=said):
        way_to("m1", variables, tmp_path)


def test_a_vault_is_opened_by_ansible_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = tmp_path / "password"
    password.write_text("hush\n")
    ref = folder(tmp_path / "inv", hosts=ONE, host_vars__m1="ansible_become_password: swordfish\n")
    file = ref / "host_vars" / "m1.yml"
    vault = [Path(sys.executable).parent / "ansible-vault", "encrypt", file]
    run([*vault, "--vault-password-file", password])
    assert "swordfish" not in file.read_text()
    with pytest.raises(HotkitError, match="vault secrets"):
        load_inventory(ref)
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(password))
    found = load_inventory(ref)
    assert found.host("m1").variables["ansible_become_password"] == "swordfish"
    assert "swordfish" not in repr(found)


def test_an_ssh_password_is_refused_by_name(tmp_path: Path) -> None:
    ref = folder(tmp_path / "inv", hosts=ONE, host_vars__m1="ansible_password: swordfish\n")
    with pytest.raises(HotkitError, match="ansible_password") as caught:
        load_inventory(ref)
    assert "by key" in (caught.value.hint or "") and "swordfish" not in str(caught.value)
