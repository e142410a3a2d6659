"""Kernel logs: both spellings of the time stamp, with and without each kind of line, damage."""

import json
import re

import pytest

from hotkit.core.e820 import E820Type
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.units import GIB
from hotkit.errors import HotkitError
from hotkit.parse.capture import topology_from_dmesg
from hotkit.parse.dmesg import parse_dmesg
from hotkit.parse.facts import topology_from_facts
from hotkit.parse.numactl import parse_numactl
from tests.unit.machines import CAPTURE, DATA

LOG = (CAPTURE / "dmesg-boot.txt").read_text(encoding="utf-8")
FACTS = json.loads((DATA / "facts/qemu-2n-3g.json").read_text(encoding="utf-8"))
QEMU_LOG = "\n".join(FACTS["dmesg_memory"])
E820 = """\
[    0.000000] Command line: root=/dev/sda1 memmap=1G$5G
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009ffff] usable
[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x0000000068024fff] usable
[    0.000000] BIOS-e820: [mem 0x0000000068025000-0x000000006d3fefff] ACPI NVS
[    0.000000] BIOS-e820: [mem 0x000000006d3ff000-0x000000006f7fffff] usable
[    0.000000] BIOS-e820: [mem 0x000000006f800000-0x000000007fffffff] device reserved
[    0.000000] BIOS-e820: [mem 0x0000000100000000-0x000000407fffffff] usable
[    0.000000] BIOS-e820: [mem 0x0000004080000000-0x000000be7fffffff] persistent (type 7)
"""


def squeeze(text):
    return re.sub(" +", " ", text)


def test_the_capture():
    found = topology_from_dmesg(LOG, "log")
    assert found.nodes == (0, 1, 2, 3)
    assert found.span(0) == RangeSet.of([Range(0, 2 * GIB), Range(4 * GIB, 130 * GIB)])
    assert found.span(1) == RangeSet.of([Range(130 * GIB, 258 * GIB)])
    assert found.pmem(2).size_bytes == found.pmem(3).size_bytes == 504 * GIB
    assert not found.node_ram(2)
    assert found.cpus == () and any("names no CPUs" in note for note in found.notes)


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: re.sub(r"^\[ ", "[    ", text, flags=re.M),
        lambda text: re.sub(r"^\[.*?\] ", "", text, flags=re.M),
        lambda text: re.sub(r"^", "Nov 22 10:00:00 host kernel: ", text, flags=re.M),
        lambda text: re.sub(r"^", "<6>", text, flags=re.M),
        lambda text: re.sub(r"^(\[.*?\]) ", r"\1[    T0] ", text, flags=re.M),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("node 0:", "  node   0:"),
        lambda text: text.replace("ACPI: SRAT", "SRAT"),
    ],
)
def test_spellings_of_the_same_log(rewrite):
    assert rewrite(LOG) != LOG
    assert topology_from_dmesg(rewrite(LOG), "log") == topology_from_dmesg(LOG, "log")


def test_numactl_gives_cpus_and_distances():
    table = parse_numactl((CAPTURE / "numactl-all-cpus.txt").read_text(encoding="utf-8"))
    found = topology_from_dmesg(LOG, "log", table)
    assert len(found.cpus) == 144
    assert found.node_cpus(0) == (*range(36), *range(72, 108))
    assert found.distances[0] == (10, 20, 0, 0)
    assert any("distances of node 2, 3 are unknown" in note for note in found.notes)


def test_e820_lines_win_over_node_ranges():
    """They are the firmware's, so that a log taken under a layout is good all the same."""
    plain = topology_from_dmesg(LOG, "log")
    found = topology_from_dmesg(E820 + LOG, "log")
    assert found.node_ram(1) == plain.node_ram(1)
    types = {entry.range.start: entry.type for entry in found.firmware}
    assert types[0x68025000] == E820Type.NVS
    assert types[0x6F800000] == E820Type.RESERVED
    assert types[0x4080000000] == E820Type.PMEM


def test_without_node_ranges():
    bare = "\n".join(line for line in LOG.splitlines() if "] node " not in line)
    assert topology_from_dmesg(E820 + bare, "log").firmware
    with pytest.raises(HotkitError, match="neither e820 lines nor early memory node ranges"):
        topology_from_dmesg(bare, "log")


def test_a_real_log_and_the_facts_of_the_same_boot_agree():
    logged, facts = topology_from_dmesg(QEMU_LOG, "log"), topology_from_facts(FACTS)
    assert logged.nodes == facts.nodes
    for node in facts.nodes:
        assert logged.node_ram(node) == facts.node_ram(node)
        assert logged.span(node) == facts.span(node)
    # This boot had maxcpus=2: the log announces CPU 1 only, the firmware knows all four.
    assert [cpu.number for cpu in logged.cpus] == [0, 1]
    assert [cpu.node for cpu in facts.cpus] == [0, 0, 1, 1]


def test_cpus_from_the_boot_messages():
    text = LOG + (
        "[    1.0] .... node  #0, CPUs:          #1   #2   #3\n"
        "[    1.1] .... node  #1, CPUs:     #4   #5\n"
    )
    found = topology_from_dmesg(text, "log")
    assert found.node_cpus(0) == (0, 1, 2, 3)
    assert found.node_cpus(1) == (4, 5)


def test_cpus_from_the_srat_lines():
    text = (
        LOG
        + "[ 0.0] SRAT: PXM 0 -> APIC 0x00 -> Node 0\n[ 0.0] SRAT: PXM 1 -> APIC 0x40 -> Node 1\n"
    )
    found = topology_from_dmesg(text, "log")
    assert [(cpu.number, cpu.node) for cpu in found.cpus] == [(0, 0), (1, 1)]
    assert any("some of them may not exist" in note for note in found.notes)


def test_the_last_boot_counts():
    first = "[    0.0] Linux version 6.1\n" + E820.replace("0x407fffffff", "0x107fffffff")
    text = first + "[    0.0] Linux version 6.1\n" + LOG
    assert topology_from_dmesg(text, "log") == topology_from_dmesg(LOG, "log")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no boot log"),
        ("hello\nworld\n", "is no boot log"),
        (E820, "has no SRAT lines"),
        ("[ 0.0] Command line: memmap=1G$5G\n" + LOG, "'memmap=1G\\$5G' was in force"),
        ("[ 0.0] Kernel command line: mem=5G\n" + LOG, "'mem=5G' was in force"),
    ],
)
def test_logs_that_do_not_suffice(text, message):
    with pytest.raises(HotkitError, match=message):
        topology_from_dmesg(text, "log")


@pytest.mark.parametrize("cut", range(1, len(LOG) - LOG.index("[ 0.017354]"), 7))
def test_a_log_cut_anywhere_in_a_line_is_an_error_or_whole(cut):
    """Never a range that is shorter than the one that was meant."""
    whole = topology_from_dmesg(LOG, "log")
    text = LOG[:-cut]
    try:
        found = topology_from_dmesg(text, "log")
    except HotkitError as error:
        assert "line " in error.message
        return
    assert found.affinity == whole.affinity
    if found.firmware != whole.firmware:
        assert "node 1 has no RAM" in " ".join(found.notes)


def test_a_damaged_line_is_named():
    with pytest.raises(HotkitError, match=r"log, line 2: .* cut short or damaged"):
        parse_dmesg(LOG.replace("[mem 0x100000000-", "[mem 0x1000", 1), "log")


def test_an_address_of_more_than_64_bits_is_damage():
    """Sums of such sizes were no float any more, much later."""
    with pytest.raises(HotkitError, match="line 1: .* is cut short or damaged"):
        parse_dmesg(f"BIOS-e820: [mem 0x0-0x{'9' * 400}] usable", "log")


def test_a_range_that_ends_before_it_starts():
    with pytest.raises(HotkitError, match="ends before it starts"):
        parse_dmesg("BIOS-e820: [mem 0x2000-0x1000] usable", "log")


@pytest.mark.parametrize(
    ("line", "arch"),
    [
        ("[ 0.0] Linux version 6.1.0 (gcc-12 (Debian 12.2.0-14) 12.2.0)", "x86_64"),
        ("[ 0.0] Booting Linux on physical CPU 0x0000000000 [0x413fd0c1]", "aarch64"),
        ("[ 0.0] SRAT: PXM 0 -> MPIDR 0x0 -> Node 0", "aarch64"),
        ("[ 0.0] Linux version 6.1.0 (riscv64-linux-gnu-gcc-12 12.2.0)", "riscv64"),
    ],
)
def test_another_architecture_is_noticed(line, arch):
    """Its logs have SRAT lines too, its kernel has no memmap=."""
    assert topology_from_dmesg(f"{line}\n{LOG}", "log").arch == arch


@pytest.mark.parametrize("line", ["SRAT: Node {} PXM 0 [mem 0x0-0xfff]", "node {}: [mem 0x0-0x1]"])
def test_a_number_that_no_node_has(line):
    """Python refuses to read more than 4300 digits (found by fuzzing)."""
    assert parse_dmesg(line.format(1), "log")
    log = line.format("9" * 5000)
    with pytest.raises(HotkitError, match="cut short or damaged"):
        parse_dmesg(log, "log")


def test_a_booted_cpu_that_cannot_be_is_left_out():
    line = f".... node  #0, CPUs:          #1 #{'9' * 5000} #2"
    assert parse_dmesg(line).booted == {1: 0, 2: 0}
