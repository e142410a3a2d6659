"""Hardware samples with data addresses: PEBS on Intel, IBS on AMD, through perf_event_open(2).

Every `period`-th event writes a record with the address that was touched. Which accesses these are
is the event's choice: retired loads (mem-loads), micro-ops (IBS), page faults. Nobody looks at
memory, so nothing is "possible": the heat is relative.

The direct cost is the CPU time of the thread that reads the rings. What the kernel and the hardware
spend per record (microcode writing it, interrupts, copying it to the ring) is spent in the
workload's time: only the differential cost shows it.
"""

from __future__ import annotations

import mmap
import os
import re
import select
import threading
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import Any

from hotkit.agent import perf_event
from hotkit.agent.heat import HeatRange, scaled
from hotkit.agent.perf_event import Event
from hotkit.agent.perf_ring import Records
from hotkit.agent.perf_session import Session
from hotkit.agent.protocol import AgentError
from hotkit.agent.samples import Samples
from hotkit.agent.threads import note_cpu, place, wanted_cpus
from hotkit.agent.trackers.base import Probe, Setting, Settings, Target, Tracker

PAGE_BYTES = mmap.PAGESIZE
_PAGE_SHIFT = PAGE_BYTES.bit_length() - 1
# At least so often the rings are read, whether the kernel woke us or not.
_ROUND_S = 0.1
_PROBE_S = 0.2
_PROBE_BYTES = 1 << 20
_MAX_RATE = Path("/proc/sys/kernel/perf_event_max_sample_rate")
_INTERRUPTS = Path("/proc/interrupts")


class PageCounts:
    """How many samples fell on each page of one range: 8 bytes per page, however many samples."""

    def __init__(self, start: int, end: int):
        self.start = start - start % PAGE_BYTES
        self.end = end
        self._from = start
        self._counts = array("Q", bytes(8 * (-(-(end - self.start) // PAGE_BYTES))))

    def add(self, addresses: array[int]) -> int:
        """Count the addresses in the range; returns how many these are."""
        start, first, end = self.start, self._from, self.end
        pages = [(at - start) >> _PAGE_SHIFT for at in addresses if first <= at < end]
        counts = self._counts
        for page in pages:
            counts[page] += 1
        return len(pages)

    def holds(self, page: int) -> bool:
        """Whether the page of this number (address / page size) is in the range."""
        return self.start <= page << _PAGE_SHIFT < self.end

    def heat(self) -> HeatRange:
        return HeatRange(self.start, PAGE_BYTES, scaled(self._counts, max(self._counts)), 0)


class Perf(Tracker):
    """Reads the rings of one session from a thread."""

    name = "perf"
    how = "the PMU writes a record with the data address of every n-th event (PEBS, IBS)"
    units = {"examined": "record", "positive": "record in the workload's memory"}
    # intel_guest_get_msrs(), arch/x86/events/intel/core.c; an address would be the guest's own.
    not_over_vm = (
        "the host's PEBS is switched off while a guest runs, so perf in the host sees nothing of it"
    )
    settings = {
        "event": Setting(
            "auto", "auto (Intel: mem-loads, AMD: ibs_op), PMU/TERMS/, an event's name, page-faults"
        ),
        "period": Setting(
            0, "events per record; 0: 10007, of IBS 10000, of page faults 1", least=0
        ),
        "ldlat": Setting(
            0, "cycles a load must take at least to be sampled (Intel); 0: as mem-loads says (3)",
            least=0,
        ),
        "wakeup": Setting(
            0, "records until the reader is woken; with 1 or more PEBS interrupts for each record, "
            "with 0 when its buffer (and half of the ring) is full", least=0,
        ),
        "buffer_kib": Setting(512, "KiB of ring per CPU, a power of two of pages", least=4),
        "precise": Setting(
            2, "precise_ip, 0 to 3, asked of Intel's PMU exactly (other events have none)", least=0
        ),
        "kernel": Setting(True, "also what the kernel does for the workload (copying from and to)"),
    }  # fmt: skip

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.count = Samples()
        self._session: Session | None = None
        self._thread: threading.Thread | None = None
        self._wake = -1
        self._ranges: list[PageCounts] = []
        self._round: Counter[int] = Counter()
        self._hardware = False
        self._before = (0, 0)
        self._cpu_ns = 0
        self._cpus: set[int] = set()
        self._failure: str | None = None

    def probe(self, settings: Settings) -> Probe:
        """Open the event on ourselves, touch memory, and look whether records carry addresses."""
        try:
            event = _event(settings)
            session = _session(event, settings)
            try:
                session.watch_self()
                _refuse_blind(session, event)
            finally:
                session.close()
        except AgentError as error:
            return Probe(False, error.message, error.fix or "another event; dmesg may say more")
        return Probe(True)

    def start(self, target: Target, settings: Settings) -> None:
        wanted = wanted_cpus(settings, target)
        event = _event(settings)
        blind = set(target.get("cpus") or ()) - (event.cpus or set())
        if event.cpus is not None and blind:
            raise AgentError(
                f"{event.name} samples on CPUs {_cpu_list(event.cpus)} only, and the workload may "
                f"run on {_cpu_list(blind)} too",
                "pin the workload, or name an event of the other PMU",
            )
        self._ranges = [PageCounts(start, end) for start, end in target["ranges"]]
        self._hardware = event.hardware
        self._session = _session(event, settings)
        try:
            self._session.watch(target["pid"])
            self._before = (_max_rate(), _interrupts())
            woken, self._wake = os.pipe()
            self._thread = threading.Thread(
                target=self._loop, args=(self._session, woken, wanted), name=self.name, daemon=True
            )
            self._thread.start()
            self._session.enable()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        try:
            session.disable()
            if self._thread is not None:
                os.close(self._wake)  # its end of the pipe hangs up
                self._thread.join()
                self._thread = None
            self._sum_up(session)
        finally:
            session.close()
        if self._failure:
            raise AgentError(self._failure)

    def samples(self) -> Samples:
        return self.count

    def self_cost(self) -> int:
        return self._cpu_ns

    def cpus(self) -> list[int]:
        return sorted(self._cpus)

    def hot(self) -> list[HeatRange]:
        return [counts.heat() for counts in self._ranges]

    def _loop(self, session: Session, woken: int, cpus: set[int]) -> None:
        began = time.thread_time_ns()
        try:
            place(0, cpus)
            self._read_until_hung_up(session, woken)
        except (AgentError, OSError, ValueError) as error:
            self._failure = f"{self.name} stopped: {error}"
        finally:
            os.close(woken)
        self._cpu_ns = time.thread_time_ns() - began

    def _read_until_hung_up(self, session: Session, woken: int) -> None:
        poll = select.poll()
        poll.register(woken, 0)
        for ring in session.rings:
            poll.register(ring.fd, select.POLLIN)
        due = time.monotonic() + _ROUND_S
        while True:
            ready = poll.poll(max(0.0, 1000 * (due - time.monotonic())))
            self._add_up(session)
            if any(fd == woken for fd, _ in ready):
                # The events were disabled before: this was the last of it.
                self._end_round()
                return
            for fd, what in ready:
                if what & (select.POLLHUP | select.POLLERR):
                    poll.unregister(fd)  # its task has ended; what is in the ring still counts
            if time.monotonic() >= due:
                self._end_round()
                due = time.monotonic() + _ROUND_S

    def _add_up(self, session: Session) -> None:
        for records in session.drain():
            self._take(records)

    def _take(self, records: Records) -> None:
        if records.damaged:
            raise ValueError(f"{records.damaged} bytes of a ring are no records")
        count = self.count
        count.examined += records.samples
        inside = sum(pages.add(records.addresses) for pages in self._ranges)
        count.positive += inside
        for name, amount in (
            ("elsewhere", len(records.addresses) - inside),
            ("no_address", records.addresses.count(0)),
            ("other_process", records.samples - len(records.addresses)),
            ("lost_ring", records.lost),
            ("lost_hardware", records.lost_samples),
            ("throttled", records.throttled),
            ("unthrottled", records.unthrottled),
            ("unknown_records", records.unknown),
        ):
            count.extra[name] = count.extra.get(name, 0) + amount
        if self.recorder:
            self._round.update(at >> _PAGE_SHIFT for at in records.addresses)

    def _end_round(self) -> None:
        self.count.rounds += 1
        note_cpu(self._cpus)
        if not self.recorder:
            return
        # All of the memory is watched: where no sample fell, it was not accessed as far as we know.
        most = max(self._round.values(), default=1)
        for pages in self._ranges:
            at = pages.start
            for page in sorted(filter(pages.holds, self._round)):
                start = page << _PAGE_SHIFT
                if at < start:
                    self.recorder.region(at, start, 0.0)
                at = start + PAGE_BYTES
                self.recorder.region(start, at, self._round[page] / most)
            if at < pages.end:
                self.recorder.region(at, pages.end, 0.0)
        self._round.clear()
        self.recorder.round_ended(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))

    def _sum_up(self, session: Session) -> None:
        """What only the end shows: losses that no later record told of, interrupts, the limit."""
        extra = self.count.extra
        extra["events"], unwritten = session.counts()
        # A LOST record is written when there is room again, so a last loss has none. The event's
        # own count (PERF_FORMAT_LOST, since 6.0) has them all, and those of other records too.
        extra["lost_ring"] = max(extra.get("lost_ring", 0), unwritten)
        self.count.lost = extra["lost_ring"] + extra.get("lost_hardware", 0)
        rate, interrupts = self._before
        extra["max_sample_rate"] = _max_rate()
        # The kernel lowers it, for good, when interrupts take too long. We never do.
        extra["max_sample_rate_changed"] = int(extra["max_sample_rate"] != rate)
        if self._hardware:
            # Of the whole machine: another user of the PMU (the NMI watchdog) counts too.
            extra["pmi"] = _interrupts() - interrupts


def _event(settings: Settings) -> Event:
    event = perf_event.lookup(settings["event"])
    if settings["ldlat"]:
        perf_event.set_ldlat(event, settings["ldlat"])
    if not settings["kernel"]:
        perf_event.leave_kernel_out(event)
    if settings["precise"] > 3:
        raise AgentError(f"precise: {settings['precise']} is more than 3", "0 to 3")
    # IBS is precise by nature, software events are exact: neither has levels.
    if event.hardware and event.name.startswith("cpu"):
        event.precise = settings["precise"]
    return event


def _session(event: Event, settings: Settings) -> Session:
    return Session(
        event, settings["period"] or event.period, settings["wakeup"], settings["buffer_kib"]
    )


def _refuse_blind(session: Session, event: Event) -> None:
    """AgentError when there are records and none has an address. No record at all proves nothing:
    the period may be longer than the probe."""
    session.enable()
    until = time.monotonic() + _PROBE_S
    seen = 0
    while not seen and time.monotonic() < until:
        with mmap.mmap(-1, _PROBE_BYTES) as memory:
            for at in range(0, _PROBE_BYTES, PAGE_BYTES):
                memory[at] = 1
        for records in session.drain():
            seen += records.samples
            if any(records.addresses):
                return
        if not event.hardware:
            break  # every fault has happened
    if seen:
        raise AgentError(
            f"the records of {event.name} carry no data address", "an event of loads or stores"
        )


def _max_rate() -> int:
    """The limit of records per second and CPU, above which the kernel throttles; 0 unreadable."""
    try:
        return int(_MAX_RATE.read_text())
    except OSError:
        return 0


def _interrupts() -> int:
    """Interrupts of the PMU since boot, on all CPUs: the PMI line of /proc/interrupts."""
    match = re.search(r"^ *PMI:((?: +\d+)+)", _INTERRUPTS.read_text(), re.MULTILINE)
    return sum(map(int, match[1].split())) if match else 0


def _cpu_list(cpus: set[int]) -> str:
    return ", ".join(map(str, sorted(cpus)))
