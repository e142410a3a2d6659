"""A capture of single files as the ground of a forecast: whole, without nodes, of two boots."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotkit.core.memfacts import Zone
from hotkit.core.units import GIB, MIB, PAGE_BYTES
from hotkit.parse.bootcapture import reference_from_capture
from tests.unit.machines import CAPTURE, captured
from tests.unit.memories import captured_facts

TEXTS = {path.stem: path.read_text() for path in sorted(CAPTURE.glob("*.txt"))}
NODES = {
    0: {"MemTotal": 120 * GIB, "MemFree": 100 * GIB},
    1: {"MemTotal": 128 * GIB, "MemFree": 127 * GIB},
}
BARE = replace(captured_facts(), nodes={})


def test_what_the_nodes_say_counts():
    facts = replace(BARE, nodes=NODES | {7: {"MemTotal": 1}}, uptime_s=61.0, kernel_release="6.1")
    found = reference_from_capture(facts, captured(), TEXTS)
    assert found.memtotal == {0: 120 * GIB, 1: 128 * GIB}
    assert found.memfree == {0: 100 * GIB, 1: 127 * GIB}
    assert (found.uptime_s, found.kernel_release, found.cpus_online) == (61.0, "6.1", 144)
    assert {node: ram.size_bytes // GIB for node, ram in found.ram.items()} == {0: 127, 1: 128}
    meminfo = facts.meminfo
    assert found.programs_bytes == meminfo["AnonPages"] + meminfo["Shmem"]


def test_pages_that_cpus_keep_are_free():
    zones = [Zone(node=0, name=name, free=1, present=1, managed=1, low=1, per_cpu_free=pages)
             for name, pages in (("Normal", 3), ("DMA32", 4))]  # fmt: skip
    facts = replace(BARE, nodes=NODES, zones=tuple(zones))
    found = reference_from_capture(facts, captured(), {})
    assert found.memfree == {0: 100 * GIB + 7 * PAGE_BYTES, 1: 127 * GIB}


def table(*rows):
    lines = [f"available: {len(rows)} nodes (0-{len(rows) - 1})"]
    for node, (size, free) in enumerate(rows):
        lines += [f"node {node} cpus: {node}", f"node {node} size: {size} MB"]
        lines += [f"node {node} free: {free} MB"]
    return "\n".join(lines) + "\n"


def facts_of(total_mib, free_mib):
    meminfo = {"MemTotal": total_mib * MIB, "MemFree": free_mib * MIB}
    return replace(BARE, meminfo=meminfo, zones=None)


def test_a_table_of_another_moment_shares_out_what_meminfo_says():
    # 300 of 1000 MiB were in use at the table's moment, 150 are now: half of it on each node.
    found = reference_from_capture(
        facts_of(1001, 851), captured(), {"numactl-later": table((600, 400), (400, 300))}
    )
    assert found.memtotal == {0: 600 * MIB, 1: 400 * MIB}
    used = {node: found.memtotal[node] - found.memfree[node] for node in (0, 1)}
    assert used == {0: 100 * MIB, 1: 50 * MIB}


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"numactl": "rubbish"},
        {"meminfo": table((600, 400), (400, 300))},  # not by its name
        {"numactl": table((600, 400), (500, 300))},  # another boot: more than MemTotal
        {"numactl": table((600, 400), (300, 200))},  # another boot: far less
        {"numactl": table((600, 600), (400, 400))},  # nothing is in use
        {"numactl": table((1000, 700))},  # nothing of node 1
    ],
)
def test_without_a_table_that_fits_there_is_no_ground(texts):
    assert reference_from_capture(facts_of(1001, 851), captured(), texts) is None


def test_a_table_that_cannot_be_read_hides_no_other():
    texts = {"numactl-a": "rubbish", "numactl-b": table((600, 400), (400, 300))}
    assert reference_from_capture(facts_of(1001, 851), captured(), texts) is not None
