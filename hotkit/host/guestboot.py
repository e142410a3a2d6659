"""Boots a Linux kernel on a firmware map of our own choice, without firmware of our own.

The x86 boot protocol (Documentation/x86/boot.rst, Linux 6.1, "32-bit boot protocol") lets a boot
loader hand the kernel its memory map in boot_params. So QEMU's SeaBIOS does what firmware does,
then starts a Multiboot "kernel" of ours: thirty bytes of code that jump into Linux with our
boot_params. QEMU's loader devices have put kernel and initramfs into RAM before.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from hotkit.core.e820 import E820Entry
from hotkit.core.units import MIB, PAGE_BYTES
from hotkit.errors import HotkitError

# All below 64 MiB, which every layout keeps, and clear of one another.
STUB_ADDRESS = 4 * MIB
INITRD_ADDRESS = 8 * MIB
KERNEL_ADDRESS = 16 * MIB  # where a 64-bit kernel wants to be
MOST_E820_ENTRIES = 128  # what fits boot_params
_MOST_CMDLINE = 2047

_GDT, _PARAMS, _CMDLINE, _SIZE = 0x100, 0x1000, 0x2000, 0x3000
_ENTRY = 0x40


def split_kernel(image: bytes) -> tuple[bytes, bytes]:
    """A bzImage as (setup header, the part that goes to KERNEL_ADDRESS)."""
    if image[0x202:0x206] != b"HdrS":
        raise HotkitError("the kernel is no bzImage")
    sectors = image[0x1F1] or 4
    return image[0x1F1 : 0x202 + image[0x201]], image[(sectors + 1) * 512 :]


def stub(header: bytes, initrd_bytes: int, cmdline: str, firmware: Sequence[E820Entry]) -> bytes:
    """The Multiboot image: its header, the jump, a GDT, boot_params and the command line."""
    if len(firmware) > MOST_E820_ENTRIES:
        raise HotkitError(
            f"the firmware map has {len(firmware)} entries; {MOST_E820_ENTRIES} can be simulated"
        )
    if len(cmdline) > _MOST_CMDLINE:
        raise HotkitError(f"the command line has {len(cmdline)} bytes; Linux takes {_MOST_CMDLINE}")
    image = bytearray(_SIZE)
    image[0:32] = _multiboot_header()
    code = _jump()
    image[_ENTRY : _ENTRY + len(code)] = code
    image[_GDT : _GDT + 32] = struct.pack("<QQQQ", 0, 0, _CODE_SEGMENT, _DATA_SEGMENT)
    image[_GDT + 32 : _GDT + 38] = struct.pack("<HI", 31, STUB_ADDRESS + _GDT)
    params = _boot_params(header, initrd_bytes, firmware)
    image[_PARAMS : _PARAMS + PAGE_BYTES] = params
    text = cmdline.encode() + b"\0"
    image[_CMDLINE : _CMDLINE + len(text)] = text
    return bytes(image)


# Flat 4 GiB segments at selectors 0x10 (code) and 0x18 (data): __BOOT_CS and __BOOT_DS.
_CODE_SEGMENT = 0x00CF9A000000FFFF
_DATA_SEGMENT = 0x00CF92000000FFFF


def _multiboot_header() -> bytes:
    """Multiboot 1 with load addresses in the header (flag 16), so that no ELF is needed."""
    magic, flags = 0x1BADB002, 0x10000
    return struct.pack(
        "<IIIIIIII", magic, flags, -(magic + flags) & 0xFFFFFFFF,
        STUB_ADDRESS, STUB_ADDRESS, STUB_ADDRESS + _SIZE, 0, STUB_ADDRESS + _ENTRY,
    )  # fmt: skip


def _jump() -> bytes:
    """cli; lgdt; far jump to 0x10:next; segments = 0x18; registers as the protocol wants; jmp."""
    here = STUB_ADDRESS + _ENTRY
    load_gdt = b"\xfa\x0f\x01\x15" + struct.pack("<I", STUB_ADDRESS + _GDT + 32)
    far_jump = b"\xea" + struct.pack("<IH", here + len(load_gdt) + 7, 0x10)
    segments = b"\xb8\x18\0\0\0" + b"\x8e\xd8\x8e\xc0\x8e\xd0\x8e\xe0\x8e\xe8"  # ds es ss fs gs
    registers = b"\xbe" + struct.pack("<I", STUB_ADDRESS + _PARAMS)  # esi = boot_params
    registers += b"\x31\xed\x31\xff\x31\xdb"  # ebp = edi = ebx = 0
    jump = b"\xb8" + struct.pack("<I", KERNEL_ADDRESS) + b"\xff\xe0"
    return load_gdt + far_jump + segments + registers + jump


def _boot_params(header: bytes, initrd_bytes: int, firmware: Sequence[E820Entry]) -> bytes:
    """struct boot_params (arch/x86/include/uapi/asm/bootparam.h): the zero page."""
    page = bytearray(PAGE_BYTES)
    page[0x1F1 : 0x1F1 + len(header)] = header
    page[0x1E8] = len(firmware)
    page[0x210] = 0xFF  # type_of_loader: one without a number
    page[0x211] |= 0x01  # loadflags: LOADED_HIGH
    struct.pack_into("<I", page, 0x218, INITRD_ADDRESS)
    struct.pack_into("<I", page, 0x21C, initrd_bytes)
    struct.pack_into("<I", page, 0x228, STUB_ADDRESS + _CMDLINE)
    for number, entry in enumerate(firmware):
        at = 0x2D0 + 20 * number
        struct.pack_into(
            "<QQI", page, at, entry.range.start, entry.range.size_bytes, int(entry.type)
        )
    return bytes(page)


def boot_words(directory: Path, kernel: Path, initrd: Path, words: bytes) -> list[str | Path]:
    """Write what QEMU loads into `directory`; returns its options. `words` is the stub."""
    _, body = split_kernel(kernel.read_bytes())
    (directory / "stub.bin").write_bytes(words)
    (directory / "kernel.bin").write_bytes(body)
    if initrd.stat().st_size > KERNEL_ADDRESS - INITRD_ADDRESS:
        raise HotkitError(f"{initrd} is too big to lie below the kernel")
    return [
        "-kernel", directory / "stub.bin",
        "-device", f"loader,file={directory}/kernel.bin,addr={KERNEL_ADDRESS:#x},force-raw=on",
        "-device", f"loader,file={initrd},addr={INITRD_ADDRESS:#x},force-raw=on",
    ]  # fmt: skip
