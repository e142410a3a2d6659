"""Many hosts on this machine, reached as any host is: by OpenSSH, on loopback, port by port.

Each is a mount, PID and UTS namespace with an sshd of its own (host.sh); what it shows of itself
comes from machine.py. `reboot` there ends all of its processes and boots what GRUB would boot.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hotkit.host.ssh import wait_for_banner
from tests.fleet.machine import MachineFiles

HERE = Path(__file__).parent
# As inventories/lab/host_vars/lab-small.yml asks for.
PROFILE = {"base": "4C16G-remote", "cpus": 2, "total": "1536M", "fast_share": "1/3"}
SSHD = Path("/usr/sbin/sshd")
# What the host has as /var/lib/hotkit.
_STATE = "layers/var-lib/upper/hotkit"
_SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {keys}/login_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
"""
_HOST_CONFIG = """\
Host {host.name}
    HostName 127.0.0.1
    Port {host.port}
"""
# Connections are shared, as whoever asks many questions wants it.
_SSH_CONFIG = """\
Host *
    User root
    IdentityFile "{folder}/login_key"
    IdentitiesOnly yes
    IdentityAgent none
    StrictHostKeyChecking yes
    UserKnownHostsFile "{folder}/known_hosts"
    GlobalKnownHostsFile none
    LogLevel ERROR
    ControlPath "{folder}/cm/%C"
"""


def cannot_run() -> str | None:
    """Why no such host runs on this machine; None when they do."""
    if os.geteuid() != 0:
        return "mounts and an sshd of its own for each host: root only"
    if not SSHD.exists():
        return f"there is no {SSHD}: apt-get install openssh-server"
    tried = subprocess.run(["unshare", "--mount", "--pid", "--uts", "--fork", "true"],
                           capture_output=True, text=True)  # fmt: skip
    return f"no namespaces here: {tried.stderr.strip()}" if tried.returncode else None


@dataclass(frozen=True, slots=True)
class FleetHost:
    """One host: its name, its port on 127.0.0.1, and its folder."""

    name: str
    port: int
    folder: Path

    @property
    def files(self) -> MachineFiles:
        return MachineFiles(self.folder)

    def down(self) -> list[tuple[float, float]]:
        """When it was down: beginning and end of each reboot, in seconds of the clock."""
        lines = [line.split() for line in (self.folder / "power").read_text().splitlines()]
        begins = [float(when) for what, when in lines if what == "down"]
        ends = [float(when) for what, when in lines if what == "up"][1:]
        return list(zip(begins, [*ends, *[time.time()] * len(begins)], strict=False))

    def state(self) -> str | None:
        """The state in the journal that provisioning left on it."""
        file = self.folder / _STATE / "state.json"
        return str(json.loads(file.read_text())["state"]) if file.exists() else None


@dataclass(frozen=True, slots=True)
class Fleet:
    """The hosts that run, below `folder`."""

    folder: Path
    hosts: tuple[FleetHost, ...]

    def variables(self, host: FleetHost) -> dict[str, Any]:
        """What an inventory says of one of them."""
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": host.port,
            "ansible_ssh_common_args": f"-F {self.folder}/ssh_config",
            "hotkit_profile": PROFILE,
            # A machine that does not come back is told after this long.
            "hotkit_boot_timeout_s": 120,
            "hotkit_deadman_s": 120,
        }

    def inventory(
        self,
        name: str,
        *,
        dynamic: bool = False,
        more: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Path:
        """A new inventory of all hosts, with `more` variables by host; `dynamic`: of a script."""
        folder = self.folder / name
        folder.mkdir()
        merged = {
            host.name: {**self.variables(host), **(more or {}).get(host.name, {})}
            for host in self.hosts
        }
        if not dynamic:
            (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": merged}}))
            return folder
        listed = {"_meta": {"hostvars": merged}, "lab": {"hosts": list(merged)}}
        script = folder / "cmdb.py"
        script.write_text(f"#!{sys.executable}\nprint({json.dumps(json.dumps(listed))})\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return folder

    def hang_up(self) -> None:
        """End the shared connections that are open."""
        for socket_ in (self.folder / "cm").iterdir():
            subprocess.run(["ssh", "-o", f"ControlPath={socket_}", "-O", "exit", "any"],
                           stdin=subprocess.DEVNULL, capture_output=True)  # fmt: skip

    def most_down(self) -> int:
        """How many were down at one moment, at most."""
        spans = [span for host in self.hosts for span in host.down()]
        return max((sum(a <= begin < b for a, b in spans) for begin, _ in spans), default=0)


@contextmanager
def fleet(
    folder: Path, count: int, *, like: FleetHost | None = None, seconds_down: float = 1.0
) -> Iterator[Fleet]:
    """`count` hosts that run until the block ends; `folder` is new or empty, its path short.

    They run their stock entries and know nothing of hotkit, or what `like` (another fleet's, which
    may be over) has been made to run, with its journal.
    """
    folder.mkdir(exist_ok=True)
    socket_ = str(folder / "cm" / ("x" * 57))  # ssh's hash, and what it adds while it makes one
    assert len(socket_) < 108, f"{folder} is too long for the sockets of shared connections"
    _key(folder / "login_key")
    ports = _free_ports(count)
    hosts = tuple(
        FleetHost(f"node{number:02}", port, folder / f"node{number:02}")
        for number, port in enumerate(ports, 1)
    )
    known = []
    for host in hosts:
        host.files.make()
        if like is not None:
            _follow(like, host)
        _key(host.folder / "host_key")
        known.append(f"[127.0.0.1]:{host.port} {(host.folder / 'host_key.pub').read_text()}")
        (host.folder / "name").write_text(host.name)
        text = _SSHD_CONFIG.format(port=host.port, folder=host.folder, keys=folder)
        (host.folder / "sshd_config").write_text(text)
    (folder / "known_hosts").write_text("".join(known))
    (folder / "cm").mkdir()
    named = "".join(_HOST_CONFIG.format(host=host) for host in hosts)
    (folder / "ssh_config").write_text(named + _SSH_CONFIG.format(folder=folder))
    with ExitStack() as running:
        for host in hosts:
            running.enter_context(_running(host, seconds_down))
        for host in hosts:
            if not wait_for_banner("127.0.0.1", host.port, 30):
                raise AssertionError(f"{host.name}: {_said(host)}")
        yield Fleet(folder, hosts)


@contextmanager
def _running(host: FleetHost, seconds_down: float) -> Iterator[None]:
    argv = [
        "setpriv", "--pdeathsig", "KILL",  # also when nobody gets to end it below
        "unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc",
        str(HERE / "host.sh"), str(host.folder), sys.executable, str(seconds_down),
    ]  # fmt: skip
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(HERE.parents[1])}
    with (host.folder / "host.log").open("w") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=env
        )
    try:
        yield
    finally:
        process.kill()  # --kill-child: process 1 of the namespace goes with it, and so do all
        process.wait(10)


def _follow(like: FleetHost, host: FleetHost) -> None:
    """Give a host that was just made the entry and the journal of another one, and boot it."""
    for name in (_STATE, "boot/grub/custom.cfg"):
        if (like.folder / name).is_dir():
            shutil.copytree(like.folder / name, host.folder / name)
        else:
            shutil.copy2(like.folder / name, host.folder / name)
    entry = json.loads((host.folder / _STATE / "state.json").read_text())["entry_id"]
    grub_env = str(host.folder / "boot/grub/grubenv")
    subprocess.run(["grub-editenv", grub_env, "set", f"next_entry={entry}"], check=True)
    host.files.boot()


def _said(host: FleetHost) -> str:
    names = ("host.log", "sshd.log", "boot.log")
    files = [host.folder / name for name in names]
    said = "".join(file.read_text()[-600:] for file in files if file.exists())
    return said or "no sshd, and no reason"


def _key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)],
                   check=True)  # fmt: skip


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [item.getsockname()[1] for item in sockets]
