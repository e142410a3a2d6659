"""Vaulted passwords of an inventory: decrypted where hotkit needs them, by Ansible's own vault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hotkit.errors import ExitCode, HotkitError
from hotkit.host.inventory import load_inventory
from hotkit.host.power import Ipmi, power_of

CANARY = "canary-51c7"


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A host whose power control's password is a vaulted variable of all hosts."""
    (tmp_path / "password").write_text("open sesame\n")
    (tmp_path / "wrong").write_text("open barley\n")
    vault = [str(Path(sys.executable).with_name("ansible-vault")), "encrypt_string"]
    done = subprocess.run(
        [*vault, "--vault-password-file", str(tmp_path / "password"), CANARY,
         "--name", "bmc_password"], capture_output=True, text=True, check=True,
    )  # fmt: skip
    folder = tmp_path / "inventory"
    (folder / "group_vars").mkdir(parents=True)
    (folder / "group_vars" / "all.yml").write_text(done.stdout)
    (folder / "hosts.yml").write_text(
        "all:\n  hosts:\n    m1:\n      hotkit_profile: 4C16G-remote\n      hotkit_power: "
        '{kind: ipmi, address: bmc1, user: admin, password: "{{ bmc_password }}"}\n'
    )
    return folder


def test_a_password_behind_a_template(inventory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(inventory.parent / "password"))
    (host,) = load_inventory(inventory).hosts
    power = power_of(host.name, host.variables)
    assert isinstance(power, Ipmi) and power.password == CANARY
    assert CANARY not in repr(host) + repr(power) + power.describe()


def test_a_wrong_vault_password_is_one_sentence(
    inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(inventory.parent / "wrong"))
    with pytest.raises(HotkitError, match="host m1: bmc_password is vaulted") as caught:
        load_inventory(inventory)
    assert caught.value.exit_code == ExitCode.BAD_INPUT and CANARY not in str(caught.value)


def test_no_vault_password_is_one_sentence(
    inventory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
    with pytest.raises(HotkitError, match="cannot be decrypted") as caught:
        load_inventory(inventory)
    assert "ANSIBLE_VAULT_PASSWORD_FILE" in (caught.value.hint or "")
