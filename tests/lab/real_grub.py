"""Real GRUB 2.06 in QEMU, with a kernel of 35 bytes that prints its command line.

`boot(grub_cfg, directory)` makes a disk with grub-mkimage (grub-pc-bin), boots it under TCG in less
than a second and returns what GRUB handed the "kernel": what /proc/cmdline would show. The kernel
is `/k` in the image, and wherever else `kernels` says.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from hotkit.host.run import require, run

# Of the file system in the image: the one that the lab's grub.cfg searches for.
UUID = "6a1f0f7e-0000-4000-8000-000000000001"

_MODULES = (
    "biosdisk", "memdisk", "ext2", "normal", "linux", "boot", "test", "true", "echo", "configfile",
    "loadenv", "search", "search_fs_uuid", "gzio", "serial", "terminal",
    "part_msdos", "all_video",
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


def boot(
    grub_cfg: str,
    directory: Path,
    files: Mapping[str, str | bytes] | None = None,
    kernels: Sequence[str] = ("k",),
) -> str:
    """The command line of the kernel that `grub_cfg` boots. HotkitError when nothing boots.

    `files` are more files beside grub.cfg, by path.
    """
    mkimage = require("grub-mkimage", "grub-common")
    qemu = require("qemu-system-x86_64", "qemu-system-x86")
    contents = {"grub.cfg": grub_cfg} | dict(files or {}) | dict.fromkeys(kernels, _kernel())
    for name, content in contents.items():
        path = directory / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    memdisk = directory / "memdisk.img"
    run(
        [require("mke2fs", "e2fsprogs"), "-q", "-t", "ext2", "-b", "1024", "-N", "32", "-U", UUID,
         "-d", directory / "root", memdisk, "320k"],
    )  # fmt: skip
    (directory / "early.cfg").write_text("set prefix=(memdisk)\nset root=memdisk\n")
    run(
        [mkimage, "-O", "i386-pc", "-o", directory / "core.img", "-p", "(memdisk)",
         "-c", directory / "early.cfg", "-m", memdisk, *_MODULES],
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
    # GRUB's own output may be on the serial line too; the kernel's comes last.
    return "BOOT_IMAGE=" + serial.read_bytes().decode().rpartition("BOOT_IMAGE=")[2]
