"""A real sshd of our own on loopback: its keys, its port, its config; nothing of the machine's."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SSHD = Path("/usr/sbin/sshd")  # sshd wants to be called by its whole path
_SECONDS = 20


@dataclass(frozen=True)
class Server:
    """How to get in: `args` are words for ssh; `user` is whoever runs the tests."""

    port: int
    key: Path
    known_hosts: Path
    user: str

    @property
    def args(self) -> str:
        """No file of the user's is read: only this key and this host key count."""
        return f"-F none -o UserKnownHostsFile={self.known_hosts} -o StrictHostKeyChecking=yes"

    @property
    def ref(self) -> str:
        return f"{self.user}@127.0.0.1:{self.port}"


def _keygen(path: Path) -> str:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, timeout=30
    )
    return path.with_suffix(".pub").read_text()


@contextmanager
def sshd(folder: Path, *lines: str, boot: Path | None = None) -> Iterator[Server]:
    """A server that lets one new key in; `lines` go to its sshd_config.

    With `boot` (root only) that folder is /boot for whoever logs in.
    """
    client, host = _keygen(folder / "id"), _keygen(folder / "host")
    (folder / "authorized").write_text(client)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(
        port=port, key=folder / "id", known_hosts=folder / "known_hosts", user=getpass.getuser()
    )
    server.known_hosts.write_text(f"[127.0.0.1]:{port} {host}")
    (folder / "sshd_config").write_text(
        "\n".join([
            f"ListenAddress 127.0.0.1:{port}", f"HostKey {folder / 'host'}", "PidFile none",
            f"AuthorizedKeysFile {folder / 'authorized'}", "StrictModes no", "UsePAM no",
            "PasswordAuthentication no", "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password", *lines, "",
        ])
    )  # fmt: skip
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # as Debian's unit does
    with (folder / "sshd.log").open("w") as log:
        program: list[str | Path] = [_SSHD, "-D", "-e", "-f", folder / "sshd_config"]
        if boot is not None:
            script = 'mount --bind "$0" /boot && exec "$@"'
            program = ["unshare", "--mount", "sh", "-c", script, boot, *program]
        process = subprocess.Popen(program, stdin=subprocess.DEVNULL, stderr=log)
        try:
            _wait(process, port, folder / "sshd.log")
            yield server
        finally:
            process.terminate()
            process.wait(timeout=_SECONDS)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as link:
                if link.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())
