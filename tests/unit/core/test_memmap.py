"""The model of the kernel's memory map: against real boots, and case by case."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core import memmap
from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.memmap import Kind
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.units import GIB, MIB
from hotkit.parse.firmware_memmap import parse_firmware_memmap

BOOTS = json.loads(
    (Path(__file__).parents[2] / "data/memmap/boots-debian-6.1.json").read_text(encoding="utf-8")
)
REAL = parse_firmware_memmap(BOOTS["firmware_memmap"])
FIRMWARE = (
    E820Entry(Range(0, 0xA0000), E820Type.RAM),
    E820Entry(Range(MIB, 2 * GIB), E820Type.RAM),
    E820Entry(Range(0xB0000000, 0xC0000000), E820Type.RESERVED),
    E820Entry(Range(4 * GIB, 8 * GIB), E820Type.RAM),
)


@pytest.mark.parametrize("boot", BOOTS["boots"], ids=[b["cmdline"][45:] for b in BOOTS["boots"]])
def test_predicted_is_booted(boot):
    """Every line here was booted with Debian's 6.1 kernel in QEMU; /proc/iomem must agree."""
    booted = RangeSet.of(Range(int(a, 16), int(b, 16)) for a, b in boot["system_ram"])
    assert memmap.system_ram_under(REAL, boot["cmdline"]) == booted


def ram(line):
    return [(item.start, item.end) for item in memmap.system_ram_under(FIRMWARE, line)]


LOW = (0x1000, 0xA0000)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", [LOW, (MIB, 2 * GIB), (4 * GIB, 8 * GIB)]),
        ("memmap", [LOW, (MIB, 2 * GIB), (4 * GIB, 8 * GIB)]),
        ("memmap=3G$5G", [LOW, (MIB, 2 * GIB), (4 * GIB, 5 * GIB)]),
        ("memmap=2G$3G", [LOW, (MIB, 2 * GIB), (5 * GIB, 8 * GIB)]),
        ("memmap=1G", [LOW, (MIB, GIB)]),
        ("memmap=0", []),
        ("mem=5G", [LOW, (MIB, 2 * GIB), (4 * GIB, 5 * GIB)]),
        ("mem=0", [LOW, (MIB, 2 * GIB), (4 * GIB, 8 * GIB)]),
        ("mem=nopentium", [LOW, (MIB, 2 * GIB), (4 * GIB, 8 * GIB)]),
        ("memmap=1G@8G", [LOW, (MIB, 2 * GIB), (4 * GIB, 9 * GIB)]),
        # A cap sees what was added before it, and not what comes after.
        ("memmap=1G@8G,4G", [LOW, (MIB, 2 * GIB)]),
        ("memmap=4G,1G@8G", [LOW, (MIB, 2 * GIB), (8 * GIB, 9 * GIB)]),
        # The highest type wins: reserving what % made RAM again keeps it reserved.
        ("memmap=1G$4G,1G%4G-2+1", [LOW, (MIB, 2 * GIB), (4 * GIB, 8 * GIB)]),
        ("memmap=1G%4G-2+1,1G$4G", [LOW, (MIB, 2 * GIB), (5 * GIB, 8 * GIB)]),
        ("memmap=exactmap,640K@0,1G@4G", [LOW, (4 * GIB, 5 * GIB)]),
    ],
)
def test_case(line, expected):
    assert ram(line) == expected


@pytest.mark.parametrize(
    ("line", "panic"),
    [
        ("memmap=exactmap", "Invalid user supplied"),
        ("memmap=exactmap,1G@0", "Invalid user supplied"),
        ("memmap=16777215T$16777215T", "Invalid user supplied"),
        ("memmap=1G%1G-1+1", "BUG_ON"),
    ],
)
def test_lines_that_do_not_boot(line, panic):
    outcome = memmap.apply(FIRMWARE, line)
    assert outcome.panic and panic in outcome.panic
    assert not outcome.system_ram


def test_entries_say_what_they_did():
    found = memmap.apply(FIRMWARE, "memmap=1G$5G,1GM,512M%6G-1+2,1G%6G-1+2y,exactmapx,q mem=1Gx")
    assert [(e.kind, e.operator, bool(e.malformed)) for e in found.entries] == [
        (Kind.ADD, "$", False),
        (Kind.CAP, "", True),
        (Kind.CONVERT, "%", False),
        (Kind.NOTHING, "%", True),
        (Kind.EXACTMAP, "", True),
        (Kind.NOTHING, "", True),
        (Kind.CAP, "", True),
    ]
    assert found.entries[0].range == Range(5 * GIB, 6 * GIB)
    assert "reserved" in found.entries[0].sentence
    assert "no RAM above 1 GiB" in found.entries[1].sentence


def test_the_kernel_image_stays_ram():
    image = Range(16 * MIB, 48 * MIB)
    line = "memmap=1023M$1M"
    bare = memmap.apply(FIRMWARE, line).system_ram
    kept = memmap.apply(FIRMWARE, line, kernel_image=image).system_ram
    assert kept == bare.union(RangeSet((image,)))


def test_type_32_bits_wide():
    """`+4294967297` is 1 after the kernel's cut to 32 bits: type RAM."""
    assert ram("memmap=256M%0xb0000000-2+4294967297") == [
        LOW, (MIB, 2 * GIB), (0xB0000000, 0xC0000000), (4 * GIB, 8 * GIB),
    ]  # fmt: skip


PIECES = st.builds(
    lambda start, size, kind: E820Entry(Range(start * MIB, (start + size) * MIB), kind),
    st.integers(1, 4000),
    st.integers(1, 2000),
    st.sampled_from([1, 2, 3, 4, 5, 7, 12]),
)


@given(st.lists(PIECES, min_size=2, max_size=12))
def test_overlaps_resolve_to_the_highest_type(entries):
    """Checked MiB by MiB against the plain statement of the rule."""
    found = memmap.stock_ram(entries)
    for mib in range(1, 6001, 7):
        byte = Range(mib * MIB, mib * MIB + 1)
        types = [e.type for e in entries if e.range.intersect(byte)]
        assert bool(found.intersect(RangeSet((byte,)))) == (max(types, default=0) == 1)


REGIONS = st.lists(st.tuples(st.integers(1, 9000), st.integers(1, 3000)), min_size=1, max_size=6)


@given(REGIONS)
def test_both_spellings_reserve_the_same_ram(regions):
    dollar = ",".join(f"{size}M${start}M" for start, size in regions)
    percent = ",".join(f"{size}M%{start}M-1+2" for start, size in regions)
    expected = memmap.stock_ram(FIRMWARE).subtract(
        RangeSet.of(Range(start * MIB, (start + size) * MIB) for start, size in regions)
    )
    assert memmap.system_ram_under(FIRMWARE, f"memmap={dollar}") == expected
    assert memmap.system_ram_under(FIRMWARE, f"memmap={percent}") == expected


@given(st.text("0123456789KMGTPEkx$@#!%+-,=abcdef ", max_size=60))
def test_no_text_breaks_the_model(text):
    outcome = memmap.apply(FIRMWARE, f"memmap={text}")
    assert outcome.panic or all(item.range.size_bytes for item in outcome.table)
    assert all(entry.sentence for entry in outcome.entries)


@pytest.mark.parametrize(
    ("token", "sentence", "malformed"),
    [
        ("mem=4G", "no RAM above 4 GiB", None),
        ("mem=4Gx", "no RAM above 4 GiB", "'x' is ignored"),
        ("mem=nopentium", "does nothing", "it names no size"),
        ("1GM", "no RAM above 1 GiB", "the kernel cannot read 'M'"),
        ("x", "does nothing", "it does not start with a size"),
        ("exactmap", "the firmware's map is thrown away", None),
        ("exactmapx", "the firmware's map is thrown away", "'x' is ignored"),
        ("1G$5G", "1 GiB at [mem 0x140000000-0x17fffffff] become reserved", None),
        ("1G@5Gy", "1 GiB at [mem 0x140000000-0x17fffffff] become RAM",
         "the kernel cannot read 'y'"),
        ("1G!5G", "1 GiB at [mem 0x140000000-0x17fffffff] become persistent memory (legacy)", None),
        ("1G#5G", "1 GiB at [mem 0x140000000-0x17fffffff] become ACPI data", None),
        ("1G%5G-1+2",
         "what is RAM in 1 GiB at [mem 0x140000000-0x17fffffff] becomes reserved", None),
        ("1G%5G+7", "1 GiB at [mem 0x140000000-0x17fffffff] become persistent memory", None),
        ("1G%5G+4", "1 GiB at [mem 0x140000000-0x17fffffff] become ACPI NVS", None),
        ("1G%5G+5", "1 GiB at [mem 0x140000000-0x17fffffff] become unusable", None),
        ("1G%5G+0xefffffff", "1 GiB at [mem 0x140000000-0x17fffffff] become soft reserved", None),
        ("1G%5G-2", "reserved in 1 GiB at [mem 0x140000000-0x17fffffff] is forgotten", None),
        ("1G%5G", "everything in 1 GiB at [mem 0x140000000-0x17fffffff] is forgotten", None),
        ("1G%5G-1+77", "what is RAM in 1 GiB at [mem 0x140000000-0x17fffffff] becomes type 77",
         None),
        ("1G%5G-1+2z", "does nothing", "the kernel cannot read 'z'"),
        ("0$5G", "does nothing", None),
    ],
)  # fmt: skip
def test_each_entry_in_one_sentence(token, sentence, malformed):
    line = token if token.startswith("mem=") else f"memmap={token}"
    (found,) = memmap.apply(FIRMWARE, line).entries
    assert found.token == token
    assert found.sentence == f"{token}: {sentence}"
    assert found.malformed == malformed


def test_what_percent_forgets_is_no_ram_any_more():
    assert ram("memmap=1G%5G-1") == [LOW, (MIB, 2 * GIB), (4 * GIB, 5 * GIB), (6 * GIB, 8 * GIB)]
    assert ram("memmap=1G%5G") == ram("memmap=1G%5G-1")
    assert ram("memmap=1G%5G-2") == ram("")
    assert ram("memmap=1G%8G+1") == [LOW, (MIB, 2 * GIB), (4 * GIB, 9 * GIB)]


def test_a_range_is_cut_at_the_end_of_the_address_space():
    (found,) = memmap.apply(FIRMWARE, f"memmap=2G${(1 << 64) - GIB:#x}").entries
    assert found.range == Range((1 << 64) - GIB, 1 << 64)
    (found,) = memmap.apply(FIRMWARE, f"mem={(1 << 64) - 2}").entries
    assert found.range == Range((1 << 64) - 2, (1 << 64) - 1)
    (found,) = memmap.apply(FIRMWARE, f"mem={(1 << 64) - 1}").entries
    assert found.range is None and found.kind is Kind.CAP


def test_a_cap_takes_ram_alone_and_all_of_it():
    def types(line):
        return {(e.range.start, int(e.type)) for e in memmap.apply(FIRMWARE, line).table}

    assert (0xB0000000, 2) in types("mem=1G") and (4 * GIB, 1) not in types("mem=1G")
    # To the last byte that an entry can have.
    assert ram("memmap=0xfffff@0xfffffffffff00000 mem=5G") == ram("mem=5G")


def test_arguments_may_come_one_by_one():
    one = memmap.apply(FIRMWARE, ["quiet", "memmap=1G$5G", "mem=7G"])
    assert one == memmap.apply(FIRMWARE, "quiet memmap=1G$5G mem=7G")
    assert [entry.token for entry in one.entries] == ["1G$5G", "mem=7G"]


def test_the_old_type_is_32_bits_wide_too():
    assert ram("memmap=1G%5G-4294967297+2") == ram("memmap=1G%5G-1+2") != ram("")


@pytest.mark.parametrize(
    ("argument", "kind", "malformed"),
    [
        ("mem=", Kind.NOTHING, "it names no size"),
        ("mem=x", Kind.NOTHING, "it names no size"),
        ("memmap=1G%1G", Kind.FORGET, None),
        ("memmap=1G%1G-1", Kind.FORGET, None),
        ("memmap=1G%1G+2", Kind.ADD, None),
    ],
)
def test_what_an_entry_does(argument: str, kind: Kind, malformed: str | None) -> None:
    (entry,) = memmap.apply((), argument).entries
    assert (entry.kind, entry.malformed) == (kind, malformed)
