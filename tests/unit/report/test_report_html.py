"""The HTML report: one file, complete, asking nobody; an untrusted sweep ranks nothing in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from hotkit.report.sweepfigure import panels, whole_figure
from hotkit.report.sweephtml import WITHHELD, html
from hotkit.sweep.report import read_sweep
from tests.unit.sweepfolders import FAST, IDLE, SLOW, SOFTDIRTY, make_sweep

VOID = {"meta", "link", "br", "img"}
SECTIONS = [
    "slow-down", "per-sample", "dose-response", "accuracy", "accuracy-cost", "counters", "session",
    "environment", "again",
]  # fmt: skip


class Page(HTMLParser):
    """Ids, links, captions and text; fails when an element is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.captions: list[str] = []
        self.section: list[str] = []
        self.words: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.add(tag)
        self.links += [
            v for k, v in attrs if k in ("src", "href", "xlink:href", "srcset", "action")
        ]
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "section":
            self.section.append(found["id"])
        if tag in ("caption", "figcaption"):
            self.captions.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("caption", "figcaption"):
            self.captions[-1] += data
        if self.section:
            self.words[self.section[-1]] = self.words.get(self.section[-1], "") + data


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("html") / "sweep"
    return read_sweep(make_sweep(folder, arms=(SOFTDIRTY, IDLE, SLOW, FAST)))


@pytest.fixture(scope="module")
def text(sound):
    return html(sound)


def svgs(text: str) -> list[str]:
    return re.findall(r"<svg .*?</svg>", text, re.DOTALL)


def test_every_section_is_there_and_ids_are_unique(text):
    page = Page(text)
    assert page.section == SECTIONS
    assert sorted(page.ids) == sorted(set(page.ids))
    assert "verdict" in page.ids and text.index('id="verdict"') < text.index("<section")


def test_nothing_is_fetched_and_nothing_runs(text):
    page = Page(text)
    assert not page.tags & {"script", "iframe", "object", "img", "embed"}
    assert all(link.startswith(("#", "data:,")) for link in page.links), page.links
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style and "@import" not in style
    assert "prefers-color-scheme: dark" in style and "@media print" in style
    # What an SVG refers to is in the page.
    for name in re.findall(r"url\(#([^)]+)\)", text) + [x[1:] for x in page.links if x[0] == "#"]:
        assert name in page.ids


def test_every_table_and_figure_carries_the_label(text):
    page = Page(text)
    assert len(page.captions) >= 12
    assert [caption for caption in page.captions if "(emulated)" not in caption] == []
    assert "EMULATED: shows that a tracker works" in text


def test_nested_is_part_of_every_label(tmp_path):
    result = read_sweep(make_sweep(tmp_path / "s", platform="virtual", nested=True))
    captions = Page(html(result)).captions
    assert len(captions) >= 8
    assert [caption for caption in captions if "(virtual, nested)" not in caption] == []


def test_svg_is_well_formed_and_takes_its_ink_from_the_page(text):
    drawn = svgs(text)
    # Slow-down, three units of a sample, one dose line, Pareto, session.
    assert len(drawn) == 7
    for svg in drawn:
        root = ElementTree.fromstring(svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.get("aria-label", "").endswith("(emulated)")
        # var() holds in a style, not everywhere in an attribute of its own.
        assert not re.search(r'(?<!style)="var\(', svg)
        assert "var(--ink)" in svg and "#1b1d1f" not in svg
    assert "softdirty" in drawn[0] and "slow-down (%)" in drawn[0]


def test_figures_have_the_values_of_the_tables(sound, text):
    page = Page(text)
    estimate = sound.analysis.arms[0].slowdown.estimate
    assert f"{100 * estimate:+.2f} %" in page.words["slow-down"]
    assert "PTE examined" in page.words["per-sample"]
    assert "region check" in page.words["dose-response"]
    assert "* on it" in page.words["accuracy-cost"] and "beaten" in page.words["accuracy-cost"]
    assert "vmstat.pgfault" in page.words["counters"]
    assert "vmstat.numa_hit" not in page.words["counters"]
    assert "always [madvise] never" in page.words["environment"]


def test_what_comes_from_elsewhere_is_escaped(text):
    assert "CPU model &lt;TCG&gt;" in text and "<TCG>" not in text


def test_the_end_says_how_to_run_it_again(sound, text):
    again = Page(text).words["again"]
    assert "hotkit sweep again.yml --inventory '/srv/my lab' --limit tier1 --out again" in again
    assert sound.manifest["sha256"]["schedule"] + "  (recomputed: the same)" in again
    for name in ("agent", "workload"):
        assert sound.manifest["sha256"][name] in again
    assert '"sample_us": 5000' in again and "seed 7" in again


def test_an_untrusted_sweep_ranks_nothing(tmp_path):
    result = read_sweep(make_sweep(tmp_path / "s", shift=0.2))
    text = html(result)
    page = Page(text)
    assert 'class="verdict untrusted"' in text and "NOT TRUSTWORTHY [emulated]" in text
    assert page.section == SECTIONS
    for name in ("per-sample", "dose-response", "accuracy-cost"):
        assert WITHHELD in page.words[name]
    # Only the off runs are drawn, and no sentence claims anything.
    (drawn,) = svgs(text)
    assert "softdirty" not in drawn
    for word in ("equivalent", "different", "ns per PTE", "on it", "beaten"):
        assert word not in text


def test_the_line_of_the_front_goes_through_the_front_alone(sound):
    (panel,) = [panel for panel in panels(sound) if panel.name == "pareto"]
    axes = Figure().add_subplot()
    panel.draw(axes)
    zero, line, *points = axes.lines
    assert [round(gain, 6) for gain in line.get_ydata()] == [0.6, 0.9]
    assert len(points) == 4


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_the_figure_for_a_paper_has_label_and_all_panels_and_is_reproducible(sound, kind):
    blob = whole_figure(sound, kind)
    assert blob == whole_figure(sound, kind)
    if kind == "svg":
        text = blob.decode()
        ElementTree.fromstring(text)
        assert "sweep on tier1 [emulated]" in text and "ns per PTE examined" in text
        assert "var(" not in text
    else:
        assert blob.startswith(b"%PDF-")


def test_the_same_sweep_gives_the_same_page(sound, text):
    assert html(sound) == text
