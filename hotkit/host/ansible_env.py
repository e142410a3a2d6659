"""How every Ansible program is started: by our own Python, with our configuration and our roles."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hotkit import assets

_HANDED_ON = ("ANSIBLE_VAULT_PASSWORD_FILE", "ANSIBLE_VAULT_IDENTITY_LIST")


def ansible_program(name: str) -> list[str]:
    """The words that start ansible-`name` (playbook, inventory, vault).

    Not the script of that name: it need not lie beside our Python (`pip install --user`), and its
    Python must have the hotkit that calls, which the filters beside the playbooks import. -P: a
    folder or file of the user's in the current directory is no module of ours.
    """
    return [sys.executable, "-P", "-m", "ansible", name]


def ansible_env() -> dict[str, str]:
    """Variables to add to `clean_env()`. The user's own ansible.cfg is not read, on purpose.

    A `host_key_checking = False` or an odd `ssh_args` there would change what a run means.
    What says where a vault's password is (a path, not the password) is handed on.
    """
    return {key: os.environ[key] for key in _HANDED_ON if key in os.environ} | {
        "ANSIBLE_CONFIG": str(assets.asset("playbooks") / "ansible.cfg"),
        "ANSIBLE_ROLES_PATH": str(assets.asset("roles")),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_NOCOLOR": "1",
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "PYTHONWARNINGS": "ignore",
    }
