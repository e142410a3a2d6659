"""Each rule of a review by itself: whole findings, and where the limits lie."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core import memmap, review_rules
from hotkit.core.e820 import E820Entry, E820Type
from hotkit.core.finding import Finding, Severity
from hotkit.core.memmap import Entry, Kind, Outcome
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.review_rules import takes_ram
from hotkit.core.topology import Cpu, MemoryAffinity, Topology
from hotkit.core.units import GIB, KIB, MIB

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
BOOTS = "the kernel is loaded at [mem 0x1000000-0x3ffffff], and {} of that are taken away; node"


def mib(start, end):
    return Range(start * MIB, end * MIB)


# Node 0 has a hole from 1536 to 1600 MiB, node 2 PMEM of which the firmware's map has the half.
MADE = Topology(
    name="made",
    source="test",
    nodes=(0, 1, 2),
    firmware=(
        E820Entry(Range(0, 0x9FC00), E820Type.RAM),
        E820Entry(Range(0x9FC00, MIB), E820Type.RESERVED),
        E820Entry(mib(1, 1536), E820Type.RAM),
        E820Entry(mib(1600, 2048), E820Type.ACPI),
        E820Entry(mib(4096, 6144), E820Type.RAM),
        E820Entry(mib(6144, 8192), E820Type.RAM),
        E820Entry(mib(12288, 13312), E820Type.PMEM),
    ),
    affinity=(
        MemoryAffinity(node=0, range=mib(0, 2048)),
        MemoryAffinity(node=0, range=mib(4096, 6144)),
        MemoryAffinity(node=1, range=Range(6144 * MIB, 8192 * MIB + 0x1800)),
        MemoryAffinity(node=2, range=mib(12288, 14336), nonvolatile=True),
    ),
    cpus=tuple(Cpu(number=n, node=n // 4) for n in (0, 1, 4, 2, 3, 5)),
)


def outcome(line, topology=MADE):
    return memmap.apply(topology.firmware, line)


def regions(line, topology=MADE):
    return list(review_rules.regions(topology, line, outcome(line, topology)))


def command_line(line):
    return list(review_rules.command_line(line, outcome(line)))


def finding(severity, code, sentence, token=None, range=None):
    return Finding(severity=severity, code=code, sentence=sentence, token=token, range=range)


@pytest.mark.parametrize(
    ("kind", "old", "new", "takes"),
    [
        (Kind.ADD, None, 2, True), (Kind.ADD, None, 1, False), (Kind.ADD, None, 12, True),
        (Kind.CONVERT, 1, 2, True), (Kind.CONVERT, 2, 1, False), (Kind.CONVERT, 2, 12, False),
        (Kind.FORGET, None, None, True), (Kind.FORGET, 1, None, True),
        (Kind.FORGET, 2, None, False), (Kind.CAP, None, None, False), (Kind.CAP, 1, None, False),
        (Kind.EXACTMAP, None, None, False), (Kind.NOTHING, None, None, False),
        (Kind.NOTHING, 1, 2, False),
    ],
)  # fmt: skip
def test_what_takes_ram(kind, old, new, takes):
    assert takes_ram(Entry(token="t", kind=kind, old_type=old, new_type=new)) is takes


def test_a_line_is_too_long_from_2048_characters_on():
    tail = "".join(chr(ord("a") + n % 26) for n in range(50))
    assert command_line("x" * 1997 + tail) == []
    assert command_line("x" * 2047 + tail) == [
        finding(
            ERROR, "too-long", "2097 characters: the kernel cuts off what follows the first 2047 "
            "('abcdefghijklmnopqrstuvwxyzabcdefghijklmn'...)",
        )
    ]  # fmt: skip
    assert [one.code for one in command_line("x" * 2048)] == ["too-long"]


def test_what_a_line_says_in_full():
    assert command_line("memmap=1G$5Gx") == [
        finding(
            ERROR, "malformed", "malformed, the kernel cannot read 'x'; all the same: 1G$5Gx: "
            "1 GiB at [mem 0x140000000-0x17fffffff] become reserved", "1G$5Gx", mib(5120, 6144),
        )
    ]  # fmt: skip
    above = Range(GIB, (1 << 64) - 1)
    assert command_line("mem=1GB") == [
        finding(
            WARNING, "malformed", "malformed, 'B' is ignored; all the same: mem=1GB: no RAM above "
            "1 GiB", "mem=1GB", above,
        ),
        finding(
            WARNING, "cap", "mem=1GB: no RAM above 1 GiB: mem= cuts by address, whatever node is "
            "there", "mem=1GB", above,
        ),
    ]  # fmt: skip
    assert command_line("memmap=1G") == [
        finding(
            ERROR, "cap", "1G: no RAM above 1 GiB: no operator, as when a `$` got lost on the way: "
            "this caps all RAM", "1G", above,
        )
    ]  # fmt: skip
    assert command_line("memmap=exactmap,1G@4G,640K@0")[0] == finding(
        WARNING, "exactmap", "exactmap throws the firmware's map away: only what is given after it "
        "exists, reserved areas of the firmware are unknown then", "exactmap",
    )  # fmt: skip
    assert list(
        review_rules.command_line("", Outcome(entries=(), table=(), panic="it is Friday"))
    ) == [finding(ERROR, "panic", "the kernel stops: it is Friday")]


@pytest.mark.parametrize(
    ("line", "second", "size", "where"),
    [
        ("1G$5G,512M$5632M", "512M$5632M", "512 MiB", mib(5632, 6144)),
        ("512M$5G,1G$5G", "1G$5G", "512 MiB", mib(5120, 5632)),
        ("1G$5G,1G%6143M-1+2", "1G%6143M-1+2", "1 MiB", mib(6143, 6144)),
    ],
)
def test_regions_that_overlap(line, second, size, where):
    first = line.partition(",")[0]
    assert regions(f"memmap={line} nokaslr") == [
        finding(WARNING, "overlap", f"{first} and {second} overlap by {size} at {where}", second,
                where)
    ]  # fmt: skip


def test_regions_that_touch_or_take_nothing_do_not_overlap():
    assert regions("memmap=1G$5G,1G$6G nokaslr") == []
    assert [one.code for one in regions("memmap=1G@5G,512M@5G,1G$5G nokaslr")] == []
    # It makes RAM of what ACPI has, and adds none.
    assert regions("memmap=64M%1600M-3+1 nokaslr") == []
    codes = [one.code for one in regions("memmap=3G$4608M,512M$5G,512M$6G nokaslr")]
    assert codes == ["overlap", "overlap"]


def lies(size, where, what):
    return f"{size} at {where} lie in {what}"


HOLE, PCI = "a hole that the firmware left open", "the PCI hole, where devices have their registers"
PMEM, OUT = "persistent memory", "address space where the machine has no RAM"


@pytest.mark.parametrize(
    ("token", "found"),
    [
        # RAM, a hole, what ACPI claims, and the PCI hole.
        ("1G$1535M", [
            (WARNING, "hole", lies("64 MiB", mib(1536, 1600), HOLE), mib(1536, 1600)),
            (ERROR, "pci-hole", lies("511 MiB", mib(2048, 2559), PCI), mib(2048, 2559)),
        ]),
        ("1M$1600M", [
            (ERROR, "no-ram", f"there is no RAM at {mib(1600, 1601)}: it reserves nothing",
             mib(1600, 1601)),
        ]),
        ("2049M$2047M", [
            (ERROR, "no-ram", f"there is no RAM at {mib(2047, 4096)}: it reserves nothing",
             mib(2047, 4096)),
            (ERROR, "pci-hole", lies("2 GiB", mib(2048, 4096), PCI), mib(2048, 4096)),
        ]),
        # Behind the RAM of node 1 comes a bit of its span, then nothing, PMEM, and nothing again.
        ("8G$8191M", [
            (ERROR, "pmem", lies("2 GiB", mib(12288, 14336), PMEM), mib(12288, 14336)),
            (WARNING, "hole",
             lies("6 KiB", Range(8192 * MIB, 8192 * MIB + 0x1800), HOLE),
             Range(8192 * MIB, 8192 * MIB + 0x1800)),
            (WARNING, "outside-ram",
             lies("4096.0 MiB", Range(8192 * MIB + 0x1800, 12288 * MIB), OUT),
             Range(8192 * MIB + 0x1800, 12288 * MIB)),
            (WARNING, "outside-ram", lies("2047 MiB", mib(14336, 16383), OUT), mib(14336, 16383)),
        ]),
        # What touches RAM only may lie over anything.
        ("8G%4608M-1+2", []),
        ("8G%4608M-1", []),
        ("512M%1280M", [
            (WARNING, "hole", lies("64 MiB", mib(1536, 1600), HOLE), mib(1536, 1600)),
        ]),
        ("256M%1535M", [
            (WARNING, "hole", lies("64 MiB", mib(1536, 1600), HOLE), mib(1536, 1600)),
        ]),
        ("1G%2G-1", [
            (ERROR, "no-ram", f"there is no RAM at {mib(2048, 3072)}: it reserves nothing",
             mib(2048, 3072)),
        ]),
        ("1G@2G", [
            (ERROR, "invented-ram",
             f"1 GiB at {mib(2048, 3072)} are called RAM, the firmware has none there",
             mib(2048, 3072)),
        ]),
        ("1G@5632M", []),
        ("2G@5G", []),
        ("4G@7G", [
            (ERROR, "invented-ram",
             f"3 GiB at {mib(8192, 11264)} are called RAM, the firmware has none there",
             mib(8192, 11264)),
        ]),
    ],
)  # fmt: skip
def test_what_a_region_lies_over(token, found):
    assert regions(f"memmap={token} nokaslr") == [
        finding(severity, code, sentence, token, where) for severity, code, sentence, where in found
    ]


@pytest.mark.parametrize(
    "kind", [E820Type.PMEM, E820Type.PRAM, E820Type.SOFT_RESERVED, E820Type.RESERVED]
)
def test_storage_that_only_the_firmwares_map_names(kind):
    known = replace(
        MADE, affinity=MADE.affinity[:-1],
        firmware=(*MADE.firmware[:-1], E820Entry(mib(12288, 13312), kind)),
    )  # fmt: skip
    codes = [one.code for one in regions("memmap=1G$12G nokaslr", known)]
    assert codes == (["no-ram"] if kind is E820Type.RESERVED else ["no-ram", "pmem"])


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (5 * GIB + 4 * KIB, 6 * GIB, ["starts at 0x140001000, off"]),
        (5 * GIB, 6 * GIB - 4 * KIB, ["ends at 0x17ffff000, off"]),
        (5 * GIB + 1, 6 * GIB - 4095,
         ["starts at 0x140000001, not at", "ends at 0x17ffff001, not at"]),
        # Where the RAM or the node ends, oddly.
        (0, 0x9FC00, []),
        (7 * GIB, 8 * GIB + 0x1800, []),
    ],
)  # fmt: skip
def test_alignment(start, end, said):
    whole = {
        "off": "off a 1 MiB boundary, where memory is mapped in small pages",
        "not at": "not at a page: the kernel throws the rest of that page away",
    }
    token = f"{end - start:#x}${start:#x}"
    found = [one for one in regions(f"memmap={token} nokaslr") if one.code == "alignment"]
    assert found == [
        finding(WARNING, "alignment", f"{edge}, {whole[why]}", token, Range(start, end))
        for edge, _, why in (words.partition(", ") for words in said)
    ]


LOOSE = finding(
    INFO, "kaslr", "without nokaslr some UEFI kernels (6.6 to 6.9 before a fix) may lie inside a "
    "reserved range, and every boot differs a little",
)  # fmt: skip


@pytest.mark.parametrize(
    ("tokens", "found"),
    [
        (["1M$5G"], [LOOSE]),
        (["1M#5G"], [LOOSE]),
        (["1M!5G"], [LOOSE]),
        (["1M@5G"], []),
        (["1M$5G", "1M#6G", "1M!7G", "1M$5121M"], [LOOSE]),
        (["1M$5G", "1M#6G", "1M!7G", "1M$5121M", "1M$5122M", "1M$5123M"], [
            finding(
                WARNING, "kaslr-regions", "6 regions, KASLR steps around 4 at most: it then leaves "
                "the kernel where it is; add nokaslr to say so", "1M$5122M",
            ),
            LOOSE,
        ]),
        (["1M$5G", "1M%6G-1+2", "1M%7G-1+2"], [
            finding(
                ERROR, "kaslr-percent", "KASLR does not know % and may put the kernel into the "
                "range: add nokaslr", "1M%6G-1+2", mib(6144, 6145),
            ),
        ]),
    ],
)  # fmt: skip
def test_kaslr(tokens, found):
    line = "memmap=" + ",".join(tokens)
    assert regions(line) == found
    assert regions(f"{line} nokaslr") == []


def test_nokaslr_behind_the_dashes_is_not_the_kernels():
    assert regions("memmap=1M$5G -- nokaslr") == [LOOSE]


def test_the_machine_made_here_is_what_it_says():
    assert MADE.ram == RangeSet.of([Range(0, 0x9FC00), mib(1, 1536), mib(4096, 8192)])
