"""The forecast against machines that booted: QEMU, four machines, stock and in fifteen layouts.

tests/data/memory/boots.json is what their kernels said (Linux 6.1 of Debian, and the lab's own).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotkit.core import kernelhashes
from hotkit.core.bootmemory import Fit, Forecast, forecast
from hotkit.core.bootreference import BootReference, swiotlb_node
from hotkit.core.layout import Layout
from hotkit.core.ranges import Range, RangeSet
from hotkit.core.units import GIB, MIB
from hotkit.parse.bootreference import image_change, reference_from_facts
from hotkit.parse.meminfo import parse_meminfo
from hotkit.parse.observed import observe

BOOTS = json.loads((Path(__file__).parents[2] / "data" / "memory" / "boots.json").read_text())
NAMES = [f"{boot['machine']} {boot['layout']['cmdline']}" for boot in BOOTS["boots"]]
# What the kernel of the rows called "patched" is to the host before it is installed there.
COMING = "/boot/hotkit/vmlinuz-coming"


def reference(name: str) -> BootReference:
    found = reference_from_facts(BOOTS["stock"][name], host=name)
    assert found is not None
    return found


def forecast_of(boot: dict[str, Any]) -> Forecast:
    facts = dict(BOOTS["stock"][boot["machine"]])
    kernels = BOOTS["kernels"]
    facts["boot"] = {
        "kernel_init_bytes": {
            f"/boot/vmlinuz-{facts['kernel_release']}": kernels["stock_init_bytes"],
            COMING: kernels["patched_init_bytes"],
        }
    }
    coming = COMING if boot["patched"] else f"/boot/vmlinuz-{facts['kernel_release']}"
    return forecast(
        reference(boot["machine"]),
        Layout.from_dict(boot["layout"]),
        image_change_bytes=image_change(facts, coming),
    )


def sizes(facts: dict[str, Any]) -> dict[int, dict[str, int]]:
    return {int(node): parse_meminfo(item["meminfo"]) for node, item in facts["nodes"].items()}


@pytest.mark.parametrize("boot", BOOTS["boots"], ids=NAMES)
def test_memtotal_and_use_are_as_foretold(boot: dict[str, Any]) -> None:
    found = sizes(boot["facts"])
    said = forecast_of(boot)
    for node in said.nodes:
        total = found[node.node]["MemTotal"]
        assert abs(node.memtotal_bytes - total) < 0.01 * total, (node, total)
    used = sum(found[node.node]["MemTotal"] - found[node.node]["MemFree"] for node in said.nodes)
    assert said.used[0] <= used <= said.used[2]
    assert said.fit is not Fit.NO_BOOT


@pytest.mark.parametrize("boot", BOOTS["boots"], ids=NAMES)
def test_hash_tables_are_as_large_as_the_kernel_says(boot: dict[str, Any]) -> None:
    if boot["patched"]:
        return  # its configuration leaves tables out; the others hold for it as well
    ram = observe(boot["facts"]).system_ram
    assert ram is not None
    known = {table.name: table for table in kernelhashes.TABLES}
    compared = known.keys() & boot["hashes"].keys()
    assert compared >= {"Dentry cache", "Inode-cache", "TCP established", "TCP bind"}
    for name in compared:
        assert kernelhashes.entries(known[name], ram.size_bytes) == boot["hashes"][name], name


def test_hash_tables_of_the_captured_server() -> None:
    """128 and 64 MiB of dentries and inodes are in its vmallocinfo, 4 MiB of TCP."""
    tables = {table.name: kernelhashes.table_bytes(table, 256 * GIB)
              for table in kernelhashes.TABLES}  # fmt: skip
    assert tables["Dentry cache"] == 128 * MIB and tables["Inode-cache"] == 64 * MIB
    assert tables["TCP established"] == 4 * MIB


def test_one_node_takes_its_hashes_before_memtotal() -> None:
    assert kernelhashes.early_bytes(4 * GIB, 1) == 6 * MIB
    assert kernelhashes.early_bytes(4 * GIB, 2) == 0
    whole = kernelhashes.used_bytes(4 * GIB, 2)
    assert kernelhashes.used_bytes(4 * GIB, 1) == whole - 6 * MIB


def test_nr_cpus_frees_what_maxcpus_leaves() -> None:
    one = reference("one")
    boot = next(item for item in BOOTS["boots"] if "nr_cpus=2" in item["layout"]["args"]
                and item["machine"] == "one")  # fmt: skip
    layout = Layout.from_dict(boot["layout"])
    args = tuple("maxcpus=2" if arg == "nr_cpus=2" else arg for arg in layout.args)
    (few,), (many,) = forecast(one, layout).nodes, forecast(one, replace(layout, args=args)).nodes
    assert few.memtotal_bytes - many.memtotal_bytes == 6 * one.percpu_first_bytes


def test_a_machine_that_cannot_hold_what_booting_takes() -> None:
    boot = BOOTS["boots"][0]
    busy = replace(reference("small"), memfree={0: 0, 1: 0}, reclaimable_bytes=0)
    said = forecast(busy, Layout.from_dict(boot["layout"]))
    assert said.fit is Fit.NO_BOOT
    assert said.sentence.startswith("will not boot: 1410.4 MiB for the kernel to hand out")
    # Programs of users that have been there for days are no reason to refuse.
    held = busy.used_bytes - 300 * MIB
    old = replace(busy, programs_bytes=held, uptime_s=1e6)
    assert forecast(old, Layout.from_dict(boot["layout"])).fit is Fit.TIGHT


def test_the_whole_is_shared_out() -> None:
    for boot in BOOTS["boots"]:
        said = forecast_of(boot)
        assert all(0 <= node.used_bytes <= node.memtotal_bytes for node in said.nodes)
        assert sum(node.used_bytes for node in said.nodes) <= said.used[1]
        assert said.used[1] - sum(node.used_bytes for node in said.nodes) < len(said.nodes)
        changed = sum(term.change_bytes for term in said.terms)
        assert said.used[1] == reference(boot["machine"]).used_bytes + changed
        assert json.loads(json.dumps(said.to_dict()))["fit"] == str(said.fit)


def test_struct_pages_of_pmem_are_in_use() -> None:
    layout = Layout.from_dict(BOOTS["boots"][0]["layout"])
    small = reference("small")
    more = forecast(small, layout, pmem_pages_bytes=100 * MIB)
    assert more.used[1] - forecast(small, layout).used[1] == 100 * MIB


def test_bounce_buffers_lie_at_the_top_of_what_is_below_four_gib() -> None:
    def ram(*ranges: tuple[int, int]) -> RangeSet:
        return RangeSet.of(Range(start * MIB, end * MIB) for start, end in ranges)

    assert swiotlb_node({0: ram((0, 1024)), 1: ram((1024, 2048), (4096, 8192))}) == 1
    assert swiotlb_node({0: ram((0, 1024)), 1: ram((4096, 8192))}) == 0
    assert swiotlb_node({1: ram((4096, 8192))}) is None


def test_facts_that_do_not_show_enough() -> None:
    facts = dict(BOOTS["stock"]["small"])
    assert reference_from_facts(facts | {"iomem": "00000000-00000000 : System RAM\n"}) is None
    assert reference_from_facts(facts | {"nodes": {}}) is None
    assert image_change(facts, "/boot/vmlinuz-x") == 0
