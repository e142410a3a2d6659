"""When a slow tier is called slower, and when it is not."""

import pytest

from hotkit.core.labels import label_of
from hotkit.core.tierprobe import TierProbe, TierRow, compare, nearest

METAL = label_of("metal")
EMULATED = label_of("emulated")


def row(node, latency, cpu_node=0, there=100):
    return TierRow(
        cpu_node=cpu_node, memory_node=node, latency_ns=tuple(latency), read_mib_s=(9000.0,),
        pages=100, pages_on_node=there,
    )  # fmt: skip


FAST = row(0, [90, 88, 91])


def test_slower_in_every_repeat_is_shown():
    found = compare(FAST, row(1, [140, 150, 139]), METAL)
    assert found.shown is True
    assert found.ratio == pytest.approx(140 / 90)
    assert (found.low, found.high) == (139 / 91, 150 / 88)
    assert "shown to be slower" in found.sentence and "not shown" not in found.sentence
    assert "140 against 90 ns" in found.sentence


@pytest.mark.parametrize("latency", [[140, 90, 150], [92, 93, 95], [50, 51, 52]])
def test_overlap_a_few_percent_and_faster_are_not(latency):
    found = compare(FAST, row(1, latency), METAL)
    assert found.shown is False
    assert "not shown to be slower" in found.sentence


def test_emulation_shows_nothing_whatever_it_measured():
    found = compare(FAST, row(1, [900, 901, 902]), EMULATED)
    assert found.shown is None
    assert "not shown to be slower, and it cannot be" in found.sentence


def test_pages_elsewhere_show_nothing():
    found = compare(FAST, row(1, [900, 901, 902], there=97), METAL)
    assert found.shown is None
    assert "3 pages were not on the node asked for" in found.sentence


def test_nearest_is_the_own_node_else_the_fastest():
    assert nearest(0, [row(1, [50]), FAST]) is FAST
    far = row(3, [200], cpu_node=1)
    near = row(2, [100], cpu_node=1)
    assert nearest(1, [far, near]) is near


def test_every_cpu_node_has_its_own_verdicts():
    rows = (FAST, row(1, [150]), row(0, [150], cpu_node=1), row(1, [90], cpu_node=1))
    probe = TierProbe(host="h", label=METAL, rows=rows, bytes_probed=1 << 30, llc_bytes=None)
    assert [(v.cpu_node, v.fast, v.slow, v.shown) for v in probe.verdicts] == [
        (0, 0, 1, True),
        (1, 1, 0, True),
    ]
    document = probe.to_dict()
    assert document["platform"] == "metal"
    assert [item["shown_slower"] for item in document["verdicts"]] == [True, True]
