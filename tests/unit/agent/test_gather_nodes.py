"""Free pages that MemFree does not count: what /proc/zoneinfo shows of CPUs' lists."""

from __future__ import annotations

from pathlib import Path

from hotkit.agent.gather import nodes, pages_on_cpu_lists

ZONEINFO = """\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 12
  pages free     2814
        managed  3840
  pagesets
    cpu: 0
              count: 0
              high:  0
    cpu: 1
              count: 5
  vm stats threshold: 10
Node 0, zone    DMA32
  pagesets
    cpu: 0
              count: 300
Node 1, zone   Normal
  pagesets
    cpu: 0
              count: 7
"""


def test_counted_per_node_over_zones_and_cpus() -> None:
    assert pages_on_cpu_lists(ZONEINFO) == {"0": 305, "1": 7}
    assert pages_on_cpu_lists("") == {}
    assert pages_on_cpu_lists("Node 0, zone DMA\n count:\n count: x y\n") == {}


def test_this_machine_counts_its_own() -> None:
    """The kernel moves pages between list and zone all the time: only the size is looked at."""
    assert Path("/proc/zoneinfo").exists()
    found = nodes()
    assert found
    for item in found.values():
        assert 0 <= item["cpu_lists_bytes"] < 4 << 30
