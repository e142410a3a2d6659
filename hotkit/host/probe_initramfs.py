"""A small initramfs that prints a machine's memory facts on its second serial port and ends.

busybox and one script.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from hotkit.errors import ExitCode, HotkitError
from hotkit.host import cpio
from hotkit.host.dirs import cache_dir

_BUSYBOX = Path("/bin/busybox")
_APPLETS = ("sh", "mount", "cat", "echo", "base64", "uname", "reboot", "sync", "stty")
_END = "HOTKIT-END"

# Facts go to ttyS1: the kernel's messages are on ttyS0, nothing mixes. The order of sections does
# not matter; a section that is missing was not there.
_INIT = r"""#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
stty -opost -F /dev/ttyS1
exec >/dev/ttyS1 2>/dev/console
section() { echo "HOTKIT-SECTION $1"; }
section cmdline; cat /proc/cmdline
section release; uname -r
section iomem; cat /proc/iomem
section online; cat /sys/devices/system/cpu/online
for entry in /sys/firmware/memmap/*; do
    section memmap
    cat "$entry/start" "$entry/end" "$entry/type"
done
for table in SRAT SLIT APIC; do
    [ -e "/sys/firmware/acpi/tables/$table" ] || continue
    section "table $table"
    base64 "/sys/firmware/acpi/tables/$table"
done
for node in /sys/devices/system/node/node*; do
    for item in meminfo cpulist distance; do
        section "node ${node##*/node} $item"
        cat "$node/$item"
    done
done
echo HOTKIT-END
sync
reboot -f
"""


def probe_initramfs() -> Path:
    """The initramfs in the cache, made if need be."""
    if not _BUSYBOX.exists():
        raise HotkitError("busybox is not installed", hint="apt-get install busybox-static")
    busybox = _BUSYBOX.read_bytes()
    if b"/ld-linux" in busybox[:4096]:
        raise HotkitError(
            f"{_BUSYBOX} needs shared libraries: a static one is needed",
            hint="apt-get install busybox-static",
        )
    key = hashlib.sha256(busybox + _INIT.encode() + b"1").hexdigest()[:12]
    path = cache_dir() / f"probe-{key}.cpio.gz"
    if not path.exists():
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_bytes(_archive(busybox))
        new.replace(path)
    return path


def _archive(busybox: bytes) -> bytes:
    return cpio.pack(
        [
            *(cpio.Item(name, cpio.DIRECTORY) for name in ("bin", "dev", "proc", "sys")),
            cpio.Item("bin/busybox", cpio.PROGRAM, busybox),
            *(cpio.Item(f"bin/{name}", cpio.LINK, b"busybox") for name in _APPLETS),
            cpio.Item("dev/console", cpio.DEVICE, major=5, minor=1),
            cpio.Item("dev/ttyS1", cpio.DEVICE, major=4, minor=65),
            cpio.Item("init", cpio.PROGRAM, _INIT.encode()),
        ]
    )


def read_facts(text: str) -> dict[str, Any]:
    """What the script printed, as facts (docs/architecture.md); raises when it is not whole."""
    if _END not in text:
        raise HotkitError(
            "the machine did not print its facts to the end", exit_code=ExitCode.VERDICT_FAILED
        )
    sections: list[tuple[str, list[str]]] = []
    for line in text.replace("\r", "").partition(_END)[0].splitlines():
        if line.startswith("HOTKIT-SECTION "):
            sections.append((line.partition(" ")[2], []))
        elif sections:
            sections[-1][1].append(line)
    named = {name: "\n".join(lines) for name, lines in sections}
    nodes: dict[str, dict[str, str]] = {}
    for name, value in named.items():
        if name.startswith("node "):
            _, number, item = name.split()
            nodes.setdefault(number, {})[item] = value.strip("\n")
    memmap = [lines for name, lines in sections if name == "memmap"]
    return {
        "schema_version": 1,
        "hostname": "simulated",
        "arch": "x86_64",
        "kernel_release": named["release"].strip(),
        "cmdline": named["cmdline"].strip(),
        "platform": "emulated",
        "platform_evidence": "booted in QEMU by hotkit layout simulate",
        "firmware_memmap": [
            {"start": int(start, 16), "end_inclusive": int(end, 16), "type": kind}
            for start, end, kind in memmap
        ],
        "acpi": {
            name: "".join(named[f"table {name}"].split()) if f"table {name}" in named else None
            for name in ("SRAT", "SLIT", "APIC")
        },
        "iomem": named["iomem"] + "\n",
        "numactl": None,
        "nodes": nodes,
        "cpus": {
            "online": named["online"].strip(),
        },
    }
