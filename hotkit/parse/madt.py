"""MADT ("APIC" in /sys/firmware/acpi/tables): the CPUs, in the order in which Linux numbers them.

Source: arch/x86/kernel/acpi/boot.c acpi_parse_lapic(), acpi_parse_x2apic(); apic.c
generic_processor_info() (Linux 6.1): the boot CPU is 0, the others count up in table order.
"""

from __future__ import annotations

from dataclasses import dataclass

from hotkit.parse.acpi import body, subtables

_LAPIC, _X2APIC = 0, 9
_ENABLED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Madt:
    """APIC ids in the order of the CPU numbers; `disabled` counts the slots for hot-plug."""

    apic_ids: tuple[int, ...]
    disabled: int


def parse_madt(table: bytes, boot_apic_id: int | None = None) -> Madt:
    """Read the binary table. `boot_apic_id` None: the first enabled entry is the boot CPU.

    Raises HotkitError on a damaged table.
    """
    data = body(table, "APIC")[8:]  # the local APIC's address and flags come first
    found: dict[int, None] = {}
    disabled = 0
    for entry in subtables(data, "APIC", {_LAPIC: 8, _X2APIC: 16}):
        if entry.kind == _LAPIC:
            apic_id, flags = entry.u8(3), entry.u32(4)
            if apic_id == 0xFF:
                continue
        elif entry.kind == _X2APIC:
            apic_id, flags = entry.u32(4), entry.u32(8)
            if apic_id == 0xFFFFFFFF:
                continue
        else:
            continue
        if flags & _ENABLED:
            found.setdefault(apic_id)
        else:
            disabled += 1
    order = list(found)
    if boot_apic_id in found:
        order.remove(boot_apic_id)
        order.insert(0, boot_apic_id)
    return Madt(apic_ids=tuple(order), disabled=disabled)
