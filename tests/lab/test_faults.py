"""The fault table: whatever a layout does to a boot, the machine ends on its stock entry.

Real boots through real GRUB on lab-small. One fault of each way back is booted here; all of them
by `make soak CAMPAIGN=boot-faults`, and tests/unit reads the consoles of all. Budget: 8 minutes
on 2 cores without KVM.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hotkit import lab
from hotkit.assets import asset
from hotkit.errors import ExitCode
from hotkit.host.inventory import Host
from tests.lab.boot_faults import FAULTS, NAME, at_shutdown, fault_case, inventory_for
from tests.lab.cases import as_json, sh, told

pytestmark = pytest.mark.lab

NAMES = [fault.name for fault in FAULTS]
# Brought back by initramfs-tools, the guard, power control; panic= in test_provision.py.
HERE = ("initramfs-shell", "sshd-down", "silent-hang")


@pytest.fixture(scope="module")
def up(own_machine: Callable[[str], Host]) -> Host:
    return own_machine(NAME)


@pytest.fixture
def machine(up: Host) -> Host:
    """The machine as if it had just become ready."""
    lab.reset(NAME, lambda name, text: None)
    return up


@pytest.mark.soak
@pytest.mark.parametrize("name", HERE)
def test_it_ends_on_the_stock_entry(up: Host, name: str) -> None:
    case = fault_case(NAMES.index(name))
    assert case["ok"], as_json(case)


def test_an_entry_that_is_gone_when_grub_looks(machine: Host, tmp_path: Path) -> None:
    at_shutdown("rm /boot/grub/custom.cfg")
    code, host = told("provision", inventory_for(tmp_path / "lab", FAULTS[-1]), NAME)
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
def test_refused_before_anything_is_written(machine: Host, what: str) -> None:
    command, said = REFUSED[what]
    sh(command)
    before = sh("find /boot /etc /var/lib/hotkit -printf '%p %T@\\n' 2>/dev/null | sort")
    code, host = told("provision", asset("inventories") / "lab", NAME)
    assert (code, host["status"]) == (ExitCode.BAD_INPUT, "refused"), host["sentence"]
    assert said in host["sentence"]
    after = sh("find /boot /etc /var/lib/hotkit -printf '%p %T@\\n' 2>/dev/null | sort")
    assert after == before
