"""iomem, meminfo, numactl and CPU lists."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.ranges import Range
from hotkit.core.units import KIB, MIB
from hotkit.errors import HotkitError
from hotkit.parse.cpulist import parse_cpulist
from hotkit.parse.iomem import parse_iomem
from hotkit.parse.meminfo import parse_meminfo
from hotkit.parse.numactl import parse_numactl
from tests.unit.machines import CAPTURE, DATA

FACTS = json.loads((DATA / "facts/qemu-lab-2s-256g-in-layout.json").read_text(encoding="utf-8"))


def test_iomem_of_a_layout():
    found = parse_iomem(FACTS["iomem"])
    assert found.system_ram.ranges[-1] == Range(0x2080000000, 0x23B3400000)
    assert Range(0x14CC00000, 0x2080000000) in found.reserved.ranges
    assert not found.named("Kernel code")
    assert found.named("Kernel code", depth=None).size_bytes > MIB


def test_ram_inside_the_window_of_a_bridge_counts():
    text = "c0000000-febfffff : PCI Bus 0000:00\n  c0000000-cfffffff : System RAM\n"
    assert parse_iomem(text).system_ram.ranges == (Range(0xC0000000, 0xD0000000),)


def test_dax_memory_is_not_firmware_ram():
    text = (
        "100000000-1ffffffff : Persistent Memory\n  100000000-1ffffffff : dax0.0\n"
        "    100000000-1ffffffff : System RAM (kmem)\n"
    )
    found = parse_iomem(text)
    assert not found.system_ram
    assert found.persistent.ranges == (Range(1 << 32, 1 << 33),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("00000000-00000000 : System RAM\n00000000-00000000 : Reserved\n", "zeros only"),
        ("", "is empty"),
        ("0-fff : Reserved\nhello\n", "line 2: cannot read 'hello'"),
        ("2000-1fff : Reserved\n", "line 1: ends before it starts"),
    ],
)
def test_iomem_that_cannot_be_used(text, message):
    with pytest.raises(HotkitError, match=message):
        parse_iomem(text)


def test_meminfo_of_the_capture():
    found = parse_meminfo((CAPTURE / "meminfo.txt").read_text(encoding="utf-8"))
    assert found["MemTotal"] == 263714080 * KIB
    assert found["Active(anon)"] == 262988 * KIB
    assert found["HugePages_Total"] == 0


def test_meminfo_of_a_node():
    found = parse_meminfo(FACTS["nodes"]["1"]["meminfo"])
    assert found["MemTotal"] > 12_000 * MIB


@pytest.mark.parametrize("text", ["", "MemFree: 1 kB\n", "MemTotal: 12"[:8]])
def test_no_meminfo(text):
    with pytest.raises(HotkitError, match="no MemTotal"):
        parse_meminfo(text)


def test_numactl():
    found = parse_numactl((CAPTURE / "numactl-maxcpus4.txt").read_text(encoding="utf-8"))
    assert found.cpus == {0: (0, 1, 2, 3), 1: ()}
    assert found.sizes_bytes == {0: 128593 * MIB, 1: 128940 * MIB}
    assert found.distances == ((10, 20), (20, 10))


@pytest.mark.parametrize(
    ("text", "message"), [("No NUMA available", "no output"), ("node 0 cpus: 0 x", "cannot read")]
)
def test_no_numactl(text, message):
    with pytest.raises(HotkitError, match=message):
        parse_numactl(text)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("", ()), ("\n", ()), ("0", (0,)), ("0-3,8,10-11\n", (0, 1, 2, 3, 8, 10, 11))],
)
def test_cpulist(text, numbers):
    assert parse_cpulist(text) == numbers


@pytest.mark.parametrize("text", ["a", "1-", "-1", "1-b", "1;2", "¹", "1-²", "3-0", "9" * 5000])
def test_no_cpulist(text):
    with pytest.raises(HotkitError, match="no list of numbers"):
        parse_cpulist(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    for parse in (parse_iomem, parse_meminfo, parse_numactl, parse_cpulist):
        try:
            parse(text)
        except HotkitError as error:
            assert error.message


@pytest.mark.parametrize("text", ["0-65536", "0-9999999", "0-40000,0-40000"])
def test_more_cpus_than_there_are(text):
    """A list of some bytes must not take all memory."""
    with pytest.raises(HotkitError, match="more numbers than there are CPUs"):
        parse_cpulist(text)
    assert len(parse_cpulist("0-65535")) == 65536
