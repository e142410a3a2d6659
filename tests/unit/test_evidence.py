"""Evidence of long campaigns has the form that DESIGN.md asks for, and its sums are true."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "docs/evidence").glob("*.json"))
KEYS = {
    "schema_version", "name", "what", "command", "short_form", "commit", "date", "machine",
    "result", "cases",
}  # fmt: skip


def test_there_is_evidence():
    assert FILES


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.name)
def test_form(file):
    data = json.loads(file.read_text())
    assert set(data) == KEYS
    assert data["name"] == file.stem and data["command"].startswith("make soak")
    assert (ROOT / data["short_form"].split("::")[0]).exists()
    held = [case for case in data["cases"] if case["ok"]]
    assert data["result"]["cases"] == len(data["cases"])
    assert data["result"]["held"] == len(held)
    assert data["result"]["ok"] == (len(held) == len(data["cases"]) > 0)


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.name)
def test_figures_carry_their_label(file):
    for case in json.loads(file.read_text())["cases"]:
        assert case.get("label") in {"emulated", "virtual", "metal"} or not case["ok"]
