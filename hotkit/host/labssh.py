"""The lab's keys, and the ssh_config through which everybody reaches its machines.

Every ready machine has keys of its own: one to log in with, one that it shows as host key. Both
are made here and handed into the guest by fw_cfg, so the host key is known before the first
connection and nothing is trusted on first use.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from hotkit.errors import HotkitError
from hotkit.host.dirs import state_dir
from hotkit.host.run import require, run
from hotkit.host.sshway import SshWay

_HEADER = "# Written by `hotkit lab`; up and down write it anew.\n"


def lab_dir() -> Path:
    """`$XDG_STATE_HOME/hotkit/lab`: a directory per machine, and the ssh_config."""
    path = state_dir() / "lab"
    path.mkdir(exist_ok=True, mode=0o700)
    return path


def ssh_config() -> Path:
    return lab_dir() / "ssh_config"


def way(name: str, config: Path | None = None) -> SshWay:
    """How to reach a running lab machine."""
    return SshWay(host=name, args=("-F", str(config or ssh_config())))


def new_identity(directory: Path, name: str) -> Path:
    """Make a machine's keys below `directory`, with what the guest is handed beside them."""
    keygen = require("ssh-keygen", "openssh-client")
    directory.mkdir(mode=0o700)
    for key in ("login-key", "host-key"):
        # A comment would carry the name of this machine's user into the guest.
        run([keygen, "-q", "-t", "ed25519", "-N", "", "-C", f"hotkit-lab {name}", "-f",
             directory / key])  # fmt: skip
    (directory / "authorized-keys").write_text((directory / "login-key.pub").read_text())
    (directory / "hostname").write_text(f"{name}\n")
    host_key = (directory / "host-key.pub").read_text()
    (directory / "known_hosts").write_text(f"{name} {host_key}")
    return directory


def host_block(name: str, port: int, identity: Path, control: Path | None) -> str:
    """The `Host` block of one machine; `control` is the directory of shared connections."""
    lines = [
        f"Host {name}",
        "HostName 127.0.0.1",
        f"Port {port}",
        "User root",
        f"IdentityFile {_quoted(identity / 'login-key')}",
        "IdentitiesOnly yes",
        "IdentityAgent none",
        "PreferredAuthentications publickey",
        f"HostKeyAlias {name}",
        f"UserKnownHostsFile {_quoted(identity / 'known_hosts')}",
        "GlobalKnownHostsFile none",
        "StrictHostKeyChecking yes",
        "LogLevel ERROR",
        "ConnectTimeout 15",
        # Half-open connections outlive a reboot of the guest in QEMU's user network.
        "ServerAliveInterval 5",
        "ServerAliveCountMax 2",
    ]
    if control:
        path = f"{_quoted(control)[:-1]}-%C" + '"'
        lines += ["ControlMaster auto", f"ControlPath {path}", "ControlPersist 60"]
    return "\n    ".join(lines) + "\n"


def write_ssh_config(machines: Iterable[tuple[str, int, Path]]) -> None:
    """(name, port, identity) of every running machine; the file goes when there is none."""
    blocks = [host_block(name, port, identity, _control()) for name, port, identity in machines]
    path = ssh_config()
    if not blocks:
        path.unlink(missing_ok=True)
        return
    new = path.with_name(f".ssh_config.{os.getpid()}")
    new.write_text("\n".join([_HEADER, *blocks]))
    new.chmod(0o600)
    new.replace(path)


def _control() -> Path:
    """Where shared connections live: a short path, for a socket's has 107 characters at most."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) if runtime and len(runtime) < 30 else Path("/tmp")
    directory = base / f"hotkit-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.stat(follow_symlinks=False)
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise HotkitError(
            f"{directory} belongs to another user, or others may enter it",
            hint="remove it; hotkit keeps ssh connections there",
        )
    return directory / hashlib.sha256(str(lab_dir()).encode()).hexdigest()[:8]


def _quoted(path: Path) -> str:
    # ssh_config knows no escape for a double quote; % starts a token.
    return '"' + str(path).replace("%", "%%") + '"'
