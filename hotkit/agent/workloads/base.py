"""The interface of a workload: a fixed piece of work on memory that is populated before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Workload:
    """One process with its memory, from populated to the result.

    Made by the runner for every run, in the agent's main thread. `binary` is the program of
    src/, `parameters` what the schedule says, `cgroup` the directory that its memory is charged to.
    """

    # This key of the parameters is the amount of work, what a calibration scales; "": none does.
    work_key = ""

    def __init__(self, binary: str, parameters: dict[str, Any], cgroup: Path | None = None):
        raise NotImplementedError

    def start(self) -> dict[str, Any]:
        """Start it and wait until its memory is populated. Returns the ground truth.

        Always: `pid`. What else is known: `start` and `bytes` (the one mapping that matters;
        without them it is all private writable ones), `hot_start` and `hot_bytes` (the hot range
        as the work begins), `distribution`, `weight`, `theta`, `cpus`, and the footprint beside
        the last-level cache (llc.py). Raises AgentError.
        """
        raise NotImplementedError

    def run(self) -> dict[str, Any]:
        """The timed part. Returns `duration_ns` (CLOCK_MONOTONIC_RAW) and `checksum` (None where
        nothing tells that the same work was done). The memory stays readable until `stop`."""
        raise NotImplementedError

    def stop(self) -> None:
        """End everything that was started, whatever it does. May be called twice."""
        raise NotImplementedError
