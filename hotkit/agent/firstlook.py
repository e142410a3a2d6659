"""Prints what a new inventory says of a machine beside its facts: who asks, and its BMC.

Runs as `python3 - < firstlook.py` with Python 3.9 or newer; reads only.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1
_DEVICES = ("dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0")
_ADDRESS = re.compile(r"^IP Address\s*: (\d+(?:\.\d+){3})$", re.MULTILINE)
_NO_ADDRESS = "0." * 3 + "0"


def word(path: Path) -> str | None:
    """A file's one line, None when it is not there, not for us, or empty."""
    try:
        return path.read_text(errors="replace").strip() or None
    except OSError:
        return None


def bmc_address() -> str | None:
    """The BMC's own IPv4 address, as ipmitool reads it (channel 1, else 2 or 3); None without."""
    tool = shutil.which("ipmitool") or shutil.which("ipmitool", path="/usr/sbin:/sbin")
    if tool is None:
        return None
    for channel in ("1", "2", "3"):
        try:
            done = subprocess.run(
                [tool, "lan", "print", channel], stdin=subprocess.DEVNULL, capture_output=True,
                text=True, timeout=10, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None
        match = _ADDRESS.search(done.stdout)
        if match and match[1] != _NO_ADDRESS:
            return match[1]
    return None


def look(root: Path) -> dict[str, Any]:
    """The whole answer; `root` is / (in tests a folder that looks like one)."""
    dmi = root / "sys/class/dmi/id"
    ipmi = any((root / item).exists() for item in _DEVICES)
    return {
        "schema_version": SCHEMA_VERSION,
        "sudo_user": os.environ.get("SUDO_USER"),
        "vendor": word(dmi / "sys_vendor"),
        "product": word(dmi / "product_name"),
        "ipmi": ipmi,
        "bmc_address": bmc_address() if ipmi else None,
        # SMBIOS type 42, "Management Controller Host Interface" (DSP0134): Redfish from the OS.
        "redfish": any((root / "sys/firmware/dmi/entries").glob("42-*")),
    }


if __name__ == "__main__":
    json.dump(look(Path("/")), sys.stdout)
