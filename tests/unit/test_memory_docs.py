"""docs/memory-forecast.md shows what is in docs/evidence/."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def memory_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("memory_docs", ROOT / "tools" / "memory_docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_evidence_says(memory_docs: ModuleType) -> None:
    assert memory_docs.DOCS.read_text() == memory_docs.current(), "run `make docs`"


def test_every_boot_has_a_row(memory_docs: ModuleType) -> None:
    boots = json.loads((memory_docs.EVIDENCE / "memory-boots.json").read_text())
    assert len(boots["cases"]) >= 12
    rows = memory_docs.DOCS.read_text().partition("### Forecast and boot")[2].partition("###")[0]
    for case in boots["cases"]:
        assert f"| {case['machine']} |" in rows
    assert rows.count("| yes |") == sum(case["pair"]["within"] for case in boots["cases"])


def test_tables_go_between_their_marks(memory_docs: ModuleType) -> None:
    text = f"before\n{memory_docs.BEGIN}old\n{memory_docs.END}\nafter\n"
    assert memory_docs.page(text, "new\n") == text.replace("old", "new")
    with pytest.raises(ValueError, match="missing"):
        memory_docs.page("no marks", "new\n")
