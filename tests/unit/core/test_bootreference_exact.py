"""What a machine was like once it had booted: a made one, each figure worked out by hand."""

from dataclasses import replace

import pytest

from hotkit.core import kernelhashes
from hotkit.core.bootreference import NODE_DATA_BYTES, highest, kept, swiotlb_node
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.units import GIB, MIB
from tests.unit.core.test_bootmemory_exact import MADE, REST_0, REST_1, ram


def test_nodes_with_dram_whose_sizes_are_known():
    assert MADE.nodes == (0, 1)
    assert MADE.ram_bytes == 8 * GIB
    assert MADE.used_bytes == (700 + 300) * MIB
    # Node 2 has PMEM only, of 3 and 4 one size is missing: in whatever order they are told.
    more = replace(
        MADE,
        ram={4: ram((9000, 9100)), 3: ram((8192, 8200)), 2: RangeSet(), **dict(
            reversed(MADE.ram.items()))},
        memtotal={**MADE.memtotal, 2: 5 * MIB, 3: 5 * MIB},
        memfree={**MADE.memfree, 2: 0, 4: 5 * MIB},
    )  # fmt: skip
    assert (more.nodes, more.ram_bytes, more.used_bytes) == ((0, 1), 8 * GIB, 1000 * MIB)


def test_what_boot_code_kept_beyond_what_is_computed():
    """Of 4 GiB each: 64 MiB of struct pages, the kernel, bounce buffers and per-CPU areas."""
    assert [MADE.residual(node) for node in (0, 1)] == [REST_0, REST_1]


def test_a_node_keeps_the_per_cpu_areas_of_its_own_cpus():
    moved = replace(MADE, cpu_nodes={0: 0, 1: 0, 2: 0, 3: 1})
    assert [moved.residual(node) for node in (0, 1)] == [REST_0 - MIB, REST_1 + MIB]


@pytest.mark.parametrize(
    ("image_at", "node"),
    [(0, 0), (4 * GIB - 4096, 0), (4 * GIB, 1), (8 * GIB - 4096, 1), (8 * GIB, None), (None, None)],
)
def test_the_kernel_is_on_the_node_where_it_began(image_at, node):
    moved = replace(MADE, image_at=image_at)
    assert moved.residual(0) == REST_0 + (0 if node == 0 else 50 * MIB)
    assert moved.residual(1) == REST_1 - (50 * MIB if node == 1 else 0)


def test_a_node_alone_takes_early_hashes_and_all_that_is_at_the_top():
    alone = replace(MADE, ram={0: MADE.ram[0], 1: RangeSet()})
    early = kernelhashes.early_bytes(4 * GIB, 1)
    assert early > 0
    assert alone.residual(0) == REST_0 - early
    assert alone.top_bytes == 0


def test_what_lies_at_the_highest_ram_is_more_than_a_node_needs():
    assert MADE.top_bytes == REST_1 - NODE_DATA_BYTES
    turned = replace(MADE, ram={1: MADE.ram[0], 0: MADE.ram[1]}, memtotal={1: 3700 * MIB,
                                                                        0: 3900 * MIB})  # fmt: skip
    assert turned.top_bytes == turned.residual(0) - NODE_DATA_BYTES > 0
    # A node that keeps no more than its own data.
    for spare in (0, 1, -1):
        total = MADE.memtotal[1] + REST_1 - NODE_DATA_BYTES - spare
        found = replace(MADE, memtotal={**MADE.memtotal, 1: total}).top_bytes
        assert found == max(0, spare)


def test_the_highest_ram_need_not_be_on_the_last_node():
    nodes = {0: ram((0, 1), (90, 91)), 1: ram((10, 80)), 2: RangeSet()}
    assert highest(nodes) == 0
    with pytest.raises(ValueError):
        highest({2: RangeSet()})


def test_what_is_computed():
    """One section touched: 2 MiB of struct pages."""
    found = kept(ram((0, 1)), image=3, swiotlb=50, percpu=700, early=11000)
    assert found == 2 * MIB + 11753


def test_bounce_buffers_are_below_four_gib():
    page = 4096
    below = {3: RangeSet((Range(4 * GIB - page, 4 * GIB + page),)), 1: ram((0, 4095))}
    assert swiotlb_node(below) == 3
    above = {3: RangeSet((Range(4 * GIB, 5 * GIB),)), 0: ram((0, 1), (64, 65)), 1: ram((8, 9))}
    assert swiotlb_node(above) == 0
    assert swiotlb_node({3: above[3]}) is None
