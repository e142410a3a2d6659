"""hotkit memory: what a booted kernel holds, and what a layout will leave of a machine."""

from __future__ import annotations

import click

from hotkit.cli.lazygroup import LazyGroup

# Commands that live in modules of their own.
_ELSEWHERE = {
    "capture": "memory_capture",
    "diff": "memory_diff",
    "explain": "memory_explain",
    "model": "memory_model",
    "predict": "memory_predict",
}


@click.group("memory", cls=LazyGroup, elsewhere=_ELSEWHERE)
def command() -> None:
    """Explain the memory in use after boot, and predict what a layout leaves.

    \b
      hotkit memory capture HOST --out DIR        keep what a machine says of its memory
      hotkit memory explain --capture DIR         who holds how much, node by node
      hotkit memory diff DIR1 DIR2                where it went between two captures
      hotkit memory predict PROFILE --capture DIR fits, tight, or will not boot
      hotkit memory model                         how far earlier predictions were off
    """
