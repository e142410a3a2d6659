"""The fault table: whatever a layout does to a boot, the machine ends on its stock entry.

Real boots through real GRUB on lab-small. Each fault begins on a machine that has just been put
back, is provoked by the profile (kernel arguments, too little memory) or by a hand between arming
and reboot, and must end with the right sentence and exit code. docs/faults.md is made from these.
Budget: 12 minutes on 2 cores without KVM.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hotkit import lab
from hotkit.assets import asset
from hotkit.cli import main
from hotkit.errors import ExitCode
from hotkit.host.inventory import Host
from hotkit.host.ssh import Ssh

pytestmark = pytest.mark.lab

NAME = "lab-small"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`extra`: a kernel argument; `prepare`: a command on the machine before provisioning; `hand`:
    one that it runs while it shuts down, after everything was checked and armed. `ending` is the
    kind that the console must be read as, `said` a part of the sentence; `reset`: only power
    control brings this one back."""

    name: str
    ending: str
    said: str
    extra: str = "quiet"
    hand: str | None = None
    prepare: str | None = None
    reset: bool = False


# A unit that eats all memory, in the trial boot only.
_HOG = r"""cat >/etc/systemd/system/hog.service <<'UNIT'
[Unit]
ConditionKernelCommandLine=test.hog
Before=ssh.service
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -c "x = [b'x' * (1 << 20) for _ in range(1 << 20)]"
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable hog.service"""
# hotkit plans no such layout, so a hand adds what makes it one.
_SHRINK = "sed -i 's/ nokaslr / nokaslr mem={} /' /boot/grub/custom.cfg"

FAULTS = (
    Fault(name="panic", extra="init=/bin/false", ending="panic", said="Attempted to kill init"),
    Fault(name="oom-initramfs", hand=_SHRINK.format("110M"), ending="oom",
          said="ran out of memory in the initramfs"),
    Fault(name="oom-user-space", extra="test.hog", prepare=_HOG, ending="oom",
          said="ran out of memory in user space"),
    Fault(name="silent-hang", hand=_SHRINK.format("5M"), ending="silent-hang",
          said="never said a word", reset=True),
    Fault(name="wrong-root", extra="root=/dev/nonexistent", ending="wrong-root",
          said="root file system was not found"),
    Fault(name="initramfs-shell", extra="break=mount", ending="initramfs-shell",
          said="at a shell"),
    Fault(name="sshd-down", extra="systemd.mask=ssh.service", ending="deadman",
          said="sshd did not start"),
    Fault(name="network-down", extra="systemd.mask=systemd-networkd.service", ending="deadman",
          said="network was not brought up"),
)  # fmt: skip


@pytest.fixture(scope="module")
def up(own_machine: Callable[[str], Host]) -> Host:
    return own_machine(NAME)


@pytest.fixture
def machine(up: Host) -> Host:
    """The machine as if it had just become ready."""
    lab.reset(NAME, lambda name, text: None)
    return up


def sh(machine: Host, command: str) -> str:
    return str(Ssh(machine.way).run(["sh", "-c", command]).stdout)


def at_shutdown(machine: Host, command: str) -> None:
    """Have the machine run `command` when it next goes down, while its disk is still mounted."""
    unit = f"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\nExecStop={command}\n"
    sh(machine, f"cat >/run/systemd/system/hand.service <<'END'\n{unit}END\n"
       "systemctl start hand.service")  # fmt: skip


def inventory_for(folder: Path, fault: Fault) -> Path:
    """The lab's inventory with the fault in lab-small's profile, and times for a test."""
    shutil.copytree(asset("inventories") / "lab", folder)
    variables = folder / "host_vars" / f"{NAME}.yml"
    text = variables.read_text()
    text = text.replace("  fast_share:", f"  extra: [{fault.extra}]\n  fast_share:")
    # Long enough for a busy machine: only what is waited for in full is short.
    text += f"hotkit_boot_timeout_s: {90 if fault.reset else 400}\n"
    text += f"hotkit_deadman_s: {60 if fault.ending == 'deadman' else 240}\n"
    variables.write_text(text)
    return folder


def provision(
    capsys: pytest.CaptureFixture[str], inventory: Path, *words: str
) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["provision", str(inventory), "--limit", NAME, "--yes", "--json", *words])
    (host,) = json.loads(capsys.readouterr().out)["hosts"]
    return code, host


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_it_ends_on_the_stock_entry(
    machine: Host, fault: Fault, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if fault.prepare:
        sh(machine, fault.prepare)
    if fault.hand:
        at_shutdown(machine, fault.hand)
    code, host = provision(capsys, inventory_for(tmp_path / "lab", fault), "--force")
    assert code == ExitCode.FELL_BACK, host["sentence"]
    assert (host["status"], host["state"]) == ("fell-back", "fell-back")
    assert host["ending"] == fault.ending and fault.said in host["sentence"], host
    assert host["power_reset"] == (f"QMP of {NAME}" if fault.reset else None), host["notes"]
    # On the stock entry, with nothing armed and no guard left.
    assert "hotkit.id=" not in sh(machine, "cat /proc/cmdline")
    assert "next_entry=hotkit" not in sh(machine, "grub-editenv list")
    assert "hotkit-guard" not in sh(machine, "ls /etc/systemd/system")


def test_an_entry_that_is_gone_when_grub_looks(
    machine: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at_shutdown(machine, "rm /boot/grub/custom.cfg")
    code, host = provision(capsys, inventory_for(tmp_path / "lab", FAULTS[-1]))
    assert code == ExitCode.FELL_BACK and host["ending"] == "wrong-entry", host["sentence"]
    assert "GRUB booted another entry" in host["sentence"]


REFUSED = {
    "environment block on a file system that GRUB cannot write": (
        "mkdir /tmp/e && cp -a /boot/grub/. /tmp/e && mount -t tmpfs none /boot/grub "
        "&& cp -a /tmp/e/. /boot/grub",
        "grubenv",
    ),
    "full /boot": (
        "fallocate -l $(($(df --output=avail -B1 /boot | tail -1) - 400000)) /boot/big",
        "too little to write",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_before_anything_is_written(
    machine: Host, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, said = REFUSED[what]
    sh(machine, command)
    before = sh(machine, "find /boot /etc /var/lib/hotkit -printf '%p %T@\\n' 2>/dev/null | sort")
    code, host = provision(capsys, asset("inventories") / "lab")
    assert (code, host["status"]) == (ExitCode.BAD_INPUT, "refused"), host["sentence"]
    assert said in host["sentence"]
    after = sh(machine, "find /boot /etc /var/lib/hotkit -printf '%p %T@\\n' 2>/dev/null | sort")
    assert after == before
