"""Finds what is shipped beside the package: playbooks/, roles/, inventories/, kernel/."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def asset(name: str) -> Path:
    """One of the top-level directories: the clone's own, or the wheel's copy."""
    clone = _PACKAGE.parent / name
    return clone if clone.is_dir() else _PACKAGE / "_assets" / name


def data(name: str) -> Path:
    """A file of hotkit/data/ (profiles, JSON schemas)."""
    return _PACKAGE / "data" / name
