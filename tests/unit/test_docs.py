"""Documentation that cannot go stale: --help is the source of docs/cli.md, links lead somewhere."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tool(name):
    """A script of tools/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cli_docs = tool("cli_docs")

COMMANDS = dict(cli_docs.walk(cli_docs.cli, cli_docs.top()))
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(ROOT.glob("roles/*/README.md")),
]


def test_cli_reference_is_current():
    assert (ROOT / "docs/cli.md").read_text() == cli_docs.render(), "run `make docs`"


def test_the_kernels_table_is_that_of_the_evidence():
    kernel_docs = tool("kernel_docs")
    evidence = json.loads(kernel_docs.EVIDENCE.read_text())
    assert kernel_docs.DOCS.read_text() == kernel_docs.render(evidence), "run `make docs`"


def test_the_tables_of_peers_are_those_of_the_evidence():
    peers_docs = tool("peers_docs")
    text, evidence = peers_docs.DOCS.read_text(), json.loads(peers_docs.EVIDENCE.read_text())
    assert text == peers_docs.page(text, peers_docs.render(evidence)), "run `make docs`"


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_teaches(path):
    """A help text says what the command does, not only its options."""
    body = COMMANDS[path].split("\n", 2)[2].strip()
    assert len(body.split("Options:")[0].split()) >= 6, f"{path} --help explains nothing"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_documented_commands_exist(page):
    """Every command in code (at the start of a line of a block, or behind a backtick) exists.

    A word with a dot or a slash behind it is a file: `hotkit sweep my.yml`.
    """
    known = {path.removeprefix("hotkit ") for path in COMMANDS}
    groups = {path.rpartition(" ")[0].removeprefix("hotkit ") for path in COMMANDS if " " in path}
    text = page.read_text()
    blocks = "\n".join(re.findall(r"```\w*\n(.*?)```", text, re.DOTALL))
    words = re.findall(r"`hotkit ([a-z]+)(?: ([a-z]+)(?![\w./-]))?", text)
    words += re.findall(r"(?m)^(?:\$ )?hotkit ([a-z]+)(?: ([a-z]+)(?![\w./-]))?", blocks)
    for first, second in words:
        assert first in known, f"{page.name} names `hotkit {first}`"
        if first in groups and second:
            assert f"{first} {second}" in known, f"{page.name} names `hotkit {first} {second}`"
