"""Events are numbered without a gap and without a twin, whenever somebody interrupts."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable

import pytest

from hotkit.agent.protocol import Emitter


class Sink:
    """Keeps lines; `then` is called when one has been written."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.lines: list[str] = []
        self._then = then

    def write(self, line: str) -> None:
        self.lines.append(line)
        self._then()

    def flush(self) -> None:
        pass


def numbers(sink: Sink) -> list[int]:
    return [json.loads(line)["seq"] for line in sink.lines]


def test_a_signal_between_writing_and_counting_waits() -> None:
    sink = Sink(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    emitter = Emitter(sink)
    before = signal.signal(signal.SIGUSR1, lambda number, frame: emitter.interrupt())
    try:
        with pytest.raises(KeyboardInterrupt):
            emitter.emit("hello")
        with pytest.raises(KeyboardInterrupt):
            emitter.emit("end")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert numbers(sink) == [0, 1]


def test_a_signal_elsewhere_interrupts_at_once() -> None:
    emitter = Emitter(Sink())
    with pytest.raises(KeyboardInterrupt):
        emitter.interrupt()


def test_an_event_that_cannot_be_written_is_not_counted() -> None:
    def fails() -> None:
        raise OSError("full")

    sink = Sink(fails)
    emitter = Emitter(sink)
    with pytest.raises(OSError, match="full"):
        emitter.emit("hello")
    with pytest.raises(OSError, match="full"):
        emitter.emit("hello")
    assert numbers(sink) == [0, 0]
