"""What the tests of Undo share: one of this very process, and its knobs' values."""

import os
from contextlib import contextmanager
from pathlib import Path

from hotkit.agent.undo import Undo


@contextmanager
def opened(directory):
    """An Undo of this very process; its guard is reaped."""
    before = children()
    undo = Undo(directory)
    try:
        undo.told = undo.open()
        yield undo
    finally:
        undo.close()
        for pid in children() - before:
            os.waitpid(pid, 0)


def children():
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return set(map(int, text.split()))


def values(knobs):
    return [knob.read_text() for knob in knobs]
