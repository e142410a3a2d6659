"""Where hotkit keeps things on the controller (DESIGN.md, "Decided once: State")."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """`$XDG_CACHE_HOME/hotkit`: images, kernels, zipapps; keyed by content, safe to delete."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def state_dir() -> Path:
    """`$XDG_STATE_HOME/hotkit`: runs/<id>, lab machines; private to the user."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def _xdg(variable: str, default: str) -> Path:
    base = os.environ.get(variable)
    path = (Path(base) if base else Path.home() / default) / "hotkit"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
