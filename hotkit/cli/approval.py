"""Asking before something is written: what was planned is on the screen by then."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from hotkit.errors import HotkitError


def approver(question: str, *, yes: bool, dry: str = "--check") -> Callable[[], bool]:
    """What a story calls before it writes: True goes ahead.

    `yes` never asks. Where nobody can be asked (no terminal), it raises a HotkitError that names
    `dry`, the option that writes nothing.
    """

    def approve() -> bool:
        if yes:
            return True
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise HotkitError(
                "nobody is there to approve this (no terminal); nothing was written",
                hint=f"--yes goes ahead without asking, {dry} only says what would change",
            )
        return click.confirm(question, err=True, default=False)

    return approve
