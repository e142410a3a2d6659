"""Real GRUB 2.06 in QEMU, with a kernel of 35 bytes that prints its command line.

`boot(grub_cfg, directory)` makes a disk with grub-mkimage (grub-pc-bin), boots it under TCG in less
than a second and returns what GRUB handed the "kernel": what /proc/cmdline would show. The kernel
is `/k` in the image.
"""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path

from hotkit.host.run import require, run

_MODULES = (
    "biosdisk", "memdisk", "tar", "normal", "linux", "boot", "test", "true", "echo", "configfile",
)  # fmt: skip

# 32-bit code, entered as the boot protocol says: %esi points at boot_params.
_STUB = bytes.fromhex(
    "8bb628020000"  # mov 0x228(%esi), %esi    cmd_line_ptr
    "ac 84c0 7414"  # next: lodsb; test %al, %al; jz done
    "88c3 66bafd03"  # mov %al, %bl; mov $0x3fd, %dx
    "ec a820 74fb"  # wait: in (%dx), %al; test $0x20, %al; jz wait
    "66baf803 88d8 ee"  # mov $0x3f8, %dx; mov %bl, %al; out %al, (%dx)
    "ebe7"  # jmp next
    "66baf400 b000 ee"  # done: out 0 to isa-debug-exit: QEMU ends with status 1
    "f4 ebfd"  # hlt for ever
)


def _kernel() -> bytes:
    """A bzImage of boot protocol 2.06 (Documentation/x86/boot.rst), which has cmdline_size."""
    head = bytearray(1024)
    head[0x1F1] = 1  # setup_sects
    struct.pack_into("<H", head, 0x1FE, 0xAA55)
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x206, 0x0206)
    head[0x211] = 1  # loadflags: LOADED_HIGH
    struct.pack_into("<I", head, 0x214, 0x100000)  # code32_start
    struct.pack_into("<I", head, 0x238, 0x7FFF)  # cmdline_size
    return bytes(head) + _STUB.ljust(4096, b"\0")


def boot(grub_cfg: str, directory: Path, files: Mapping[str, str] | None = None) -> str:
    """The command line of the kernel that `grub_cfg` boots. HotkitError when nothing boots.

    `files` are more files beside grub.cfg, name to text.
    """
    mkimage = require("grub-mkimage", "grub-common")
    qemu = require("qemu-system-x86_64", "qemu-system-x86")
    (directory / "k").write_bytes(_kernel())
    texts = {"grub.cfg": grub_cfg} | dict(files or {})
    for name, text in texts.items():
        (directory / name).write_text(text)
    (directory / "early.cfg").write_text("set prefix=(memdisk)\nset root=memdisk\n")
    with tarfile.open(directory / "memdisk.tar", "w") as tar:
        tar.add(directory / "k", "k")
        for name in texts:
            tar.add(directory / name, name)
    run(
        [mkimage, "-O", "i386-pc", "-o", directory / "core.img", "-p", "(memdisk)",
         "-c", directory / "early.cfg", "-m", directory / "memdisk.tar", *_MODULES],
    )  # fmt: skip
    image = Path("/usr/lib/grub/i386-pc/boot.img").read_bytes()
    image += (directory / "core.img").read_bytes()
    disk, serial = directory / "disk.img", directory / "serial.txt"
    disk.write_bytes(image.ljust(-(-len(image) >> 20 << 20), b"\0"))
    serial.write_bytes(b"")
    ended = run(
        [qemu, "-accel", "tcg", "-m", "64", "-display", "none", "-net", "none", "-no-reboot",
         "-serial", f"file:{serial}", "-drive", f"file={disk},format=raw",
         "-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
        check=False,
        timeout=30,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr  # isa-debug-exit: 0 << 1 | 1
    return serial.read_bytes().decode()
