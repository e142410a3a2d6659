"""Drives the hotset binary (src/hotset.c): start, wait until populated, go, result, end."""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from hotkit.agent.cgroup import entering
from hotkit.agent.protocol import AgentError
from hotkit.agent.workloads.base import Workload
from hotkit.agent.workloads.llc import against_llc

# What the schedule may say about it -> the binary's option.
_OPTIONS = {
    "size_bytes": "--size",
    "hot_bytes": "--hot",
    "hot_offset_bytes": "--hot-offset",
    "weight": "--weight",
    "threads": "--threads",
    "granularity_bytes": "--granularity",
    "updates": "--updates",
    "seed": "--seed",
    "phases": "--phases",
    "write_share": "--write-share",
    "memory": "--memory",
    "numa": "--numa",
    "distribution": "--distribution",
    "theta": "--theta",
}
_FLAGS = {"reverse": "--reverse", "pin": "--pin", "unmovable": "--unmovable"}


class Hotset(Workload):
    """One process of the workload, from populated memory to its result.

    Must be made in the agent's main thread: the binary asks the kernel to be killed when the thread
    that started it ends.
    """

    # This key of the parameters is the amount of work: what a calibration scales.
    work_key = "updates"

    def __init__(self, binary: str, parameters: dict[str, Any], cgroup: Path | None = None):
        self.argv = [binary]
        for key, value in sorted(parameters.items()):
            if key in _FLAGS:
                self.argv += [_FLAGS[key]] if value else []
            elif key in _OPTIONS:
                self.argv += [_OPTIONS[key], str(value)]
            else:
                raise AgentError(f"hotset: unknown parameter {key!r}")
        self.argv = entering(cgroup, self.argv)
        self._child: subprocess.Popen[str] | None = None
        self._stderr: IO[bytes] | None = None

    def start(self) -> dict[str, Any]:
        """As Workload: the mapping is always known, the hot range unless it is zipf's."""
        # A file and not a pipe: nobody reads stderr while the work runs.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._child = subprocess.Popen(
                self.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                universal_newlines=True,
            )
        except OSError as error:
            raise AgentError(f"{self.argv[0]}: {error.strerror}") from error
        truth = self._read("ready")
        truth.update(against_llc(truth["bytes"]))
        return truth

    def run(self) -> dict[str, Any]:
        """As Workload, with `updates`, `thread_cpu_ns` per thread, and `phases` of a hotset: when
        each began (`at_ns`, CLOCK_MONOTONIC_RAW) with its `hot_start` and `hot_bytes`."""
        self._say_go()
        return self._read("done")

    def stop(self) -> None:
        """End the process, whatever it does, and reap it."""
        if self._child is None:
            return
        if self._child.stdin:
            with suppress(OSError):  # it is gone already
                self._child.stdin.close()
        try:
            self._child.wait(0.5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdout:
            self._child.stdout.close()
        if self._stderr:
            self._stderr.close()
        self._child = None

    def _say_go(self) -> None:
        assert self._child is not None and self._child.stdin is not None
        try:
            self._child.stdin.write("g")
            self._child.stdin.flush()
        except OSError:
            pass  # reading its result tells why it is gone

    def _read(self, word: str) -> dict[str, Any]:
        assert self._child is not None and self._child.stdout is not None
        line = self._child.stdout.readline()
        name, _, text = line.partition(" ")
        if name != word:
            raise AgentError(f"hotset ended before {word!r}: {self._last_words()}")
        fields: dict[str, Any] = json.loads(text)
        return fields

    def _last_words(self) -> str:
        assert self._child is not None and self._stderr is not None
        try:
            code = self._child.wait(2)
        except subprocess.TimeoutExpired:
            return "it said something else and keeps running"
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").strip()
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return said or how
