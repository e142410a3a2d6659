"""docs/your-tracker.md, step by step: a new file and a new line are a tracker of every command."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs/examples/referenced.py"
PAGE = ROOT / "docs/your-tracker.md"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """hotkit with the example in it, changed as the page says."""
    folder: Path = tmp_path_factory.mktemp("clone")
    shutil.copytree(
        ROOT / "hotkit", folder / "hotkit", ignore=shutil.ignore_patterns("__pycache__")
    )
    trackers = folder / "hotkit/agent/trackers"
    shutil.copy(EXAMPLE, trackers)
    diff = re.search(r"```diff\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert diff, "the page shows the change"
    subprocess.run(["patch", "-p1", "-d", folder], input=diff[1], text=True, check=True, timeout=30)
    return folder


def hotkit(clone: Path, *words: str | Path) -> str:
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(clone),
        "HOME": str(clone), "XDG_STATE_HOME": str(clone / "state"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hotkit", *map(str, words)], cwd=clone,
        env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_offered_with_its_settings(clone: Path) -> None:
    said = json.loads(hotkit(clone, "trackers", "referenced", "--local", "--json"))
    assert "interval_ms" in said["trackers"]["referenced"]["settings"]
    assert said["hosts"][0]["trackers"]["referenced"]["available"] is True


def test_it_sees_what_a_workload_uses(clone: Path) -> None:
    out = clone / "seen"
    words = ["--local", "--tracker", "referenced", "--seconds", "1", "--out"]
    hotkit(clone, "record", "watch", *words, out)
    lines = [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    (last,) = [
        line
        for line in lines
        if line["type"] == "sample" and line["run"] == "record" and not line.get("part")
    ]
    assert 0 < last["positive"] <= last["examined"] and last["rounds"] > 0
