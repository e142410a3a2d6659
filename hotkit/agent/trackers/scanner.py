"""What all trackers share that look at fixed intervals, from a thread of the agent."""

from __future__ import annotations

import threading
import time
from typing import Any

from hotkit.agent.protocol import AgentError
from hotkit.agent.samples import Samples
from hotkit.agent.threads import note_cpu, place, wanted_cpus
from hotkit.agent.trackers.base import Settings, Target, Tracker


class Scanner(Tracker):
    """Calls `look()` every `interval_ms`; a subclass says what that does.

    `prepare` runs in the caller before the thread starts, `release` after it has ended.
    """

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.count = Samples()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._cpu_ns = 0
        self._cpus: set[int] = set()
        self._failure: str | None = None

    def prepare(self, target: Target, settings: Settings) -> None:
        raise NotImplementedError

    def look(self) -> None:
        """One round. OSError and ValueError end the tracker, and fail the run."""
        raise NotImplementedError

    def release(self) -> None:
        raise NotImplementedError

    def start(self, target: Target, settings: Settings) -> None:
        wanted = wanted_cpus(settings, target)
        self.prepare(target, settings)
        interval = settings["interval_ms"] / 1000
        self._thread = threading.Thread(
            target=self._loop, args=(interval, wanted), name=self.name, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        self.release()
        if self._failure:
            raise AgentError(self._failure)

    def samples(self) -> Samples:
        return self.count

    def self_cost(self) -> int:
        return self._cpu_ns

    def cpus(self) -> list[int]:
        return sorted(self._cpus)

    def _loop(self, interval: float, cpus: set[int]) -> None:
        began = time.thread_time_ns()
        try:
            place(0, cpus)
            due = time.monotonic() + interval
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                self.look()
                self.count.rounds += 1
                if self.recorder:
                    self.recorder.round_ended(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))
                note_cpu(self._cpus)
                # A round that took longer than the interval delays the next; none is made up for.
                due = max(due + interval, time.monotonic())
        except (AgentError, OSError, ValueError) as error:
            self._failure = f"{self.name} stopped: {error}"
        self._cpu_ns = time.thread_time_ns() - began
