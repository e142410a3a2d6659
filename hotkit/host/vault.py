"""Vaulted values of an inventory, decrypted by Ansible itself.

`ansible-inventory` leaves a value that was encrypted by itself (`!vault`) as it is. What hotkit
needs on the controller (a BMC's password, a port) is put through `ansible-vault decrypt`, which
reads the vault's password from where ANSIBLE_VAULT_PASSWORD_FILE points. Nothing is written.
"""

from __future__ import annotations

from typing import Any

from hotkit.errors import HotkitError
from hotkit.host.ansible_env import ansible_env, ansible_program
from hotkit.host.run import run

_KEY = "__ansible_vault"


def decrypted(value: Any, known: dict[str, str], where: str) -> Any:
    """`value` with every encrypted part in the clear; `known` keeps what was decrypted before.

    Raises HotkitError that names `where` when the vault's password is missing or wrong.
    """
    if isinstance(value, dict):
        if _KEY not in value:
            return {key: decrypted(item, known, where) for key, item in value.items()}
        text = str(value[_KEY])
        if text not in known:
            known[text] = _decrypt(text, where)
        return known[text]
    if isinstance(value, list):
        return [decrypted(item, known, where) for item in value]
    return value


def _decrypt(text: str, where: str) -> str:
    argv = [*ansible_program("vault"), "decrypt", "--output", "-", "-"]
    done = run(argv, input=text, env=ansible_env(), check=False, timeout=60)
    if done.returncode != 0:
        said = (done.stderr.strip() or "no reason").splitlines()[-1]
        raise HotkitError(
            f"{where} is vaulted and cannot be decrypted: {said.removeprefix('[ERROR]: ')}",
            hint="ANSIBLE_VAULT_PASSWORD_FILE names the file with the vault's password",
        )
    return str(done.stdout)
