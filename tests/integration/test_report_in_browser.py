"""The HTML report as a reader sees it, in headless Chromium: complete, readable, asking nobody."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pypdf import PdfReader

from hotkit.report.sweephtml import html
from hotkit.sweep.folder import SweepResult
from hotkit.sweep.report import read_sweep
from tests.integration.chromium import Browser, chromium
from tests.unit.guestsweeps import ARMS, GUEST, as_told
from tests.unit.sweepfolders import FAST, IDLE, SLOW, SOFTDIRTY, make_sweep

HEADINGS = [
    "Slow-down", "Overhead per sample", "Fixed and per-sample cost",
    "Accuracy against ground truth", "Accuracy against cost", "Counters that moved", "The session",
    "Environment",
]  # fmt: skip
LONG_LINE = "BOOT_IMAGE=/boot/vmlinuz-6.1.192 root=UUID=1 " + "memmap=127796M$5324M," * 20
LONG_NAME = {**SLOW, "name": "slow-with-a-name-of-thirty-two-ch"}
# As wide as A4 without margins of 1 cm, at 96 px per inch.
PAPER_PX = 718
VIEWS = {
    "screen": {"width": 1280},
    "dark": {"width": 1280, "scheme": "dark"},
    "telephone": {"width": 400},
    "dark telephone": {"width": 400, "scheme": "dark"},
    "paper": {"width": PAPER_PX, "media": "print"},
    "paper of a dark screen": {"width": PAPER_PX, "media": "print", "scheme": "dark"},
}
CASES = {
    "emulated": {"arms": (SOFTDIRTY, IDLE, SLOW, FAST)},
    "virtual, nested": {
        "arms": (SOFTDIRTY, IDLE, LONG_NAME, FAST), "platform": "virtual", "nested": True,
        "cmdline": LONG_LINE, "cpus": list(range(144)),
    },
    "metal": {"platform": "metal", "scale": 0.0},
    "untrusted": {"arms": (SOFTDIRTY, IDLE, SLOW, FAST), "shift": 0.2},
    "in a guest": {"arms": ARMS, "guest": GUEST, "nested": True, "as_told": as_told},
    "measured, untrusted": None,
}  # fmt: skip
# Not made up: a whole sweep as it was measured (tests/data/sweeps/README.md).
MEASURED = Path(__file__).resolve().parents[1] / "data" / "sweeps" / "off-runs-apart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    label: str
    result: SweepResult
    file: Path


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="module", params=CASES)
def page(request, tmp_path_factory) -> Page:
    folder = tmp_path_factory.mktemp("page")
    made_up = CASES[request.param]
    result = read_sweep(MEASURED if made_up is None else make_sweep(folder / "sweep", **made_up))
    file = folder / "sweep.html"
    file.write_text(html(result))
    assert result.analysis.trusted == ("untrusted" not in request.param)
    return Page(label=str(result.label), result=result, file=file)


def test_nothing_is_missing(browser, page):
    browser.open(page.file)
    said = browser.look(width=1280)
    headings = [section["heading"] for section in said["sections"]]
    assert [heading for heading in headings if heading in HEADINGS] == HEADINGS
    assert headings[-1] == f"To run it again ({page.label})"
    assert all(f"({page.label})" in table["caption"] for table in said["tables"])
    title = "NOT TRUSTWORTHY" if page.result.analysis.untrusted else ""
    assert f"{title} [{page.label}]".strip() in said["text"]

    arms = {arm.arm for arm in page.result.analysis.arms}
    rows = {table["section"]: table["names"] for table in said["tables"]}
    assert set(rows["slow-down"]) == arms and len(rows["slow-down"]) == len(arms)
    assert set(rows["accuracy"]) == arms
    assert {"label", "kernel", "command line"} <= set(rows["environment"])
    assert ("per-sample" in rows) == page.result.analysis.trusted
    if page.result.analysis.trusted:
        both = {it.arm for it in page.result.analysis.arms if it.accuracy and it.accuracy.top}
        assert set(rows["per-sample"]) == arms
        assert set(rows["accuracy-cost"]) == both and len(both) >= 2

    drawn = [figure["section"] for figure in said["figures"]]
    told = ["slow-down", "per-sample", "accuracy-cost"] if page.result.analysis.trusted else []
    assert {*told, "session"} <= set(drawn)
    for figure in said["figures"]:
        assert figure["width"] > 500 and figure["height"] > 100 and figure["marks"] >= 10
        assert figure["clash"] == []


@pytest.mark.parametrize("view", VIEWS)
def test_everything_can_be_read(browser, page, view):
    """At any width, in light and dark, on paper: nothing cut, hidden, pale or broken in words."""
    browser.open(page.file)
    said = browser.look(**VIEWS[view])
    assert said["page"]["scroll"] <= said["page"]["client"]
    assert (said["cut"], said["invisible"], said["broken"]) == ([], [], [])
    assert said["pale"] == []
    dark = "dark" in view and "paper" not in view
    assert (max(said["background"][:3]) < 64) == dark
    if "paper" in view:
        assert said["background"][:3] == [255, 255, 255]
    assert min(figure["smallest"] for figure in said["figures"]) >= 10


def test_it_asks_nobody_and_complains_of_nothing(browser, page):
    browser.open(page.file)
    for view in VIEWS.values():
        browser.look(**view)
    assert browser.requests() == [page.file.as_uri()]
    assert browser.complaints() == []


def test_it_prints(browser, page):
    """All of it is on paper, as text."""
    browser.open(page.file)
    found = PdfReader(io.BytesIO(browser.print()))
    assert 2 <= len(found.pages) <= 12
    texts = [_plain(sheet.extract_text()) for sheet in found.pages]
    assert min(map(len, texts)) > 20  # no sheet is empty
    whole = "".join(texts)
    manifest = page.result.manifest
    for words in (*HEADINGS, *manifest["sha256"].values(), page.result.machine["cmdline"]):
        assert _plain(words) in whole
    for arm in page.result.analysis.arms:
        assert _plain(f"{arm.arm}") in whole


def _plain(text: str) -> str:
    """Without spaces and line ends, which a PDF puts where a line was broken, nor ligatures."""
    return re.sub(r"\s+", "", text).replace("ﬀ", "ff").replace("ﬁ", "fi").replace("ﬂ", "fl")


def test_these_tests_find_what_is_wrong(browser, tmp_path):
    """The same instruments on a page that has every fault."""
    file = tmp_path / "bad.html"
    file.write_text(
        "<script>console.error('oh')</script>"
        "<body style='background: #fff; color: #222; line-height: 20px'>"
        "<section id=s><h2>S</h2><svg width=100 height=20>"
        "<text x=90 y=15>at the edge</text><text x=92 y=15>on it</text></svg>"
        "<p style='color: #888'>pale</p><p style='visibility: hidden'>hidden</p>"
        "<div style='width: 40px; overflow: hidden; white-space: nowrap'>a line that is cut</div>"
        "<p style='width: 20px; overflow-wrap: anywhere'>broken</p>"
        "<div style='width: 3000px'>wide</div></section>"
        "<img src='http://127.0.0.1:9/one.png'>"
    )
    browser.open(file)
    said = browser.look(width=1280)
    assert said["page"]["scroll"] > said["page"]["client"]
    assert {"at the edge", "a line that is cut"} <= set(said["cut"])
    assert said["invisible"] == ["hidden"] and said["broken"] == ["broken"]
    assert [word for word in said["pale"] if word.endswith(": pale")] != []
    assert said["figures"][0]["clash"] == ["at the edge / on it"]
    assert browser.requests() == [file.as_uri(), "http://127.0.0.1:9/one.png"]
    complaints = browser.complaints()
    assert any("oh" in line for line in complaints)
    assert any("one.png" in line for line in complaints)
