"""Method `defaults`, for those who want every entry changed: real update-grub, a real boot, undone.

Budget: 3 minutes. It commits at once: no stock entry remains to fall back to, so boot-once is
refused (tests/unit/core/test_boot_plan.py), and the machine is the lab's own.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from test_provision import NAME, changed_inventory, hotkit, sh

from hotkit.errors import ExitCode
from hotkit.host.inventory import Host
from tests.lab.cases import EVERY_BYTE

pytestmark = pytest.mark.lab


def test_drop_in_boots_and_is_taken_back(
    lab_machine: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sh(lab_machine, EVERY_BYTE)
    wish = "hotkit_entry_method: defaults\nhotkit_commit: true\n"
    folder = str(changed_inventory(tmp_path / "defaults", "hotkit_profile:", wish))

    code, said = hotkit(capsys, "provision", folder, "--yes")
    (host,) = said["hosts"]
    assert code == ExitCode.OK, host["sentence"]
    assert host["state"] == "committed"
    assert sh(lab_machine, "cat /proc/cmdline").strip() == host["cmdline"]
    # update-grub wrote it into the ordinary entry, with the dollar escaped for GRUB.
    assert r"memmap=1023M\$513M" in sh(lab_machine, "cat /boot/grub/grub.cfg")

    code, said = hotkit(capsys, "rollback", folder, "--yes", "--no-reboot")
    assert (code, said["rebooted"]) == (ExitCode.OK, [])
    assert sh(lab_machine, EVERY_BYTE) == before
    assert NAME in said["hosts"][0]["host"]
