"""What the agent says: JSON lines `{v, seq, type, ...}`, numbered so that a gap shows.

| type    | says                                                                          |
|---------|-------------------------------------------------------------------------------|
| hello   | who speaks: protocol, machine, kernel, boot id, platform label and evidence     |
| probe   | whether a tracker (or the workload) can be used here, else the reason and fix   |
| run     | a run's timed region is about to start; ground truth of the workload            |
| sample  | what a tracker saw in a run: examined, positive, lost, its own CPU time, heat;  |
|         | with `part` a piece of the time while it ran (recording.py)                     |
| counter | what the machine counted during a run (steal, context switches)                 |
| end     | the end of a run with its time, or (`run` null) of the whole schedule           |
| gates   | which gates are checked, with their bounds, and which cannot be (gates.py)      |
| gate    | why a run does not count, and its block begins anew as the next attempt         |
| error   | why a run or the schedule cannot go on; `run` null ends the session             |
"""

from __future__ import annotations

import json
import threading
from typing import Any, Protocol

VERSION = 1
TYPES = ("hello", "probe", "run", "sample", "counter", "end", "gates", "gate", "error")


class AgentError(Exception):
    """Something the agent cannot do; `fix` says what would help. Becomes an `error` event."""

    def __init__(self, message: str, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class Sink(Protocol):
    """Where lines go: a stream, or the file of a detached agent (spool.py)."""

    def write(self, line: str, /) -> Any: ...

    def flush(self) -> Any: ...


class Emitter:
    """Writes events to every sink in turn (a file may come before the wire), each line at once."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks
        self._seq = 0
        self._lock = threading.Lock()
        # The thread that is within an event, and whether somebody wanted to interrupt it there.
        self._writer: int | None = None
        self._interrupted = False

    def interrupt(self) -> None:
        """What a signal's handler does: raise KeyboardInterrupt, but not within an event.

        An event that is written and not counted would be followed by another of the same number.
        """
        if self._writer == threading.get_ident():
            self._interrupted = True
            return
        raise KeyboardInterrupt

    def emit(self, kind: str, **fields: Any) -> None:
        """Send one event. Raises BrokenPipeError when nobody listens any more."""
        if kind not in TYPES:
            raise ValueError("no event type " + repr(kind))
        with self._lock:
            event = {"v": VERSION, "seq": self._seq, "type": kind}
            event.update(fields)
            line = json.dumps(event, separators=(",", ":")) + "\n"
            self._writer = threading.get_ident()
            try:
                for sink in self._sinks:
                    sink.write(line)
                    sink.flush()
                self._seq += 1
            finally:
                self._writer = None
        if self._interrupted and threading.current_thread() is threading.main_thread():
            self._interrupted = False
            raise KeyboardInterrupt
