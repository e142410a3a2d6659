"""Drives the scanner (trackers/src/): a process of its own, whose CPU time is the tracker's."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from array import array
from typing import IO, Any

from hotkit.agent.heat import HeatRange, scaled
from hotkit.agent.protocol import AgentError
from hotkit.agent.samples import Recorder, Samples
from hotkit.agent.threads import note_cpu, place

PAGE_BYTES = 4096
_RANGES_AT_MOST = 4096


class ScanProcess:
    """One scan of a process's memory, from start() to stop(); then the readers."""

    def __init__(self, program: str, mode: str, target: dict[str, Any], interval_us: int):
        self.count = Samples()
        self.cpu_ns = 0
        self.cpus: set[int] = set()
        # All that it said in the end, as it said it: a mode may have words of its own.
        self.said: dict[str, Any] = {}
        self._ranges: list[tuple[int, int]] = [(a, b) for a, b in target["ranges"]]
        if not 0 < len(self._ranges) <= _RANGES_AT_MOST:
            raise AgentError(
                f"{len(self._ranges)} ranges: the scanner takes 1 to {_RANGES_AT_MOST}"
            )
        self.argv = [program, mode, "--pid", str(target["pid"]), "--interval-us", str(interval_us)]
        for start, end in self._ranges:
            self.argv += ["--range", f"{start:#x}-{end:#x}"]
        self._heat: array[int] = array("I")
        self._child: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._recorder: Recorder | None = None
        self._failure: str | None = None

    def start(self, cpus: set[int], recorder: Recorder | None) -> None:
        """Start it; returns when its first round has begun. Raises AgentError."""
        self._recorder = recorder
        # A file and not a pipe: nobody reads stderr while it runs.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        argv = self.argv + (["--rounds"] if recorder else [])
        try:
            self._child = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr
            )
        except OSError as error:
            raise AgentError(f"{argv[0] or 'the scanner'}: {error.strerror}") from error
        place(self._child.pid, cpus)
        assert self._child.stdout is not None
        if self._child.stdout.readline() != b"ready\n":
            self._child.wait()
            raise AgentError(self._last_words())
        self._reader = threading.Thread(target=self._read, name="scan", daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """End it and take its result. Raises AgentError when it had failed. Twice does no harm."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None and child.stdout is not None
        note_cpu(self.cpus, str(child.pid))
        child.stdin.close()
        if self._reader:
            self._reader.join()
        child.wait()
        child.stdout.close()
        if child.returncode or self._failure:
            raise AgentError(self._failure or self._last_words())

    def hot(self) -> list[HeatRange]:
        """Per range, how often each page was found accessed."""
        found, at = [], 0
        for start, end in self._ranges:
            pages = (end - start) // PAGE_BYTES
            heat = scaled(self._heat[at : at + pages], self.count.rounds)
            found.append(HeatRange(start, PAGE_BYTES, heat, min(255, self.count.rounds)))
            at += pages
        return found

    def _read(self) -> None:
        """All that it says, until it ends; in a thread, since rounds come while the work runs."""
        child = self._child
        assert child is not None and child.stdout is not None
        done = False
        try:
            for line in iter(child.stdout.readline, b""):
                word, _, text = line.partition(b" ")
                fields = json.loads(text)
                if word == b"round":
                    flags = child.stdout.read(fields["pages"])
                    if len(flags) < fields["pages"]:
                        break  # it died meanwhile
                    self._record(fields["at_ns"], flags)
                    continue
                self.said = fields
                self.count.rounds = fields["rounds"]
                self.count.examined = fields["examined"]
                self.count.positive = fields["positive"]
                self.cpu_ns = fields["cpu_ns"]
                self._heat.frombytes(child.stdout.read(4 * fields["pages"]))
                done = True
        except ValueError as error:
            self._failure = f"the scanner said something else than a result: {error}"
        if not done:
            self._release(child)

    def _release(self, child: subprocess.Popen[bytes]) -> None:
        """The scanner died: threads of the workload may wait for it, as the run waits for them.

        The kernel does not end a userfaultfd with the scanner, since the workload holds it as well.
        """
        if self.argv[1].startswith("uffd"):
            child.kill()  # whatever it said, it is not to protect anything again
            child.wait()
            argv = [self.argv[0], "uffd-release", *self.argv[2:]]
            subprocess.run(argv, stderr=subprocess.DEVNULL)

    def _record(self, at_ns: int, flags: bytes) -> None:
        assert self._recorder is not None
        at = 0
        for start, end in self._ranges:
            pages = (end - start) // PAGE_BYTES
            self._recorder.pages(start, PAGE_BYTES, flags[at : at + pages])
            at += pages
        self._recorder.round_ended(at_ns)

    def _last_words(self) -> str:
        assert self._stderr is not None
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").strip()
        return said.splitlines()[-1] if said else "the scanner ended without a word"
