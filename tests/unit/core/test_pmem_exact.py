"""PMEM as the slow tier to the byte, and every refusal with its advice."""

from dataclasses import replace

import pytest

from hotkit.core.pmem import (
    Attachment,
    Namespace,
    PmemError,
    attachment,
    memory_block_bytes,
    namespace_bytes,
    online_bytes,
    room_bytes,
)
from hotkit.core.ranges import Range
from hotkit.core.units import GIB, MIB
from tests.unit.core.test_pmem_sizes import BLOCK, REGION, SLOW, taken

OURS = "hotkit-abc-1"


@pytest.mark.parametrize(
    ("ram_end", "metal", "virtual"),
    [
        (0, 128 * MIB, 128 * MIB),
        (64 * GIB - 4096, 128 * MIB, 128 * MIB),
        (64 * GIB, 2 * GIB, 2 * GIB),
        (65 * GIB, 2 * GIB, GIB),
        (64 * GIB + 512 * MIB, 2 * GIB, 512 * MIB),
        (64 * GIB + 128 * MIB, 2 * GIB, 128 * MIB),
        (64 * GIB + 4096, 2 * GIB, 128 * MIB),
    ],
)
def test_a_memory_block_as_the_kernel_probes_it(ram_end, metal, virtual):
    assert memory_block_bytes(ram_end, virtual=False) == metal
    assert memory_block_bytes(ram_end, virtual=True) == virtual
    # Records carry it: no 1073741824.0.
    assert type(memory_block_bytes(ram_end, virtual=True)) is int


@pytest.mark.parametrize(
    ("where", "room"),
    [
        # The info block ends where a memory block begins.
        (Range(BLOCK - 2 * MIB, 2 * BLOCK), BLOCK),
        (Range(BLOCK - 2 * MIB + 4096, 3 * BLOCK), BLOCK),
        (Range(BLOCK - 2 * MIB, 3 * BLOCK - 4096), BLOCK),
        # Not a block in it, and less than none.
        (Range(MIB, 2 * MIB), 0),
        (Range(BLOCK, 2 * BLOCK), 0),
    ],
)
def test_whole_blocks_behind_the_info_block(where, room):
    assert room_bytes(where, BLOCK) == online_bytes(where, None, BLOCK) == room
    assert online_bytes(where, 8 * BLOCK, BLOCK) == room
    assert online_bytes(where, BLOCK - 1, BLOCK) == 0


def test_a_namespace_to_the_byte():
    assert namespace_bytes(None, GIB, BLOCK, MIB) == GIB + BLOCK + 2 * MIB
    # 2 MiB of info block are enough where a memory block begins behind them.
    assert namespace_bytes(BLOCK - 2 * MIB, GIB, BLOCK, MIB) == GIB + 2 * MIB
    assert namespace_bytes(BLOCK - 2 * MIB, GIB, BLOCK, 16 * MIB) == GIB + 16 * MIB
    assert namespace_bytes(0, GIB, BLOCK, MIB) == GIB + BLOCK


def test_an_attachment_in_json():
    found = attachment(SLOW, [REGION], BLOCK, None)
    assert found == Attachment(
        region=REGION, namespace_bytes=1152 * MIB, online_bytes=GIB, block_bytes=BLOCK
    )
    assert found.to_dict() == {
        "region": "region0", "range": [4 * GIB, 6 * GIB], "namespace_bytes": 1152 * MIB,
        "online_bytes": GIB, "block_bytes": BLOCK,
    }  # fmt: skip


def test_emulated_pmem_is_the_first_region_in_its_range():
    emulated = replace(SLOW, emulated=True)
    other = replace(REGION, name="region9", range=Range(0, GIB))
    second = replace(REGION, name="region1", largest_free_bytes=4 * GIB)
    found = attachment(emulated, [other, REGION, second], BLOCK, OURS)
    assert found == Attachment(
        region=REGION, namespace_bytes=None, online_bytes=GIB, block_bytes=BLOCK
    )


def test_the_region_that_we_have_is_taken_else_the_one_with_most_room():
    roomy = replace(REGION, name="region1", largest_free_bytes=2 * GIB + MIB)
    assert attachment(SLOW, [REGION, roomy], BLOCK, OURS).region is roomy
    mine = taken(1152 * MIB, OURS)
    for regions in ([mine, roomy], [roomy, mine]):
        assert attachment(SLOW, regions, BLOCK, OURS).region is mine
        assert attachment(SLOW, regions, BLOCK, None).region is roomy


def test_a_namespace_of_ours_has_the_size_that_it_was_made_with():
    """1152 MiB from the region's start, as if the namespace were not there yet."""
    assert attachment(SLOW, [taken(1152 * MIB, OURS)], BLOCK, OURS).namespace_bytes == 1152 * MIB
    theirs = Namespace(name="namespace0.1", size_bytes=GIB, mode="fsdax", alt_name="")
    mine = taken(1152 * MIB, OURS)
    both = replace(mine, namespaces=(*mine.namespaces, theirs), largest_free_bytes=0)
    # Wherever it begins: 2 MiB of info block and a memory block in which the first may begin.
    assert attachment(SLOW, [both], BLOCK, OURS).namespace_bytes == GIB + BLOCK + 16 * MIB


def test_exactly_as_much_as_is_needed_may_be_free():
    least = replace(REGION, largest_free_bytes=1152 * MIB)
    assert attachment(SLOW, [least], BLOCK, None).namespace_bytes == 1152 * MIB


TAKEN = replace(
    taken(256 * MIB),
    namespaces=(
        Namespace(name="namespace0.0", size_bytes=256 * MIB, mode="raw", alt_name="x"),
        Namespace(name="namespace0.1", size_bytes=GIB, mode="fsdax", alt_name=""),
    ),
    largest_free_bytes=768 * MIB,
)
LESS = "ask for less (slow.size), or free it: hotkit touches no namespace of others"


@pytest.mark.parametrize(
    ("slow", "region", "sentence", "hint"),
    [
        (SLOW, replace(REGION, range=Range(0, 4 * GIB)),
         "no driver shows an NVDIMM region at [mem 0x100000000-0x17fffffff]",
         "modprobe nfit, and look at what ndctl list -R says"),
        (replace(SLOW, emulated=True), replace(REGION, range=Range(6 * GIB, 8 * GIB)),
         "no driver shows an NVDIMM region at [mem 0x100000000-0x17fffffff]",
         "modprobe nd_e820, or a kernel with CONFIG_X86_PMEM_LEGACY"),
        (SLOW, replace(REGION, labelled=False),
         "region0 has no labels: all of it is one namespace, which may hold data",
         "when it holds none: ndctl disable-region, init-labels and enable-region"),
        (SLOW, replace(REGION, largest_free_bytes=1152 * MIB - 1),
         "region0 has 1152.0 MiB free in one piece, 1152 MiB are needed; taken: nobody knows by"
         " whom", LESS),
        (SLOW, TAKEN,
         "region0 has 768 MiB free in one piece, 1168 MiB are needed; taken: namespace0.0 (raw,"
         " 256 MiB), namespace0.1 (fsdax, 1 GiB)", LESS),
    ],
)  # fmt: skip
def test_refusals_in_full(slow, region, sentence, hint):
    with pytest.raises(PmemError) as caught:
        attachment(slow, [region], BLOCK, OURS)
    assert (str(caught.value), caught.value.args, caught.value.hint) == (
        sentence, (sentence,), hint,
    )  # fmt: skip
