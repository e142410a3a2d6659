"""A guest's RAM in three address spaces."""

from __future__ import annotations

from array import array

import pytest

from hotkit.agent.guest.memory import (
    PAGE_BYTES,
    RamMap,
    Seen,
    guest_ram,
    map_by_asking,
    map_by_guessing,
)
from hotkit.agent.heat import HeatRange
from hotkit.agent.protocol import AgentError

MIB, GIB = 1 << 20, 1 << 30
# As QEMU's q35 lays out 6 GiB of two nodes, 3 GiB each: 2 GiB below 4 GiB, the rest above; each
# node has a mapping of its own.
NODES = [(0, 2 * GIB, 0x7000_0000_0000), (4 * GIB, GIB, 0x7000_8000_0000)]
NODES += [(5 * GIB, 3 * GIB, 0x6000_0000_0000)]
IOMEM = [[0x1000, 0x9F000], [MIB, 2 * GIB - 0x23000], [4 * GIB, 8 * GIB]]


def test_holes_of_the_firmware_are_ram_of_the_vm() -> None:
    assert guest_ram(IOMEM) == [(0, 2 * GIB), (4 * GIB, 8 * GIB)]
    assert guest_ram([[MIB, 384 * MIB - 0x23000]]) == [(0, 384 * MIB)]


def test_the_map_is_found_by_few_questions() -> None:
    told = RamMap(NODES)
    asked: list[int] = []

    def hva_of(gpa: int) -> int:
        asked.append(gpa)
        hva = told.hva(gpa)
        assert hva is not None
        return hva

    found = map_by_asking(guest_ram(IOMEM), hva_of)
    assert found.segments == NODES
    assert len(asked) < 60
    assert found.pages() == 6 * GIB // PAGE_BYTES
    # Neighbours in the process are one range, whatever they are in the guest.
    assert found.ranges() == [
        [0x6000_0000_0000, 0x6000_0000_0000 + 3 * GIB],
        [0x7000_0000_0000, 0x7000_0000_0000 + 3 * GIB],
    ]


def test_addresses_outside_of_the_ram_have_no_place() -> None:
    ram = RamMap(NODES)
    assert ram.hva(0) == 0x7000_0000_0000
    assert ram.hva(2 * GIB - 1) == 0x7000_0000_0000 + 2 * GIB - 1
    assert ram.hva(2 * GIB) is None
    assert ram.hva(4 * GIB - 1) is None
    assert ram.hva(8 * GIB) is None
    assert RamMap([]).hva(0) is None


def test_a_monitor_with_one_mapping_is_guessed_and_checked() -> None:
    parts = [(0, 3 * GIB), (4 * GIB, 5 * GIB)]
    wrong, right = (0x1000_0000_0000, 0x1000_0000_0000 + 6 * GIB), (0x2000_0000_0000, 0)
    right = (right[0], right[0] + 4 * GIB)

    def holds(start: int, end: int, hva: int) -> bool:
        return hva == right[0] + (start if start < 4 * GIB else 3 * GIB)

    found = map_by_guessing(parts, [wrong, right], holds)
    assert found.segments == [(0, 3 * GIB, right[0]), (4 * GIB, GIB, right[0] + 3 * GIB)]
    with pytest.raises(AgentError, match="where the VM's process has the guest's RAM from 0x0"):
        map_by_guessing(parts, [wrong], holds)


def test_what_the_host_saw_in_the_workloads_addresses() -> None:
    """Frames lie scattered; one moved, one was never there, one is shared with the outside."""
    hva = 0x7000_0000_0000
    ram = RamMap([(0, 16 * PAGE_BYTES, hva)])
    heat = HeatRange(hva, PAGE_BYTES, bytes([0, 9, 0, 3, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1]), 10)
    before = array("Q", [7, 3, 0, 1, 2])
    after = array("Q", [7, 3, 9, 4, 2])
    start = 0x5555_0000_0000
    seen = Seen([[start, start + 5 * PAGE_BYTES]], before, after, ram, [heat])
    (part,) = seen.heat
    assert (part.start, part.page_bytes, part.possible) == (start, PAGE_BYTES, 10)
    assert part.heat == bytes([5, 3, 0, 0, 0])
    # Frame 1 was the workload's when the run began: it is not elsewhere. 16 - 4 pages are.
    assert seen.as_json() == {
        "pages": 4, "moved": 1, "elsewhere_pages": 12, "elsewhere_hot": 1,
    }  # fmt: skip


def test_ranges_of_a_workload_keep_their_order() -> None:
    ram = RamMap([(0, 8 * PAGE_BYTES, 0x10000)])
    heat = HeatRange(0x10000, PAGE_BYTES, bytes(range(8)), 8)
    frames = array("Q", [1, 2, 7])
    ranges = [[0x900000, 0x902000], [0x100000, 0x101000]]
    found = Seen(ranges, frames, frames, ram, [heat]).heat
    assert [(part.start, part.heat) for part in found] == [
        (0x900000, bytes([1, 2])),
        (0x100000, bytes([7])),
    ]


def test_huge_pages_of_a_tracker_stand_for_all_their_small_ones() -> None:
    hva = 0x4000_0000
    ram = RamMap([(0, 2 * MIB, hva)])
    heat = HeatRange(hva, 2 * MIB, bytes([4]), 4)
    frames = array("Q", [5, 300])
    seen = Seen([[0, 2 * PAGE_BYTES]], frames, frames, ram, [heat])
    assert seen.heat[0].heat == bytes([4, 4])
    assert (seen.elsewhere_pages, seen.elsewhere_hot) == (510, 510)
