"""hotkit as a person has it who has no clone: built, installed, and used from nowhere.

The environment is clean but for its dependencies, which it borrows from the one that runs the tests
(a path file); its hotkit is the wheel's. Nothing is fetched.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and an empty folder to use it from."""

    bin: Path
    empty: Path

    def hotkit(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """In the empty folder, with a state and a cache of its own."""
        return self.run(self.bin / "hotkit", *words)

    def run(
        self, *argv: str | Path, timeout_s: float = 120, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Any command there; `variables` are added to its environment."""
        environment = {
            key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ
        } | {
            "XDG_STATE_HOME": str(self.empty.parent / "state"),
            "XDG_CACHE_HOME": str(self.empty.parent / "cache"),
            "COLUMNS": "200",
            **variables,
        }
        return subprocess.run(
            list(map(str, argv)), cwd=self.empty, env=environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, check=False, timeout=timeout_s,
        )  # fmt: skip


def build(source: Path, out: Path, *flags: str) -> None:
    """An sdist and the wheel of it, or with `--wheel` that of the source itself."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *flags, "-o", out, source],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip


def install(wheel: Path, folder: Path) -> Installed:
    """A new environment in `folder` with that wheel."""
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps",
         "--no-index", "--disable-pip-version-check", wheel],
        check=True, timeout=120,
    )  # fmt: skip
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # A path in a path file comes last, and path files below it are not read: hotkit's clone, which
    # is installed there as a path file, stays unknown.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (folder / "empty").mkdir()
    return Installed(bin=python.parent, empty=folder / "empty")
