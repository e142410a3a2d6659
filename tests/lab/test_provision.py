"""Real boots through real GRUB on lab-small: a good layout, a wrong escape, a kernel panic.

The tests build on each other (one machine, as few boots as possible), so they run in this order.
Budget for all of them: 10 minutes on 2 cores without KVM.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hotkit.assets import asset
from hotkit.cli import main
from hotkit.errors import ExitCode, HotkitError
from hotkit.host.inventory import Host
from hotkit.host.run import run
from hotkit.host.ssh import Ssh
from tests.lab.cases import EVERY_BYTE
from tests.wheel import ROOT, build, install

pytestmark = pytest.mark.lab

NAME = "lab-small"


@pytest.fixture(scope="module")
def machine(own_machine: Callable[[str], Host]) -> Host:
    """lab-small on its stock entry."""
    return own_machine(NAME)


@pytest.fixture(scope="module")
def before(machine: Host) -> str:
    """What /boot and /etc hold before hotkit has written anything."""
    return sh(machine, EVERY_BYTE)


def sh(machine: Host, command: str) -> str:
    return str(Ssh(machine.way).run(["sh", "-c", command]).stdout)


def hotkit(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Run a command line with --json: exit code and the document (of one host)."""
    capsys.readouterr()
    code = main([*words, "--limit", NAME, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_good_layout(machine: Host, before: str, capsys: pytest.CaptureFixture[str]) -> None:
    # A dry run first: it tells, and touches nothing.
    code, said = hotkit(capsys, "provision", "lab", "--check", "--diff")
    assert code == ExitCode.OK and said["hosts"][0]["status"] == "would-change"
    assert sh(machine, EVERY_BYTE) == before

    # Without a terminal nobody can say yes: the plan is shown, and that is all.
    assert main(["provision", "lab", "--limit", NAME]) == ExitCode.BAD_INPUT
    assert "--yes" in capsys.readouterr().err
    assert sh(machine, EVERY_BYTE) == before

    code, said = hotkit(capsys, "provision", "lab", "--yes")
    (host,) = said["hosts"]
    assert code == ExitCode.OK, host["sentence"]
    assert host["rebooted"] and host["state"] == "verified"
    running = sh(machine, "cat /proc/cmdline").strip()
    assert running == host["cmdline"]
    assert f"hotkit.id={host['layout']['id']}" in running.split()
    assert {item["verdict"] for item in host["verdict"]["checks"]} == {"pass"}
    # What was foretold of its memory before the reboot came about (short form of memory-boots).
    assert host["verdict"]["memory"]["within"], host["verdict"]["memory"]


def test_second_run_changes_nothing(machine: Host, capsys: pytest.CaptureFixture[str]) -> None:
    boot = sh(machine, "cat /proc/sys/kernel/random/boot_id")
    code, said = hotkit(capsys, "provision", "lab", "--yes")
    assert (code, said["changed"], said["rebooted"]) == (ExitCode.OK, 0, [])
    assert sh(machine, "cat /proc/sys/kernel/random/boot_id") == boot


def test_plain_ansible_playbook_says_the_same(machine: Host) -> None:
    root = asset("playbooks").parent
    done = run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "inventories/lab",
         "playbooks/provision.yml", "--limit", NAME],
        cwd=root, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"{NAME} .*ok=\d+ +changed=0 +unreachable=0 +failed=0", done.stdout)


def test_the_wheel_says_the_same_from_an_empty_folder(machine: Host, tmp_path: Path) -> None:
    """Its playbooks, its roles, its inventory of the lab: all steps run, and nothing is to do."""
    build(ROOT, tmp_path / "dist", "--wheel")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    installed = install(wheel, tmp_path)
    words = ("provision", "inventories/lab", "--limit", NAME, "--yes", "--json")
    lab = {name: os.environ[name] for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME")
           if name in os.environ}  # fmt: skip
    done = installed.run(installed.bin / "hotkit", *words, timeout_s=300, **lab)
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert (said["changed"], said["rebooted"]) == (0, [])
    assert said["hosts"][0]["state"] == "verified"


def test_wrong_escape_comes_up_capped_and_is_named(
    machine: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    # hotkit would not write this: its simulation refuses. So the test is the one who forgets the
    # backslash, as people do.
    sh(machine, r"sed -i 's/\\\$/$/g' /boot/grub/custom.cfg")
    entry = sh(machine, "sed -n 's/.*--id \\([^ ]*\\) .*/\\1/p' /boot/grub/custom.cfg").strip()
    sh(machine, f"grub-reboot {entry}")
    reboot(machine)

    code, said = hotkit(capsys, "verify", "lab")
    (host,) = said["hosts"]
    assert code == ExitCode.VERDICT_FAILED
    kinds = {cause["kind"] for cause in host["causes"]}
    assert "lost-escape" in kinds
    (lost,) = [cause for cause in host["causes"] if cause["kind"] == "lost-escape"]
    assert "$" in lost["sentence"] and "custom.cfg" in lost["sentence"] + lost["advice"]
    memory = sh(machine, "awk '/MemTotal/ {print $2}' /proc/meminfo")
    assert int(memory) < 1023 * 1024


def test_rollback_to_the_byte(
    machine: Host, before: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = hotkit(capsys, "rollback", "lab", "--yes")
    assert code == ExitCode.OK and said["rebooted"] == [NAME]
    assert sh(machine, EVERY_BYTE) == before
    assert "hotkit" not in sh(machine, "cat /proc/cmdline; ls /var/lib")

    code, said = hotkit(capsys, "rollback", "lab", "--yes")
    assert (code, said["changed"], said["rebooted"]) == (ExitCode.OK, 0, [])


def test_a_call_that_was_cut_off_by_the_reboot_is_resumed(
    machine: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Nobody boots in three seconds: the first call loses the machine while it reboots.
    hasty = changed_inventory(
        tmp_path / "hasty", "hotkit_profile:", "boot_once_timeout: 3\nboot_once_stock_timeout: 3\n"
    )
    stock = sh(machine, "cat /proc/sys/kernel/random/boot_id")
    code, said = hotkit(capsys, "provision", str(hasty), "--yes")
    assert code == ExitCode.UNREACHABLE, said["hosts"][0]["sentence"]
    assert "did not answer" in said["hosts"][0]["sentence"]
    wait_until_it_answers(machine, not_boot=stock)

    boot = sh(machine, "cat /proc/sys/kernel/random/boot_id")
    code, said = hotkit(capsys, "provision", "lab", "--yes")
    (host,) = said["hosts"]
    assert (code, host["state"]) == (ExitCode.OK, "verified"), host["sentence"]
    # The reset after three seconds hit GRUB before or after it had spent next_entry.
    same = sh(machine, "cat /proc/sys/kernel/random/boot_id") == boot
    assert same is not host["rebooted"]


def test_panic_falls_back_to_the_stock_entry(
    machine: Host, before: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # /bin/false as the first process ends at once, and "Attempted to kill init" is a panic. The
    # machine runs the good layout: this one is planned on the firmware's map all the same.
    folder = changed_inventory(tmp_path / "panics", "  fast_share:", "  extra: [init=/bin/false]\n")
    code, said = hotkit(capsys, "provision", str(folder), "--yes")
    (host,) = said["hosts"]
    assert code == ExitCode.FELL_BACK, host["sentence"]
    assert (host["status"], host["state"]) == ("fell-back", "fell-back")
    assert "stock entry by itself: the kernel panicked: Attempted to kill" in host["sentence"]
    assert any("Attempted to kill init" in line for line in host["console"])
    assert "hotkit.id=" not in sh(machine, "cat /proc/cmdline")

    code, said = hotkit(capsys, "rollback", "lab", "--yes", "--no-reboot")
    assert (code, said["rebooted"]) == (ExitCode.OK, [])
    assert sh(machine, EVERY_BYTE) == before


def changed_inventory(folder: Path, before: str, line: str) -> Path:
    """A copy of the lab's inventory with a line more in lab-small's variables."""
    shutil.copytree(asset("inventories") / "lab", folder)
    variables = folder / "host_vars" / f"{NAME}.yml"
    text = variables.read_text()
    assert text.count(before) == 1
    variables.write_text(text.replace(before, line + before))
    return folder


def reboot(machine: Host) -> None:
    """Reboot by hand and wait for another boot id."""
    boot = sh(machine, "cat /proc/sys/kernel/random/boot_id")
    with suppress(HotkitError):  # it may go down before it answers
        Ssh(machine.way).run(["systemctl", "reboot"], check=False)
    wait_until_it_answers(machine, not_boot=boot)


def wait_until_it_answers(machine: Host, not_boot: str) -> None:
    link = Ssh(machine.way)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        time.sleep(1)
        link.hang_up()
        with suppress(HotkitError):
            done = link.run(["cat", "/proc/sys/kernel/random/boot_id"], timeout=20)
            if done.stdout != not_boot:
                return
    pytest.fail(f"{NAME} did not come back")
