"""`agent.pyz serve`: the agent in a guest, which does what the agent on its host asks.

One question is one JSON line on stdin, `{"do": NAME, ...}`; its answer one line on stdout, with the
guest's clock before and after: `{"answer", "began_ns", "ended_ns"}`, or `{"error"}`. The host says
when a tracker starts and when the work runs; workloads and trackers are those of every agent.
"""

from __future__ import annotations

import base64
import ctypes
import json
import mmap
import os
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from hotkit.agent.counters import counters
from hotkit.agent.pages import frames_of, iomem_ram
from hotkit.agent.platform import describe
from hotkit.agent.protocol import AgentError
from hotkit.agent.stage import Here, Programs, end_run
from hotkit.agent.trackers.base import Target, Tracker
from hotkit.agent.undo import Undo
from hotkit.agent.workloads.base import Workload

Answer = Any
_MARK_BYTES = 32


def now_ns() -> int:
    """CLOCK_MONOTONIC_RAW: what workloads and trackers use."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


class Server:
    """What the host may ask; a method each. `undo` must be open."""

    def __init__(self, programs: Programs, undo: Undo):
        self._stage = Here(programs, undo)
        self._undo = undo
        self._workload: Workload | None = None
        self._tracker: Tracker | None = None
        self._target: Target = {}
        self._marks: mmap.mmap | None = None

    def serve(self) -> None:
        """Until stdin ends, which interrupts whatever runs: the host, or the way to it, is gone."""
        questions: dict[str, Callable[..., Answer]] = {
            name[3:]: getattr(self, name) for name in dir(self) if name.startswith("do_")
        }
        asked_lines: SimpleQueue[str] = SimpleQueue()
        threading.Thread(target=_listen, args=(asked_lines,), name="line", daemon=True).start()
        while True:
            asked = json.loads(asked_lines.get())
            began = now_ns()
            answer: dict[str, Any] = {}
            try:
                answer["answer"] = questions[asked.pop("do")](**asked)
            except AgentError as error:
                answer["error"] = {"message": error.message, "fix": error.fix}
            except (OSError, ValueError) as error:
                answer["error"] = {"message": str(error), "fix": None}
            answer.update(began_ns=began, ended_ns=now_ns())
            sys.stdout.write(json.dumps(answer, separators=(",", ":")) + "\n")
            sys.stdout.flush()

    def close(self) -> None:
        """End what runs, and put back what it touched."""
        self.do_stop()

    def do_hello(self) -> Answer:
        """The guest's machine."""
        return {"machine": describe()}

    def do_ram(self) -> Answer:
        """Where its RAM lies in its physical address space."""
        return iomem_ram()

    def do_marks(self, count: int) -> Answer:
        """Pages with random bytes: their guest-physical addresses and those bytes, in hex.

        They stay until the next question for marks: by them the host knows where our RAM is.
        """
        self._marks = None
        if count == 0:
            return []
        self._marks = mmap.mmap(-1, count * mmap.PAGESIZE)
        said = [os.urandom(_MARK_BYTES) for _ in range(count)]
        for number, mark in enumerate(said):
            self._marks.seek(number * mmap.PAGESIZE)
            self._marks.write(mark)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._marks))
        frames = frames_of(os.getpid(), start, start + len(self._marks))
        return [[frame * mmap.PAGESIZE, said[i].hex()] for i, frame in enumerate(frames)]

    def do_probe(self, tracker: str, settings: dict[str, Any]) -> Answer:
        return self._stage.tracker(tracker).probe(settings).as_json()

    def do_start(self, kind: str, parameters: dict[str, Any]) -> Answer:
        """Populate; the ground truth, and the target that trackers in the guest get."""
        self.do_stop()
        self._workload = self._stage.workload(kind, parameters)
        truth = self._workload.start()
        self._target = self._stage.target(truth)
        return {"truth": truth, "ranges": self._target["ranges"]}

    def do_frames(self) -> Answer:
        """The guest frame of each page of the workload's ranges, 0 for none: 8 bytes each."""
        parts = [
            frames_of(self._target["pid"], start, end).tobytes()
            for start, end in self._target["ranges"]
        ]
        return base64.b64encode(zlib.compress(b"".join(parts), 1)).decode("ascii")

    def do_track(self, tracker: str, settings: dict[str, Any]) -> Answer:
        self._tracker = self._stage.tracker(tracker)
        self._tracker.start(self._target, settings)

    def do_run(self) -> Answer:
        assert self._workload is not None
        return self._workload.run()

    def do_untrack(self) -> Answer:
        """End tracking; what it saw and cost."""
        assert self._tracker is not None
        self._tracker.stop()
        return {
            "samples": self._tracker.samples().as_json(),
            "self_cpu_ns": self._tracker.self_cost(),
            "cpus": self._tracker.cpus(),
            "facts": self._tracker.facts(),
            "hot": [part.as_json() for part in self._tracker.hot()],
        }

    def do_clock(self) -> Answer:
        """Nothing: every answer carries the time."""

    def do_counters(self) -> Answer:
        return counters()

    def do_stop(self) -> Answer:
        """End what runs, and put back what it touched."""
        tracker, self._tracker = self._tracker, None
        workload, self._workload = self._workload, None
        end_run(tracker, workload, self._undo)


def _listen(lines: SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os.kill(os.getpid(), signal.SIGTERM)
