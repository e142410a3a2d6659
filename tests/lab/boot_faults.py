"""Boots that go wrong on lab-small: one fault each, for the tests and for `make soak`.

Each begins on a machine that has just been put back, is provoked by the profile (kernel arguments,
too little memory) or by a hand between arming and reboot, and must end on the stock entry with the
right sentence and exit code. docs/faults.md is made from these.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotkit import lab
from hotkit.assets import asset
from hotkit.errors import ExitCode
from tests.lab.cases import LABEL, NAME, sh, told, trial_unit


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
_HOG = trial_unit(
    "hog", """/usr/bin/python3 -c "x = [b'x' * (1 << 20) for _ in range(1 << 20)]\""""
)
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


def at_shutdown(command: str) -> None:
    """Have the machine run `command` when it next goes down, while its disk is still mounted."""
    unit = f"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\nExecStop={command}\n"
    sh(f"cat >/run/systemd/system/hand.service <<'END'\n{unit}END\nsystemctl start hand.service")


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


def fault_case(number: int) -> dict[str, Any]:
    """FAULTS[number] on the machine as if it had just become ready; `ok` when all held."""
    fault = FAULTS[number]
    lab.reset(NAME, lambda name, text: None)
    if fault.prepare:
        sh(fault.prepare)
    if fault.hand:
        at_shutdown(fault.hand)
    with tempfile.TemporaryDirectory(prefix="hotkit-fault-") as folder:
        code, host = told("provision", inventory_for(Path(folder, "lab"), fault), NAME, "--force")
    held = {
        "exit code": code == ExitCode.FELL_BACK,
        "fell back": (host["status"], host["state"]) == ("fell-back", "fell-back"),
        "its console was read": host.get("ending") == fault.ending,
        "the sentence": fault.said in host["sentence"],
        "power control where only that helps": host.get("power_reset")
        == (f"QMP of {NAME}" if fault.reset else None),
        "the stock entry runs": "hotkit.id=" not in sh("cat /proc/cmdline"),
        "nothing is armed": "next_entry=hotkit" not in sh("grub-editenv list"),
        "no guard is left": "hotkit-guard" not in sh("ls /etc/systemd/system"),
    }
    return {
        "ok": all(held.values()),
        "label": LABEL,
        "fault": fault.name,
        "ending": host.get("ending"),
        "sentence": host["sentence"],
        "notes": host.get("notes", []),
        "held": held,
    }
