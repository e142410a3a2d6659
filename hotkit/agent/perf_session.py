"""The events and rings that watch one process, from opening to closing."""

from __future__ import annotations

import errno
import mmap
import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hotkit.agent import perf_event
from hotkit.agent.cpulist import online_cpus
from hotkit.agent.perf_event import Event
from hotkit.agent.perf_ring import Records, Ring, parse
from hotkit.agent.protocol import AgentError

# Files that the agent may need beside the events.
_SPARE_FILES = 64


class Session:
    """Samples `pid`: an event per existing thread and CPU, a ring per CPU.

    An event of one task on any CPU cannot both be inherited by threads to come and have a ring
    (perf_mmap refuses cpu == -1 with inherit: all would write to one ring at once). So each event
    is tied to a CPU, where one writer runs at a time, and inherited; those of other threads on that
    CPU write to the same ring (PERF_EVENT_IOC_SET_OUTPUT). perf record does the same. A thread that
    is created *while* we open, by a thread not opened yet, is missed: start before work begins.
    """

    def __init__(self, event: Event, period: int, wakeup: int, buffer_kib: int):
        self._event = event
        self._kib = buffer_kib
        self._bytes = buffer_kib * 1024
        pages = self._bytes // mmap.PAGESIZE
        if self._bytes % mmap.PAGESIZE or pages & (pages - 1) or not pages:
            raise AgentError(
                f"buffer_kib: {buffer_kib} KiB is not a power of two of pages",
                f"{mmap.PAGESIZE // 1024}, {mmap.PAGESIZE // 512}, ... 512, 1024 ...",
            )
        self._period = period
        self._wakeup = wakeup
        self._pid = 0
        self._files: list[int] = []
        self._file_limit: tuple[int, int] | None = None
        self.rings: list[Ring] = []

    def watch(self, pid: int) -> None:
        """Open everything for the process and those that its threads will create."""
        self._pid = pid
        try:
            threads = sorted(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())
        except OSError as error:
            raise AgentError(f"process {pid}: {error.strerror}") from error
        cpus = online_cpus()
        if self._event.cpus is not None:
            cpus &= self._event.cpus
        self._make_room(len(threads) * len(cpus) + len(cpus))
        attr = perf_event.attributes(
            self._event, self._period, self._wakeup, self._bytes, inherit=True
        )
        for cpu in sorted(cpus):
            ring: Ring | None = None
            for thread in threads:
                fd = self._open(attr, thread, cpu)
                if fd is None:
                    continue
                if ring is None:
                    ring = self._map(fd)
                else:
                    perf_event.write_to(fd, ring.fd)

    def watch_self(self) -> None:
        """One event of the calling thread, for a probe."""
        self._pid = os.getpid()
        attr = perf_event.attributes(
            self._event, self._period, self._wakeup, self._bytes, inherit=False
        )
        fd = self._open(attr, 0, -1)
        assert fd is not None
        self._map(fd)

    def enable(self) -> None:
        for fd in self._files:
            perf_event.enable(fd)

    def disable(self) -> None:
        for fd in self._files:
            perf_event.disable(fd)

    def counts(self) -> tuple[int, int]:
        """Events that happened, and samples that found no room in a ring, since `enable`."""
        pairs = [perf_event.read_counts(fd) for fd in self._files]
        return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)

    def drain(self) -> Iterator[Records]:
        """What came since the last call, ring by ring."""
        for ring in self.rings:
            data = ring.read()
            if data:
                yield parse(data, self._pid)

    def close(self) -> None:
        """End all; may be called twice, and after `watch` failed halfway."""
        for ring in self.rings:
            ring.close()
        for fd in self._files:
            os.close(fd)
        self.rings, self._files = [], []
        if self._file_limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, self._file_limit)
            self._file_limit = None

    def _open(self, attr: bytes, thread: int, cpu: int) -> int | None:
        try:
            fd = perf_event.open_event(attr, thread, cpu)
        except OSError as error:
            if error.errno == errno.ESRCH:
                return None  # the thread has ended
            raise perf_event.explain(error, self._event) from error
        self._files.append(fd)
        return fd

    def _map(self, fd: int) -> Ring:
        try:
            ring = Ring(fd, self._bytes)
        except OSError as error:
            raise perf_event.explain_map(error, self._kib) from error
        self.rings.append(ring)
        return ring

    def _make_room(self, wanted: int) -> None:
        """Raise our own limit of open files (soft, up to hard) until `close`."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted += _SPARE_FILES
        if soft != resource.RLIM_INFINITY and soft < wanted:
            # Where that is not enough, opening says so: EMFILE.
            with suppress(ValueError, OSError):
                limit = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
                self._file_limit = (soft, hard)
