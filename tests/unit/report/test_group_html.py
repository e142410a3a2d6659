"""The HTML page and the figures of several parts: complete, without script, ids of their own."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from hotkit.report.groupfigure import group_figure, group_panels
from hotkit.report.grouphtml import group_html
from hotkit.report.sweep_tables import percent
from hotkit.report.sweephtml import WITHHELD
from hotkit.sweep.group import load_group
from tests.unit.report.test_report_html import SECTIONS, Page
from tests.unit.sweepfolders import make_group

CHANGE = {
    "b-4C16G-hotset-boot0": None, "b-4C16G-zipf-boot0": {"shift": 0.2},
    "a-4C16G-zipf-boot0": {"kernel_release": "<b>6.12</b>"},
}  # fmt: skip


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    folder = tmp_path_factory.mktemp("html") / "sweep"
    return load_group(
        make_group(
            folder, hosts=("a", "b"), layouts=("4C16G",), workloads=("hotset", "zipf"),
            boots=1, change=CHANGE,
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def text(group):
    return group_html(group)


def test_matrix_first_then_every_part(group, text):
    page = Page(text)
    assert page.section[:5] == ["parts", "matrix", "column0", "column1", "parts-in-full"]
    assert page.section[-1] == "again"
    inside = [name for name in page.section if name.startswith("part") and "-" in name]
    whole = [f"part{number}-{name}" for number in (0, 1, 3) for name in SECTIONS]
    assert inside == ["parts-in-full", *whole]
    assert sorted(page.ids) == sorted(set(page.ids))
    assert text.index('id="verdict"') < text.index('id="matrix"')
    for part in group.parts:
        assert f"<summary><h3>{part.name}: " in text
    assert text.count("<details>") == 4


def test_nothing_is_fetched_and_nothing_runs(text):
    page = Page(text)
    assert not page.tags & {"script", "iframe", "object", "img", "embed"}
    assert all(link.startswith(("#", "data:,")) for link in page.links), page.links
    for name in re.findall(r"url\(#([^)]+)\)", text) + [x[1:] for x in page.links if x[0] == "#"]:
        assert name in page.ids
    assert "<b>6.12</b>" not in text and "&lt;b&gt;6.12" in text


def test_captions_have_labels_and_cells_the_figures(group, text):
    page = Page(text)
    assert [caption for caption in page.captions if "(emulated)" not in caption] == []
    (arm,) = [arm for arm in group.columns[0].arms if arm.arm == "idle"]
    assert f"{percent(arm.only.cell.slowdown.estimate)}\n" in page.words["matrix"]
    assert "b-4C16G-hotset-boot0: not begun" in page.words["column0"]
    assert "<div>2 of 4 parts are trustworthy</div>" in text
    # What the part by itself withholds is withheld here, too.
    assert WITHHELD in page.words["part3-per-sample"]


def test_figures_are_well_formed(group, text):
    for svg in re.findall(r"<svg .*?</svg>", text, re.DOTALL):
        assert ElementTree.fromstring(svg).get("aria-label", "").endswith("(emulated)")
    assert [panel.name for panel in group_panels(group)] == ["column0", "column1"]


def test_a_figure_shows_every_boot_and_the_interval_over_them(tmp_path):
    group = load_group(make_group(tmp_path / "s", layouts=("4C16G",), boots=3))
    (panel,) = group_panels(group)
    axes = Figure().add_subplot()
    panel.draw(axes)
    for row, arm in enumerate(group.columns[0].arms):
        boots, whole = axes.lines[2 * row : 2 * row + 2]
        assert list(boots.get_xdata()) == [100 * one.cell.slowdown.estimate for one in arm.each]
        assert list(whole.get_xdata()) == [100 * arm.slowdown.mean]
        (segment,) = axes.collections[row].get_segments()
        interval = arm.slowdown.interval
        assert list(segment[:, 0]) == [100 * interval.low, 100 * interval.high]
    low, high = axes.get_xlim()
    assert low < 0 < high


def test_without_a_figure_that_counts_there_is_no_figure(tmp_path):
    group = load_group(make_group(tmp_path / "s", workloads=("hotset", "zipf"), shift=0.2))
    assert group_panels(group) == [] and group_figure(group, "svg") is None
    assert "No part has a figure that counts." in group_html(group)


def test_the_same_sweep_gives_the_same_page_and_figure(group, text):
    assert group_html(group) == text
    for kind in ("svg", "pdf"):
        assert group_figure(group, kind) == group_figure(group, kind)
