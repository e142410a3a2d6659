"""Builds the agent's C programs, static: nothing is needed on the measured machine."""

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
    """The workload hotset; see build()."""
    return build("hotset", Path(hotkit.agent.__file__).parent / "workloads" / "src")


def build_scan() -> Built:
    """The scanner that trackers of A bits use; see build()."""
    return build("scan", Path(hotkit.agent.__file__).parent / "trackers" / "src")


def build(name: str, folder: Path) -> Built:
    """One program of all C files in `folder`, by gcc; cached by sources, flags and compiler.

    `sha256` is that of the binary. Raises HotkitError when gcc is missing or fails.
    """
    gcc = require("gcc", "gcc libc6-dev")
    version = run([gcc, "--version"]).stdout.splitlines()[0]
    sources = sorted(folder.glob("*.[ch]"))
    texts = [f"{source.name}\0{source.read_text()}" for source in sources]
    key = hashlib.sha256("\0".join([*texts, version, *_FLAGS]).encode()).hexdigest()
    cache = cache_dir() / "agent"
    cache.mkdir(exist_ok=True, mode=0o700)
    path = cache / f"{name}-{key[:16]}"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            fresh = Path(scratch) / name
            units = [source for source in sources if source.suffix == ".c"]
            run([gcc, *_FLAGS, "-o", fresh, *units, "-lm"], timeout=120)
            fresh.replace(path)
    return Built(path, hashlib.sha256(path.read_bytes()).hexdigest())
