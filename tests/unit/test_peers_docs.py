"""The tables of docs/peers.md: what is in a cell, and where they go."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.unit.peercases import CASES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def peers_docs():
    spec = importlib.util.spec_from_file_location("peers_docs", ROOT / "tools" / "peers_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tables(peers_docs):
    labelled = [{**case, "label": "virtual"} for case in CASES]
    return peers_docs.render(
        {"cases": labelled, "date": "2026-11-26", "commit": "abc", "machine": "x86_64, 2 CPUs",
         "command": "make soak CAMPAIGN=peers"}
    )  # fmt: skip


def row(tables, title, start):
    """The cells of a row below a title, those that it starts with left out."""
    part = tables.partition(f"### {title}")[2].partition("###")[0]
    (line,) = [line for line in part.splitlines() if line.startswith(start)]
    return line.removeprefix(start).strip(" |").split(" | ")


def test_false_alarms_with_their_interval_and_refusals_apart(tables):
    found = row(tables, "Two identical", "| **all** | 3 |")
    assert found == [
        "0 (0 to 71 %), 1 refused", "3 (29 to 100 %)", "0 (0 to 71 %)", "1 (1 to 91 %)"
    ]  # fmt: skip


def test_finds_and_what_pointed_the_wrong_way(tables):
    found = row(tables, "A real", "| all | heavy | 2 |")
    assert found[0] == "1 (1 to 99 %), 1 refused"
    assert found[1] == "1 (1 to 99 %), 1 the wrong way"


def test_a_different_is_right_when_there_was_a_difference_of_that_sign(tables):
    found = row(tables, "What a", "| **all** |")
    assert found == ["2 of 2", "1 of 5", "none said", "1 of 2"]


def test_what_was_not_asked_is_a_dash(tables):
    assert row(tables, "Two identical", "| light | 0 |") == ["-"] * 4


def test_failed_sessions_and_the_label_are_said(tables):
    assert "(**virtual**): 4 sessions" in tables and "1 of which failed" in tables


def test_tables_go_between_their_marks(peers_docs):
    text = f"before\n{peers_docs.BEGIN}old\n{peers_docs.END}\nafter\n"
    fresh = peers_docs.page(text, "new\n")
    assert fresh == text.replace("old", "new")
    with pytest.raises(ValueError, match="missing"):
        peers_docs.page("no marks", "new\n")
