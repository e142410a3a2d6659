"""The page of a sweep of several parts in headless Chromium: folded, unfolded, on paper."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pypdf import PdfReader

from hotkit.report.grouphtml import group_html
from hotkit.sweep.group import SweepGroup, load_group
from tests.integration.chromium import Browser, chromium
from tests.integration.test_report_in_browser import _plain
from tests.unit.sweepfolders import FAST, SLOW, SOFTDIRTY, make_group

VIEWS = {
    "screen": {"width": 1280},
    "dark": {"width": 1280, "scheme": "dark"},
    "telephone": {"width": 400},
    "paper": {"width": 718, "media": "print"},
}
LAYOUTS = ("4C16G-remote", "36C144G-remote-with-a-long-name")
CHANGE = {
    "tier1.example.org-36C144G-remote-with-a-long-name-hotset-boot1": None,
    "tier2-36C144G-remote-with-a-long-name-hotset-boot0": {"shift": 0.2},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    group: SweepGroup
    file: Path


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Page:
    """Two hosts, two layouts, two boots: 8 parts, one not there, one not to be trusted."""
    folder = tmp_path_factory.mktemp("page")
    group = load_group(
        make_group(
            folder / "sweep", hosts=("tier1.example.org", "tier2"), layouts=LAYOUTS, boots=2,
            change=CHANGE, arms=(SOFTDIRTY, SLOW, FAST),
        )
    )  # fmt: skip
    file = folder / "group.html"
    file.write_text(group_html(group))
    return Page(group=group, file=file)


def test_folded_it_shows_what_the_parts_say_together(browser, page):
    browser.open(page.file)
    text = browser.look(width=1280)["text"]
    trusted = sum(part.trusted for part in page.group.parts)
    assert f"{trusted} of 8 parts are trustworthy" in text
    for column in page.group.columns:
        assert f"{column.layout} / hotset" in text
    for part in page.group.parts:
        assert f"{part.name}: " in text
    # The parts' own reports are there for who opens them.
    assert "Counters that moved" not in text
    browser.unfold()
    unfolded = browser.look(width=1280)["text"]
    assert unfolded.count("Counters that moved\n") == 7
    assert len(unfolded) > 3 * len(text)


@pytest.mark.parametrize("view", VIEWS)
def test_unfolded_everything_can_be_read(browser, page, view):
    browser.open(page.file)
    browser.unfold()
    said = browser.look(**VIEWS[view])
    assert said["page"]["scroll"] <= said["page"]["client"]
    assert (said["cut"], said["invisible"], said["broken"], said["pale"]) == ([], [], [], [])
    assert min(figure["smallest"] for figure in said["figures"]) >= 10
    assert [figure["clash"] for figure in said["figures"] if figure["clash"]] == []
    drawn = [figure["section"] for figure in said["figures"]]
    assert {"column0", "column1", "part0-slow-down", "part0-session"} <= set(drawn)
    assert all("(emulated)" in table["caption"] for table in said["tables"])


def test_it_asks_nobody_and_complains_of_nothing(browser, page):
    browser.open(page.file)
    browser.unfold()
    browser.look(width=1280)
    assert browser.requests() == [page.file.as_uri()]
    assert browser.complaints() == []


def test_on_paper_every_part_is_there_though_nobody_unfolded_it(browser, page):
    browser.open(page.file)
    found = PdfReader(io.BytesIO(browser.print()))
    whole = _plain("".join(sheet.extract_text() for sheet in found.pages))
    assert whole.count(_plain("Counters that moved, mean per run")) == 7
    for part in page.group.parts:
        if part.result:
            assert part.result.manifest["sha256"]["schedule"] in whole


def test_the_recorded_sweep_of_all_trackers(browser):
    """docs/examples/trackers.html, as `make soak CAMPAIGN=tracker-sweep` left it."""
    file = Path(__file__).resolve().parents[2] / "docs/examples/trackers.html"
    browser.open(file)
    browser.unfold()
    said = browser.look(width=1280)
    assert (said["cut"], said["invisible"], said["broken"], said["pale"]) == ([], [], [], [])
    evidence = json.loads((file.parents[1] / "evidence/tracker-sweep.json").read_text())
    (case,) = evidence["cases"]
    assert set(case["parts"]) == {"third-fast", "half-fast"}
    for layout, part in case["parts"].items():
        assert f"{layout} / hotset" in said["text"]
        assert len(part["arms"]) == 14
        assert all(arm in said["text"] for arm in part["arms"])
    assert browser.requests() == [file.as_uri()] and browser.complaints() == []
