"""The manual: current, and read by groff without a warning, as a person sees it."""

import subprocess

import pytest
from test_docs import COMMANDS, tool

man_pages = tool("man_pages")


def shown(text, *flags):
    """What man(1) would print of a page, and what groff complains of."""
    return subprocess.run(
        ["groff", "-man", "-Tutf8", "-Kutf8", "-ww", "-rLL=200n", "-P-c", "-P-b", "-P-u", *flags],
        input=text, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip


def test_manual_is_current():
    found = {file.name: file.read_text() for file in man_pages.MAN.iterdir()}
    assert found == man_pages.pages(), "run `make docs`"


@pytest.mark.parametrize("name", man_pages.pages())
def test_groff_reads_a_page_without_a_warning(name):
    done = shown(man_pages.pages()[name])
    assert done.stderr == ""
    for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "SEE ALSO"):
        assert f"\n{section}\n" in done.stdout


def test_every_command_is_in_the_manual():
    text = "".join(map(shown_text, man_pages.pages().values()))
    for path in COMMANDS:
        assert f"{path} [OPTIONS]" in text, f"no synopsis of {path}"


def shown_text(page):
    return shown(page).stdout


def test_nothing_in_a_help_text_is_a_request_to_groff():
    nasty = ".TH gone\n'so /etc/passwd\n\\fBbold\\fR a-b ^~`x` größe"
    done = shown(".TH X 1\n" + "\n.br\n".join(map(man_pages._text, nasty.splitlines())) + "\n")
    assert done.stderr == ""
    for line in nasty.splitlines():
        assert line in done.stdout
