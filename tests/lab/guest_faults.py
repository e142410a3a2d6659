"""What can befall a guest within a run: commands for its host, words of the sentence about it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

GUEST = "g1"
_FOLDER = f"/var/lib/hotkit/guests/{GUEST}"
_QEMU = f"$(systemctl show --property=MainPID --value hotkit-guest-{GUEST})"
_SSH = f"ssh -F {_FOLDER}/ssh_config {GUEST}"
_LINE_LOST = "connection to its agent was lost"


@dataclass(frozen=True, slots=True)
class Fault:
    """`words`: the sentence that every report has of it holds one of these.

    `guest`: what the guest's description in the inventory needs beside what it has.
    """

    command: str
    words: tuple[str, ...]
    guest: Mapping[str, str] | None = None


def _python(text: str) -> str:
    return f"python3 -c {shlex.quote(text)}"


def _qmp(command: str, **arguments: str) -> str:
    """One command on QEMU's control socket."""
    lines = [{"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}]
    return (
        "import socket\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        f"s.connect('{_FOLDER}/qmp.sock')\n"
        "f = s.makefile('rw')\n"
        f"for line in {[json.dumps(line) for line in lines]!r}:\n"
        "    f.readline()\n"
        "    print(line, file=f, flush=True)\n"
        "f.readline()\n"
    )


# Takes what comes to a port, and keeps nothing.
_SINK = (
    "import os, socket\n"
    "port = socket.create_server(('127.0.0.1', 4444))\n"
    "if os.fork() == 0:\n"
    "    for fd in (0, 1, 2):\n"
    "        os.close(fd)\n"
    "    line = port.accept()[0]\n"
    "    while line.recv(1 << 20):\n"
    "        pass\n"
    "    os._exit(0)\n"
)

FAULTS = {
    # An interrupt that no device owns up to: a login to write to /proc/sysrq-trigger takes longer
    # than a run, whose work keeps the guest's CPU busy. panic=-1 is on its command line, too.
    "panic": Fault(
        _python(_qmp("inject-nmi")), (" died", _LINE_LOST), {"cmdline": "unknown_nmi_panic"}
    ),
    "die": Fault(f"kill -9 {_QEMU}", (" died",)),
    "hang": Fault(f"kill -STOP {_QEMU}", ("hangs", "does not answer", _LINE_LOST)),
    "stop": Fault(_python(_qmp("stop")), ("stands still", _LINE_LOST)),
    "migrate": Fault(
        _python(_SINK + _qmp("migrate", uri="tcp:127.0.0.1:4444")),
        ("was migrated away", _LINE_LOST),
    ),
    "qmp": Fault(f"rm {_FOLDER}/qmp.sock", ("control socket does not answer",)),
    "agent": Fault(f"{_SSH} \"pkill -9 -f '[p]yz serve'\"", (_LINE_LOST,)),
}
