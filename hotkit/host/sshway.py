"""From an inventory's variables to the words of an ssh command: one way to a host for everybody.

Ansible is handed the inventory itself; our own code and testinfra take what is here, so that all
three go the same way (same key, same pinned host key, same jump host).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotkit.errors import HotkitError

_CONNECTIONS = ("ssh", "ansible.builtin.ssh", "smart")


@dataclass(frozen=True, slots=True, kw_only=True)
class SshWay:
    """How to reach one host: `ssh *args host`; `become` when root is reached through sudo.

    `become_password` is what sudo asks for; it goes to it through ssh's standard input only.
    """

    host: str
    port: int | None = None
    user: str | None = None
    key: Path | None = None
    args: tuple[str, ...] = ()
    become: bool = False
    become_password: str | None = field(default=None, repr=False)

    @property
    def words(self) -> tuple[str, ...]:
        """Arguments for ssh, the destination last."""
        words = [*self.args]
        if self.port:
            words += ["-p", str(self.port)]
        if self.user:
            words += ["-l", self.user]
        if self.key:
            words += ["-i", str(self.key)]
        return (*words, self.host)


def way_to(name: str, variables: Mapping[str, Any], inventory: Path) -> SshWay:
    """Read `ansible_host`, `_port`, `_user`, `_ssh_common_args` ... of one host.

    `inventory` is the path that `inventory_dir` and `inventory_file` are made of. Raises
    HotkitError for a connection that is not ssh, or a template that only Ansible can render.
    """
    known = {
        "inventory_hostname": name,
        "inventory_dir": str(inventory if inventory.is_dir() else inventory.parent),
        "inventory_file": str(inventory),
        **variables,
    }

    def get(*keys: str) -> str | None:
        for key in keys:
            if variables.get(key) is not None:
                return render(name, key, variables[key], known)
        return None

    connection = get("ansible_connection") or "ssh"
    if connection not in _CONNECTIONS:
        raise HotkitError(f"host {name}: ansible_connection {connection!r}: only ssh is known here")
    port = get("ansible_port", "ansible_ssh_port")
    if port is not None and not port.isdecimal():
        raise HotkitError(f"host {name}: ansible_port {port!r} is not a port number")
    if variables.get("ansible_password") or variables.get("ansible_ssh_pass"):
        raise HotkitError(
            f"host {name}: a password for ssh (ansible_password) is not supported",
            hint="log in by key; sudo may ask for a password (ansible_become_password, vaulted)",
        )
    method = get("ansible_become_method") or "sudo"
    if method not in ("sudo", "ansible.builtin.sudo"):
        raise HotkitError(f"host {name}: ansible_become_method {method!r}: only sudo is known here")
    key = get("ansible_ssh_private_key_file", "ansible_private_key_file")
    args = [
        *shlex.split(get("ansible_ssh_common_args") or ""),
        *shlex.split(get("ansible_ssh_extra_args") or ""),
    ]
    return SshWay(
        host=get("ansible_host", "ansible_ssh_host") or name,
        port=int(port) if port else None,
        user=get("ansible_user", "ansible_ssh_user"),
        key=Path(key).expanduser() if key else None,
        args=tuple(args),
        become=str(variables.get("ansible_become", False)).lower() in ("true", "yes", "1"),
        become_password=get("ansible_become_password", "ansible_become_pass"),
    )


def render(host: str, key: str, value: Any, known: Mapping[str, Any]) -> str:
    """The text of a variable whose template names other variables or the environment."""
    text = str(value)
    if "{{" not in text and "{%" not in text:
        return text
    # Here and not above: `hotkit --help` is to be quick.
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined)
    environment.globals["lookup"] = _lookup
    try:
        for _ in range(4):  # a variable may name a variable
            text = environment.from_string(text).render(known)
            if "{{" not in text:
                return text
    except (TemplateError, ValueError) as error:
        raise HotkitError(
            f"host {host}: {key} holds a template that hotkit cannot render: {error}",
            hint="plain values, other variables of the host and lookup('env', NAME) are understood",
        ) from error
    raise HotkitError(f"host {host}: {key} is a template that never ends")


def _lookup(plugin: str, name: str, default: str = "") -> str:
    if plugin not in ("env", "ansible.builtin.env"):
        raise ValueError(f"lookup({plugin!r}) is Ansible's")
    return os.environ.get(name, default)
