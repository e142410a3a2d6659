"""What Linux 6.1 shows of lab-pmem's NVDIMMs: untouched, and with one as RAM beside somebody's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hotkit.core.pmem import Namespace
from hotkit.core.ranges import Range
from hotkit.core.units import GIB, MIB
from hotkit.parse.observed import observe
from hotkit.parse.pmem import dax_devices, memory_tiers, regions

DATA = Path(__file__).parents[2] / "data" / "facts"


def facts(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / f"lab-pmem-{name}.json").read_text())
    return found


def test_untouched() -> None:
    pmem = facts("stock")["pmem"]
    first, second = regions(pmem)
    assert first.range == Range(4 * GIB, 6 * GIB) and second.range.size_bytes == GIB
    assert first.labelled and first.largest_free_bytes == 2 * GIB and first.namespaces == ()
    assert dax_devices(pmem) == () and memory_tiers(pmem) == ((4, (0, 1)),)


def test_attached() -> None:
    observed = observe(facts("attached"))
    (device,) = observed.dax
    assert (device.driver, device.node, device.online_bytes) == ("kmem", 2, GIB)
    assert observed.block_bytes == 128 * MIB and observed.demotion is False
    assert observed.tier_of(2) == 22 and observed.tier_of(0) == 4 and observed.tier_of(3) is None
    assert observed.distance(0, 2) == 17 and observed.distance(0, 3) is None
    first, _ = regions(facts("attached")["pmem"])
    assert first.namespaces == (
        Namespace(name="namespace0.0", size_bytes=256 * MIB, mode="raw", alt_name="theirs"),
        Namespace(name="namespace0.1", size_bytes=1168 * MIB, mode="dax", alt_name="hotkit-x"),
    )


def test_facts_of_before_hold_no_pmem() -> None:
    assert regions({}) == () and dax_devices({}) == () and memory_tiers({}) == ()


def test_a_region_whose_address_is_hidden_is_left_out() -> None:
    pmem = facts("stock")["pmem"]
    pmem["regions"][0] |= {"start": 0, "size": 0}
    assert [item.name for item in regions(pmem)] == ["region1"]
