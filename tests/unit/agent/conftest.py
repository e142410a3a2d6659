"""Knobs to write: files, and those of a sleeping process, which the kernel checks."""

import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def knobs(tmp_path):
    """Three knobs of three letters."""
    paths = [tmp_path / name for name in ("one", "two", "three")]
    for path in paths:
        path.write_text("old")
    return paths


@pytest.fixture
def process():
    """A process that sleeps: its /proc directory has knobs that the kernel checks."""
    child = subprocess.Popen(["sleep", "600"])
    yield Path(f"/proc/{child.pid}")
    child.kill()
    child.wait()
