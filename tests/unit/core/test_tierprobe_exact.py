"""The verdict on a slow tier to the last figure, and its JSON form key by key."""

import pytest

from hotkit.core.labels import label_of
from hotkit.core.tierprobe import TierProbe, TierRow, TierVerdict, compare, probe_from_events
from tests.unit.core.test_tierprobe import EMULATED, FAST, METAL, row

FIGURES = "140 against 90 ns a load (node 0), ratio 1.56, 1.53 to 1.70 over all repeats"


def test_every_field_of_a_verdict():
    far = row(2, [140, 150, 139], cpu_node=3)
    assert compare(row(1, [90, 88, 91], cpu_node=3), far, METAL) == TierVerdict(
        cpu_node=3, fast=1, slow=2, ratio=140 / 90, low=139 / 91, high=150 / 88, shown=True,
        sentence="Node 2 from the CPUs of node 3: shown to be slower. "
        + FIGURES.replace("(node 0)", "(node 1)") + ".",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("far", "near", "label", "shown", "sentence"),
    [
        (row(1, [140, 150, 139]), FAST, EMULATED, None,
         "not shown to be slower, and it cannot be: every access of an emulated CPU is software,"
         f" wherever the memory is. {FIGURES}."),
        (row(1, [140, 150, 139], there=97), FAST, METAL, None,
         f"not shown: 3 pages were not on the node asked for. {FIGURES}."),
        (row(1, [140, 150, 139]), row(0, [90, 88, 91], there=96), METAL, None,
         f"not shown: 4 pages were not on the node asked for. {FIGURES}."),
        (row(1, [140, 150, 139], there=97), row(0, [90, 88, 91], there=98), METAL, None,
         f"not shown: 5 pages were not on the node asked for. {FIGURES}."),
        (row(1, [109.9]), row(0, [100.0]), METAL, False,
         "not shown to be slower: that takes a ratio of 1.1 in every repeat. 110 against 100 ns a"
         " load (node 0), ratio 1.10, 1.10 to 1.10 over all repeats."),
        (row(1, [110.0]), row(0, [100.0]), METAL, True,
         "shown to be slower. 110 against 100 ns a load (node 0), ratio 1.10, 1.10 to 1.10 over"
         " all repeats."),
    ],
)  # fmt: skip
def test_why_a_tier_is_shown_to_be_slower_or_not(far, near, label, shown, sentence):
    found = compare(near, far, label)
    assert (found.shown, found.sentence) == (
        shown, f"Node 1 from the CPUs of node 0: {sentence}",
    )  # fmt: skip


EVENT = {
    "tiers": {
        "rows": [
            {"cpu_node": 0, "memory_node": 0, "latency_ns": [90.0, 88.0, 91.0],
             "read_mib_s": [9000.0, 9100.0], "pages": 100, "pages_on_node": 100},
            {"cpu_node": 0, "memory_node": 1, "latency_ns": [140.0, 150.0, 139.0],
             "read_mib_s": [4000.0], "pages": 120, "pages_on_node": 120},
        ],
        "bytes": 1 << 30,
        "llc_bytes": 32 << 20,
    },
    "says": [{"who": "hmat", "text": "x"}],
}  # fmt: skip


def test_what_an_agent_measured():
    probe = probe_from_events("m1", METAL, EVENT)
    assert probe == TierProbe(
        host="m1", label=METAL, bytes_probed=1 << 30, llc_bytes=32 << 20,
        says=({"who": "hmat", "text": "x"},),
        rows=(
            TierRow(cpu_node=0, memory_node=0, latency_ns=(90.0, 88.0, 91.0),
                    read_mib_s=(9000.0, 9100.0), pages=100, pages_on_node=100),
            TierRow(cpu_node=0, memory_node=1, latency_ns=(140.0, 150.0, 139.0),
                    read_mib_s=(4000.0,), pages=120, pages_on_node=120),
        ),
    )  # fmt: skip
    assert probe.to_dict() == {
        "platform": "metal",
        "bytes": 1 << 30,
        "llc_bytes": 32 << 20,
        "rows": EVENT["tiers"]["rows"],
        "verdicts": [
            {"cpu_node": 0, "fast": 0, "slow": 1, "ratio": 1.556, "ratio_low": 1.527,
             "ratio_high": 1.705, "shown_slower": True,
             "sentence": f"Node 1 from the CPUs of node 0: shown to be slower. {FIGURES}."},
        ],
        "says": [{"who": "hmat", "text": "x"}],
    }  # fmt: skip


def test_the_platform_is_a_plain_word():
    probe = probe_from_events("m1", label_of("virtual"), EVENT)
    assert type(probe.to_dict()["platform"]) is str
    assert probe.host == "m1" and probe.label.costs_hold_for_hardware


def test_nodes_with_cpus_come_in_the_order_of_their_numbers():
    rows = [row(node, [100 + node], cpu_node=cpus) for cpus in (2, 1, 0) for node in (0, 1, 2)]
    probe = TierProbe(host="h", label=METAL, rows=tuple(rows), bytes_probed=1, llc_bytes=None)
    assert [(item.cpu_node, item.fast, item.slow) for item in probe.verdicts] == [
        (0, 0, 1), (0, 0, 2), (1, 1, 0), (1, 1, 2), (2, 2, 0), (2, 2, 1),
    ]  # fmt: skip
