"""Pictures of what commands print: those of today, of measured data, and complete in themselves."""

import re

import pytest
from test_docs import ROOT, tool

screenshots = tool("screenshots")
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("picture", screenshots.PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_what_the_command_prints(picture):
    text = (screenshots.IMAGES / f"{picture.name}.svg").read_text()
    assert text == screenshots.svg(picture), "run `make docs`"
    assert not re.search(r"url\(\"?http|<image|href=", text), "it asks another host for something"


def test_figures_in_pictures_carry_their_label():
    for picture in screenshots.PICTURES:
        if picture.words[0] == "report":
            assert "virtual" in (screenshots.IMAGES / f"{picture.name}.svg").read_text()


def test_every_picture_is_shown_somewhere():
    text = "".join(page.read_text() for page in PAGES)
    for file in screenshots.IMAGES.iterdir():
        assert f"images/{file.name})" in text, file.name
