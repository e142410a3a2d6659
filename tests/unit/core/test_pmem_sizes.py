"""How much of a PMEM range becomes RAM, what is asked of ndctl for it, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotkit.core.layout import SlowPmem
from hotkit.core.pmem import (
    Namespace,
    PmemError,
    Region,
    attachment,
    memory_block_bytes,
    namespace_bytes,
    online_bytes,
    room_bytes,
    struct_page_bytes,
)
from hotkit.core.ranges import Range, align_up
from hotkit.core.units import GIB, MIB

# The NVDIMM of lab-pmem's node 2 as Linux 6.1 showed it.
REGION = Region(
    name="region0",
    range=Range(4 * GIB, 6 * GIB),
    largest_free_bytes=2 * GIB,
    align_bytes=16 * MIB,
    labelled=True,
    namespaces=(),
)
SLOW = SlowPmem(node=2, range=REGION.range, wanted_bytes=GIB)
BLOCK = 128 * MIB


def test_the_size_of_a_memory_block_follows_the_end_of_ram() -> None:
    assert memory_block_bytes(36 * GIB, virtual=False) == 128 * MIB
    assert memory_block_bytes(258 * GIB, virtual=False) == 2 * GIB
    assert memory_block_bytes(258 * GIB, virtual=True) == 2 * GIB
    assert memory_block_bytes(64 * GIB + 256 * MIB, virtual=True) == 256 * MIB


def test_the_info_block_costs_one_block() -> None:
    assert room_bytes(REGION.range, BLOCK) == 2 * GIB - BLOCK
    assert online_bytes(REGION.range, None, BLOCK) == 2 * GIB - BLOCK
    assert online_bytes(REGION.range, GIB + 5 * MIB, BLOCK) == GIB
    assert room_bytes(Range(4 * GIB, 4 * GIB + BLOCK), BLOCK) == 0


def test_struct_pages_are_a_64th_of_whole_sections() -> None:
    assert struct_page_bytes(504 * GIB) == 504 * GIB // 64
    assert struct_page_bytes(129 * MIB) == 4 * MIB
    assert struct_page_bytes(0) == 0


def test_what_ndctl_is_asked_for() -> None:
    # Tried in the lab: 1152 MiB from the region's start gave 8 whole blocks.
    found = attachment(SLOW, [REGION], BLOCK, None)
    assert (found.namespace_bytes, found.online_bytes) == (1152 * MIB, GIB)
    assert found.to_dict()["region"] == "region0"


@given(
    start=st.integers(0, 1 << 20).map(lambda n: n * 2 * MIB),
    blocks=st.integers(1, 64),
    block=st.sampled_from((128 * MIB, 256 * MIB, 2 * GIB)),
    align=st.sampled_from((2 * MIB, 16 * MIB, 96 * MIB)),
)
def test_a_namespace_holds_its_blocks_wherever_it_begins(
    start: int, blocks: int, block: int, align: int
) -> None:
    for said in (start, None):
        size = namespace_bytes(said, blocks * block, block, align)
        assert size % align == 0
        assert room_bytes(Range(start, start + size), block) >= blocks * block
    # And from a known start not a block more than needed.
    exact = namespace_bytes(start, blocks * block, block, align)
    assert exact - align < align_up(start + 2 * MIB, block) + blocks * block - start


def taken(size_bytes: int, alt_name: str = "theirs") -> Region:
    piece = Namespace(name="namespace0.0", size_bytes=size_bytes, mode="raw", alt_name=alt_name)
    free = REGION.largest_free_bytes - size_bytes
    return replace(REGION, largest_free_bytes=free, namespaces=(piece,))


def test_a_namespace_of_others_is_worked_around_or_refused() -> None:
    found = attachment(SLOW, [taken(256 * MIB)], BLOCK, None)
    assert found.namespace_bytes == align_up(GIB + BLOCK + 2 * MIB, 16 * MIB)
    with pytest.raises(PmemError, match=r"taken: namespace0.0 \(raw, 1 GiB\)"):
        attachment(SLOW, [taken(GIB)], BLOCK, None)


def test_all_of_a_region_is_whole_or_refused() -> None:
    """Before the boot: not when the machine runs the layout and has too few blocks."""
    everything = replace(SLOW, wanted_bytes=None)
    found = attachment(everything, [REGION], BLOCK, None)
    assert (found.namespace_bytes, found.online_bytes) == (2 * GIB, 2 * GIB - BLOCK)
    with pytest.raises(PmemError, match="free in one piece"):
        attachment(everything, [taken(256 * MIB)], BLOCK, None)


def test_our_own_namespace_is_used_again() -> None:
    ours = taken(1152 * MIB, "hotkit-abc-1")
    assert attachment(SLOW, [ours], BLOCK, "hotkit-abc-1").online_bytes == GIB
    with pytest.raises(PmemError, match="free in one piece"):
        attachment(SLOW, [ours], BLOCK, "hotkit-abc-2")


def test_without_labels_nothing_is_taken() -> None:
    with pytest.raises(PmemError, match="no labels") as caught:
        attachment(SLOW, [replace(REGION, labelled=False)], BLOCK, None)
    assert "init-labels" in caught.value.hint


def test_no_region_there() -> None:
    with pytest.raises(PmemError, match="no driver shows"):
        attachment(SLOW, [], BLOCK, None)
    elsewhere = replace(REGION, range=Range(8 * GIB, 9 * GIB))
    with pytest.raises(PmemError, match="no driver shows"):
        attachment(SLOW, [elsewhere], BLOCK, None)


def test_emulated_pmem_takes_its_region_whole() -> None:
    emulated = replace(SLOW, emulated=True, wanted_bytes=512 * MIB)
    found = attachment(emulated, [replace(REGION, labelled=False)], BLOCK, None)
    assert (found.namespace_bytes, found.online_bytes) == (None, 512 * MIB)


def test_the_json_form_goes_both_ways() -> None:
    assert SlowPmem.from_dict(SLOW.to_dict()) == SLOW
