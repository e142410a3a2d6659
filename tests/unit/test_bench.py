"""tools/bench: what scan-rate makes of the measurements that it was told."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def scanrate(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    from bench import scanrate

    return scanrate


def said(idle_ms):
    """256 MiB; the time of a round per side, and twice that in the second pair."""
    machine = {"platform": "emulated", "kernel_release": "6.1-hotkit", "python": "3.11.2"}
    yield {"machine": machine, "memory": "4k", "bytes": 1 << 28, "huge_bytes": 0}
    sides = {
        "idlepage": {"scan": idle_ms, "pages": 900, "snapshot": 100, "span": 200},
        "softdirty": {"SoftDirty.look": 12, "softdirty": 10},
        "frames": {"frames_of": 50, "frames": 10},
    }
    for pair in (1, 2):
        for reader, times in sides.items():
            for side, ms in times.items():
                cpu_ns = ms * 1_000_000 * pair
                yield {"reader": reader, "side": side, "cpu_ns": cpu_ns, "pages": 65536}


@pytest.mark.parametrize(("idle_ms", "within"), [(100, True), (150, True), (151, False)])
def test_the_reference_is_the_fastest_and_the_bound_holds_for_two_readers(
    scanrate, idle_ms, within
):
    idle, soft, frames = scanrate.results(list(said(idle_ms)))
    assert (idle.reference, idle.within) == ("wss snapshot", within)
    assert idle.median == pytest.approx(idle_ms / 100)
    assert soft.ratios == pytest.approx((1.2, 1.2)) and soft.within
    assert soft.theirs == pytest.approx((0.25 / 0.01 + 0.25 / 0.02) / 2)
    assert frames.median == pytest.approx(5) and frames.within and frames.bound is None


def test_the_page_carries_the_label(scanrate):
    lines = list(said(151))
    page = scanrate.page(list(scanrate.results(lines)), [lines])
    assert page.startswith("## Scan rate (emulated)\n")
    assert "6.1-hotkit" in page and "MORE than 1.5" in page
    assert scanrate.DOCS.read_text().count(scanrate.BEGIN) == 1
    assert scanrate.DOCS.read_text().count(scanrate.END) == 1
    assert sys.modules["bench"].__path__ == [str(ROOT / "tools" / "bench")]
