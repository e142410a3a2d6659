"""Builds the workload: one static binary, so that nothing is needed on the measured machine."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import hotkit.agent
from hotkit.host.dirs import cache_dir
from hotkit.host.run import require, run
from hotkit.host.zipapp import Built

_FLAGS = ("-O2", "-static", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread", "-s")


def build_hotset() -> Built:
    """hotset, compiled by gcc; cached by source, flags and compiler version.

    `sha256` is that of the binary. Raises HotkitError when gcc is missing or fails.
    """
    source = Path(hotkit.agent.__file__).parent / "workloads" / "src" / "hotset.c"
    gcc = require("gcc", "gcc libc6-dev")
    version = run([gcc, "--version"]).stdout.splitlines()[0]
    key = hashlib.sha256("\0".join([source.read_text(), version, *_FLAGS]).encode()).hexdigest()
    folder = cache_dir() / "agent"
    folder.mkdir(exist_ok=True, mode=0o700)
    path = folder / f"hotset-{key[:16]}"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            fresh = Path(scratch) / "hotset"
            run([gcc, *_FLAGS, "-o", fresh, source], timeout=120)
            fresh.replace(path)
    return Built(path, hashlib.sha256(path.read_bytes()).hexdigest())
