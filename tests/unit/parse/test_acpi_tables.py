"""SRAT, MADT and SLIT as a real (virtual) firmware wrote them, and damaged ones."""

import base64
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.ranges import Range
from hotkit.core.units import GIB
from hotkit.errors import HotkitError
from hotkit.parse.madt import parse_madt
from hotkit.parse.slit import parse_slit
from hotkit.parse.srat import parse_srat
from tests.unit.machines import DATA


def table(name, signature):
    facts = json.loads((DATA / f"facts/{name}.json").read_text(encoding="utf-8"))
    return base64.b64decode(facts["acpi"][signature])


def made(signature, body, revision=3):
    """A table with a right header and checksum."""
    raw = bytearray(struct.pack("<4sIBB", signature, 36 + len(body), revision, 0))
    raw += bytes(26) + body
    raw[9] = -sum(raw) % 256
    return bytes(raw)


LAB_SRAT = table("qemu-lab-2s-256g-in-layout", "SRAT")


def test_srat_of_the_lab():
    srat = parse_srat(LAB_SRAT)
    ranges = {(srat.nodes[m.domain], m.range, m.nonvolatile, m.hotplug) for m in srat.memory}
    assert (1, Range(130 * GIB, 258 * GIB), False, False) in ranges
    # The kernel's own log called domain 3 node 2: it met it first.
    assert srat.nodes == {0: 0, 1: 1, 3: 2, 2: 3}
    assert (3, Range(0x4080000000, 0xBE80000000), True, False) in ranges
    assert [srat.nodes[srat.cpus[apic]] for apic in sorted(srat.cpus)] == [0] * 4 + [1] * 4


def test_the_log_says_the_same_as_the_table():
    facts = json.loads((DATA / "facts/qemu-lab-2s-256g-in-layout.json").read_text("utf-8"))
    srat = parse_srat(LAB_SRAT)
    logged = [line for line in facts["dmesg_memory"] if "SRAT: Node" in line]
    assert len(logged) == len(srat.memory)
    for line, item in zip(logged, srat.memory, strict=True):
        assert f"Node {srat.nodes[item.domain]} PXM {item.domain} " in line
        assert f"-{item.range.end - 1:#010x}]" in line
        assert item.hotplug == ("hotplug" in line)
        assert item.nonvolatile == ("non-volatile" in line)


def srat_cpu(apic, domain, flags=1):
    return struct.pack("<BBBBIB3BI", 0, 16, domain & 255, apic, flags, 0, domain >> 8, 0, 0, 0)


def srat_x2apic(apic, domain, flags=1):
    return struct.pack("<BBHIIIII", 2, 24, 0, domain, apic, flags, 0, 0)


def srat_memory(domain, start, size, flags=1):
    return struct.pack("<BBIHQQIIQ", 1, 40, domain, 0, start, size, 0, flags, 0)


def srat(*entries, revision=3):
    return parse_srat(made(b"SRAT", bytes(12) + b"".join(entries), revision))


def test_nodes_are_numbered_as_the_kernel_meets_the_domains():
    found = srat(
        srat_memory(9, 0, GIB), srat_x2apic(300, 7), srat_cpu(1, 5), srat_cpu(2, 4, flags=0)
    )
    assert found.nodes == {7: 0, 5: 1, 9: 2}
    assert found.cpus == {300: 7, 1: 5}


def test_disabled_and_empty_memory_is_left_out():
    found = srat(srat_memory(0, 0, GIB, flags=0), srat_memory(0, GIB, 0), srat_memory(0, 0, 5))
    assert [item.range for item in found.memory] == [Range(0, 5)]


def test_before_revision_2_a_domain_has_8_bits():
    entry = srat_cpu(1, 0x0203)
    assert srat(entry).cpus == {1: 0x0203}
    assert srat(entry, revision=1).cpus == {1: 3}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:20], "less than its header"),
        (lambda raw: raw[:-1], "cut short"),
        (lambda raw: b"APIC" + raw[4:], "expected the ACPI table SRAT"),
        (lambda raw: raw[:60] + b"\xff" + raw[61:], "checksum"),
        (lambda raw: made(b"SRAT", bytes(12) + b"\x01\x00"), "damaged"),
        (lambda raw: made(b"SRAT", bytes(12) + b"\x01\x28" + bytes(10)), "damaged"),
        (lambda raw: made(b"SRAT", bytes(12) + b"\x01"), "damaged"),
        (lambda raw: made(b"SRAT", bytes(12) + b"\x01\x10" + bytes(14)), "damaged"),
    ],
)
def test_damaged_tables(damage, message):
    with pytest.raises(HotkitError, match=message):
        parse_srat(damage(LAB_SRAT))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_an_error(data):
    for parse, signature in ((parse_srat, b"SRAT"), (parse_madt, b"APIC"), (parse_slit, b"SLIT")):
        for raw in (data, made(signature, data)):
            try:
                parse(raw)
            except HotkitError as error:
                assert error.message


def lapic(apic, flags=1):
    return struct.pack("<BBBBI", 0, 8, 0, apic, flags)


def madt(*entries):
    return made(b"APIC", bytes(8) + b"".join(entries))


def test_madt_of_a_real_boot():
    found = parse_madt(table("qemu-2n-3g", "APIC"), 0)
    assert found.apic_ids == (0, 1, 2, 3)


def test_the_boot_cpu_is_first_then_table_order():
    x2apic = struct.pack("<BBHIII", 9, 16, 0, 400, 1, 0)
    raw = madt(
        lapic(6), lapic(0), lapic(4, flags=0), x2apic, lapic(2), lapic(6), lapic(255), b"\x01\x02"
    )
    assert parse_madt(raw).apic_ids == (6, 0, 400, 2)
    assert parse_madt(raw, 2).apic_ids == (2, 6, 0, 400)
    assert parse_madt(raw, 99).apic_ids == (6, 0, 400, 2)
    assert parse_madt(raw).disabled == 1


def test_slit():
    matrix = parse_slit(table("qemu-lab-2s-256g-in-layout", "SLIT"))
    assert matrix[0] == (10, 21, 17, 28)
    assert all(matrix[a][b] == matrix[b][a] for a in range(4) for b in range(4))


@pytest.mark.parametrize("body", [b"", struct.pack("<Q", 3) + bytes(8)])
def test_a_slit_cut_short(body):
    with pytest.raises(HotkitError, match="cut short"):
        parse_slit(made(b"SLIT", body))
