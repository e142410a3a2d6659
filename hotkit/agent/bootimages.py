"""Kernels and initramfs in /boot: what they will take once they are loaded."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

FOLDERS = ("/boot", "/boot/hotkit")


def kernel_init_bytes() -> dict[str, int]:
    """init_size of every kernel in /boot (Documentation/x86/boot.rst), as far as it has one."""
    found = {}
    for folder in FOLDERS:
        for path in Path(folder).glob("vmlinuz-*"):
            try:
                with path.open("rb") as image:
                    header = image.read(0x264)
            except OSError:
                continue
            if header[0x202:0x206] == b"HdrS":
                found[str(path)] = int.from_bytes(header[0x260:0x264], "little")
    return found


def initrds() -> dict[str, dict[str, int | None]]:
    """Every initramfs in /boot: its size, and, of the running kernel's, what it unpacks to."""
    found = {}
    for folder in FOLDERS:
        for pattern in ("initrd*", "initramfs*"):
            for path in Path(folder).glob(pattern):
                running = path.name.endswith(
                    ("-" + platform.release(), platform.release() + ".img")
                )
                try:
                    size = path.stat().st_size
                    unpacked = unpacked_bytes(path) if running else None
                except OSError:
                    continue
                found[str(path)] = {"bytes": size, "unpacked_bytes": unpacked}
    return found


def unpacked_bytes(path: Path) -> int | None:
    """What an initramfs takes once it is unpacked; None where nothing here can read it.

    Archives that are not compressed (microcode) come first, each a cpio in the format newc, then
    the compressed one (init/initramfs.c).
    """
    data = path.read_bytes()
    early = 0
    while data[early : early + 6] == b"070701":
        early = cpio_end(data, early)
        while data[early : early + 1] == b"\0":
            early += 1
    packed = data[early:]
    if not packed:
        return early
    magics = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd", b"\xfd7": "xz", b"\x02\x21": "lz4"}
    tool = shutil.which(magics.get(packed[:2], ""))
    if tool is None:
        return None
    try:
        done = subprocess.run(
            f"{tool} -dcq 2>/dev/null | wc -c", shell=True, input=packed, capture_output=True,
            timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    size = int(done.stdout or b"0")
    return early + size if size > len(packed) else None


def cpio_end(data: bytes, at: int) -> int:
    """Where a cpio archive (newc) that begins at `at` ends."""
    while data[at : at + 6] == b"070701":
        size, length = int(data[at + 54 : at + 62], 16), int(data[at + 94 : at + 102], 16)
        name = data[at + 110 : at + 110 + length - 1]
        at = (at + 110 + length + 3) // 4 * 4
        at = (at + size + 3) // 4 * 4
        if name == b"TRAILER!!!":
            break
    return at
