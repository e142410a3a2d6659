"""A tracing instance of our own: events of one run, nobody else's, gone with the run.

Documentation/trace/ftrace.rst, "Instances". Text of trace_pipe is drained while the run lasts, so
that the buffer needs to hold half a second only; parsing waits until after it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hotkit.agent.protocol import AgentError
from hotkit.agent.threads import note_cpu, place
from hotkit.agent.undo import Undo, write_knob

_PLACES = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_EVERY_S = 0.2
_READ = 1 << 16


def tracefs() -> Path | None:
    """Where tracefs is mounted, None when it is nowhere."""
    for place_ in _PLACES:
        if Path(place_, "instances").is_dir():
            return Path(place_)
    return None


class Tracing:
    """One instance with some events on; `text()` after stop() is all that they said."""

    def __init__(self, undo: Undo, events: list[str], buffer_kib: int):
        root = tracefs()
        if root is None:
            raise AgentError(
                "tracefs is not mounted", "mount -t tracefs tracefs /sys/kernel/tracing"
            )
        self._path = root / "instances" / "hotkit"
        undo.make_directory(str(self._path))
        write_knob(str(self._path / "buffer_size_kb"), str(buffer_kib))
        # The clock of the workload and of recordings.
        write_knob(str(self._path / "trace_clock"), "mono_raw")
        for event in events:
            write_knob(str(self._path / "events" / event / "enable"), "1")
        self._events = events
        self._chunks: list[bytes] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._told: Callable[[bytes], None] | None = None
        self.cpu_ns = 0
        self.cpus: set[int] = set()

    def start(self, cpus: set[int], told: Callable[[bytes], None] | None = None) -> None:
        """Begin to drain; `told` gets each piece of text as it comes (from the draining thread)."""
        self._told = told
        self._pipe = os.open(str(self._path / "trace_pipe"), os.O_RDONLY | os.O_NONBLOCK)
        self._thread = threading.Thread(target=self._drain, args=(cpus,), name="tracing")
        self._thread.daemon = True
        self._thread.start()

    def stop(self) -> None:
        """No more events; the rest is drained."""
        if self._thread is None:
            return
        for event in self._events:
            write_knob(str(self._path / "events" / event / "enable"), "0")
        self._stop.set()
        self._thread.join()
        self._thread = None
        os.close(self._pipe)

    def text(self) -> str:
        return b"".join(self._chunks).decode(errors="replace")

    def _drain(self, cpus: set[int]) -> None:
        place(0, cpus)
        began = time.thread_time_ns()
        last = False
        while not last:
            last = self._stop.wait(_EVERY_S)
            try:
                while True:
                    piece = os.read(self._pipe, _READ)
                    if not piece:
                        break
                    self._chunks.append(piece)
                    if self._told:
                        self._told(piece)
            except BlockingIOError:
                pass  # nothing more for now
            note_cpu(self.cpus)
        self.cpu_ns = time.thread_time_ns() - began
