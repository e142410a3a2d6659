"""Which accelerator really runs a guest here: KVM is asked to boot a kernel, not to open.

/dev/kvm may exist and open, may even run a boot sector, and yet fail with a whole kernel (seen:
nested virtualisation that refuses an MSR of `-cpu host`). So the lab's own kernel is booted with a
time limit, with the CPU model that the lab's machines get.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from hotkit.errors import HotkitError
from hotkit.host.dirs import cache_dir
from hotkit.host.qemu import QEMU, accelerator_words
from hotkit.host.run import run

_LIMIT_S = 10  # software emulation takes 2 s
# Without a root file system the kernel gives up, after all of its own start-up; -no-reboot turns
# the reboot that panic=-1 asks for into the end of QEMU.
_CMDLINE = "console=ttyS0 panic=-1 root=none"
_REACHED = b"VFS: Unable to mount root fs"


def accelerator(kernel: Path) -> str:
    """kvm if `kernel` boots under it, else tcg; probed once per boot of this machine."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    cache = cache_dir() / "accelerator.json"
    try:
        known = json.loads(cache.read_text())
        # Who may open /dev/kvm can change with the group, while the boot stays.
        if known["boot_id"] == boot_id and known["openable"] == _openable():
            return str(known["accelerator"])
    except (OSError, ValueError, KeyError):
        pass
    found = "kvm" if _openable() and probe("kvm", kernel) else "tcg"
    new = cache.with_name(f".{cache.name}.{os.getpid()}")
    new.write_text(
        json.dumps(
            {
                "schema_version": 1,
                "boot_id": boot_id,
                "openable": _openable(),
                "accelerator": found,
            }
        )
    )
    new.replace(cache)
    return found


def _openable() -> bool:
    return os.access("/dev/kvm", os.R_OK | os.W_OK)


def probe(accel: str, kernel: Path) -> bool:
    """Boot `kernel` under `accel` (kvm, tcg); True if it came through its start-up in time."""
    with tempfile.TemporaryDirectory(prefix="hotkit-probe-") as directory:
        log = Path(directory, "serial.log")
        try:
            run(
                [
                    QEMU, *accelerator_words(accel), "-machine", "q35", "-smp", "2", "-m", "256M",
                    "-display", "none", "-nodefaults", "-no-reboot", "-serial", f"file:{log}",
                    "-kernel", kernel, "-append", _CMDLINE,
                ],
                timeout=_LIMIT_S,
            )  # fmt: skip
            return _REACHED in log.read_bytes()
        except (HotkitError, OSError):
            return False
