"""A guest's keys, made on its host: who may log in, and what it shows as host key.

The guest gets them as a tar file for a disk (serial hotkit-identity): NAME/raw for host-key,
authorized-keys and hostname. The lab's image takes them over before its sshd starts
(hotkit/data/lab/hook-customize.sh). So the host key is known before the first connection.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from hotkit.agent.guest.words import IDENTITY
from hotkit.agent.protocol import AgentError

SSH_CONFIG = "ssh_config"


def make_identity(folder: Path, name: str) -> None:
    """Keys and their tar file below `folder`, unless they are there."""
    for key in ("login-key", "host-key"):
        if not (folder / key).exists():
            _make_key(folder / key, f"hotkit-guest {name}")
    given = {
        "host-key": (folder / "host-key").read_bytes(),
        "authorized-keys": (folder / "login-key.pub").read_bytes(),
        "hostname": f"{name}\n".encode(),
    }
    partial = folder / (IDENTITY + ".part")
    with tarfile.open(str(partial), "w", format=tarfile.USTAR_FORMAT) as archive:
        for item, data in given.items():
            member = tarfile.TarInfo(f"{item}/raw")
            member.size, member.mode = len(data), 0o600
            archive.addfile(member, io.BytesIO(data))
    partial.chmod(0o600)
    partial.rename(folder / IDENTITY)


def _make_key(path: Path, comment: str) -> None:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    try:
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        raise AgentError(
            f"ssh-keygen cannot make {path}: {said.decode(errors='replace').strip()}",
            "install openssh-client on the host",
        ) from error


def write_ssh_config(folder: Path, name: str, way: dict[str, Any], known: bool) -> Path:
    """How the host reaches the guest. `known`: its host key is ours; else the first is believed."""
    identity = way.get("identity_file") or (folder / "login-key" if known else None)
    hosts = folder / "known_hosts"
    if known:
        hosts.write_text(f"{name} {(folder / 'host-key.pub').read_text()}")
    lines = [
        f"Host {name}",
        f"HostName {way['address']}",
        f"Port {way['port']}",
        f"User {way['user']}",
        *([f'IdentityFile "{identity}"', "IdentitiesOnly yes"] if identity else []),
        "IdentityAgent none",
        "BatchMode yes",
        f"HostKeyAlias {name}",
        f'UserKnownHostsFile "{hosts}"',
        "GlobalKnownHostsFile none",
        f"StrictHostKeyChecking {'yes' if known else 'accept-new'}",
        "LogLevel ERROR",
        # Of an emulated guest on a busy host, the key exchange alone takes as long. The quickest
        # one is asked for first where the way is the loopback only: half of a login.
        "ConnectTimeout 60",
        *(["KexAlgorithms ^curve25519-sha256"] if known else []),
        # Rare, since each wakes the guest that is measured; a hung one is found within a minute.
        "ServerAliveInterval 15",
        "ServerAliveCountMax 3",
    ]
    path = folder / SSH_CONFIG
    path.write_text("\n    ".join(lines) + "\n")
    return path
