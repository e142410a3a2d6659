"""The documentation as a site: it builds without a warning, holds every page, and asks nobody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.integration.chromium import chromium

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))


def build(root: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """As `make site` does."""
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", out],
        cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("site")
    done = build(ROOT, out)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return out


class _Asked(HTMLParser):
    """What a browser fetches for a page: not what a reader may follow."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            fetched = name in ("src", "srcset", "data", "poster") or (tag, name) == ("link", "href")
            if fetched and value:
                self.found.append(value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_page_is_there_and_in_the_navigation(site: Path, page: Path) -> None:
    text = (site / f"{page.stem}.html").read_text()
    assert f'href="{page.stem}.html"' in (site / "index.html").read_text() or page.stem == "index"
    asked = _Asked()
    asked.feed(text)
    assert asked.found
    assert not [item for item in asked.found if "//" in item]


def test_a_page_that_nobody_leads_to_is_refused(tmp_path: Path) -> None:
    """Proves that the building above would have failed."""
    for name in ("mkdocs.yml", "tools", "docs"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    (tmp_path / "docs" / "new-page.md").write_text("# New\n\n[nowhere](no-such-page.md)\n")
    done = build(tmp_path, tmp_path / "out")
    assert done.returncode != 0
    assert "new-page.md" in done.stderr and "no-such-page.md" in done.stderr


def test_the_front_page_leads_everywhere() -> None:
    """Also where somebody reads the folder without the site."""
    text = (ROOT / "docs/index.md").read_text()
    missing = [page.name for page in PAGES if f"({page.name})" not in text]
    assert missing == ["index.md"]


def test_sources_that_pages_link_to_are_carried_along(site: Path) -> None:
    carried = site / "source/hotkit/data/sweep-default.yml.txt"
    assert carried.read_bytes() == (ROOT / "hotkit/data/sweep-default.yml").read_bytes()
    assert 'href="source/hotkit/data/sweep-default.yml.txt"' in (site / "sweep.html").read_text()


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_a_browser_asks_nobody_else(address: str, tmp_path: Path) -> None:
    with chromium(tmp_path) as browser:
        for name in ("index.html", "sweep.html", "cli.html"):
            browser.visit(f"{address}/{name}")
            assert "hotkit" in browser.title()
            assert browser.complaints() == []
            asked = browser.requests()
            assert asked and not [url for url in asked if not url.startswith((address, "data:"))]
