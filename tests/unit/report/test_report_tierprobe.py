"""What `hotkit verify --probe` prints, from plain values."""

import io

from rich.console import Console

from hotkit.core.labels import label_of
from hotkit.core.tierprobe import probe_from_events
from hotkit.report.tierprobe import probe_block


def printed(platform, *, size=1 << 30, llc=32 << 20, nodes=(0, 1)):
    event = {
        "tiers": {
            "bytes": size,
            "llc_bytes": llc,
            "rows": [
                {
                    "cpu_node": 0, "memory_node": node, "latency_ns": [90.0 + 60 * node] * 3,
                    "read_mib_s": [9000.0 / (1 + node)] * 3, "pages": 100, "pages_on_node": 100,
                }
                for node in nodes
            ],
        },
        "says": [
            {"what": "sub-NUMA clustering", "finding": "no", "evidence": "package 0: node0"},
            {"what": "HMAT", "finding": "unknown", "evidence": "the machine does not say"},
        ],
    }  # fmt: skip
    out = io.StringIO()
    probe = probe_from_events("tier1", label_of(platform), event)
    Console(file=out, width=110, highlight=False).print(probe_block(probe))
    return " ".join(out.getvalue().split())


def test_metal():
    said = printed("metal")
    assert "tier1: memory as one CPU sees it [metal], 1 GiB" in said
    assert "node 1 │ 150.0 │ 150.0 to 150.0 │ 4500 │ all" in said
    assert "Node 1 from the CPUs of node 0: shown to be slower." in said
    assert "sub-NUMA clustering: no (package 0: node0)" in said
    assert "HMAT: the machine does not say" in said


def test_emulated_shows_nothing():
    said = printed("emulated")
    assert "[emulated]" in said and "not shown to be slower, and it cannot be" in said


def test_a_footprint_inside_the_cache_is_told():
    assert "fit the last-level cache (2 GiB)" in printed("metal", llc=2 << 30)
    assert "fit the last-level cache" not in printed("metal")


def test_one_node():
    assert "no other tier to compare it with" in printed("metal", nodes=(0,))
