"""The tables of a simulated firmware, byte for byte as ACPI 6.4 says."""

from dataclasses import replace

from hotkit.core.acpi_tables import build_slit, build_srat
from hotkit.core.ranges import Range
from hotkit.core.topology import MemoryAffinity
from tests.unit.machines import machine


def without_sum(table):
    """In hex, the checksum apart, which makes all bytes add up to 0."""
    assert sum(table) % 256 == 0
    return (table[:9] + table[10:]).hex()


OEM = (b"HOTKIT" + b"SIMULATE").hex() + "01000000" + b"HKIT".hex() + "01000000"


def test_an_srat_byte_for_byte():
    """ACPI 6.4, tables 5.57 to 5.61: reserved fields are 0, the first of them is 1."""
    made = machine((1, 4, 5, 1), (0, 1, 2, None), (0, 0, 1, 1), (2, 8, 11, None))
    flags = ({}, {"hotplug": True}, {}, {"hotplug": True, "nonvolatile": True})
    affinity = tuple(replace(item, **more) for item, more in zip(made.affinity, flags, strict=True))
    table = build_srat(replace(made, affinity=affinity), (0, 2))
    assert without_sum(table) == "".join(
        (
            b"SRAT".hex(), "00010000", "03", OEM, "01000000", "00" * 8,
            "0218", "0000", "00000000", "00000000", "01000000", "00" * 8,
            "0218", "0000", "02000000", "01000000", "01000000", "00" * 8,
            "0128", "00000000", "0000", "0000000000000000", "0000004000000000", "00000000",
            "01000000", "00" * 8,
            "0128", "00000000", "0000", "0000004000000000", "0000004000000000", "00000000",
            "03000000", "00" * 8,
            "0128", "01000000", "0000", "0000000001000000", "0000004000000000", "00000000",
            "01000000", "00" * 8,
            "0128", "02000000", "0000", "0000000002000000", "000000c000000000", "00000000",
            "07000000", "00" * 8,
        )
    )  # fmt: skip


def test_a_slit_byte_for_byte():
    table = build_slit(((10, 21), (22, 10)))
    assert without_sum(table) == "".join(
        (b"SLIT".hex(), "30000000", "01", OEM, "0200000000000000", "0a15160a")
    )


def test_fields_of_an_srat_have_no_sign():
    """Domains are any 32 bits, addresses any 64."""
    top = 2**64 - 4096
    affinity = (MemoryAffinity(node=2**32 - 1, range=Range(top - 2**63, top)),)
    table = build_srat(replace(machine((0, 0, 1, 1)), affinity=affinity), (2**32 - 2,))
    assert table[48 + 4 : 48 + 8].hex() == "feffffff"
    assert table[72 + 2 : 72 + 6].hex() == "ffffffff"
    assert table[72 + 8 : 72 + 24].hex() == "00f0ffffffffff7f0000000000000080"
