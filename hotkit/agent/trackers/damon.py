"""DAMON: samples regions of memory, splits and merges them by what it saw.

Driven through sysfs (Documentation/admin-guide/mm/damon/usage.rst, 5.18 and later), recorded by the
tracepoint damon_aggregated or, where the kernel has them (6.2), by the tried regions of a scheme
that only counts. Stock DAMON clears A bits and flushes no TLB (mm/damon/ops-common.c), so what
stays in a TLB looks cold; `flush` switches a patched kernel.
"""

from __future__ import annotations

import os
from itertools import accumulate
from pathlib import Path
from typing import Any

from hotkit.agent.access import no_tracefs, refused
from hotkit.agent.damon_regions import RegionPoller
from hotkit.agent.damon_trace import Records, Region, parse_trace
from hotkit.agent.heat import HeatRange, scaled
from hotkit.agent.pages import frames_of, iomem_ram, kernel_has
from hotkit.agent.protocol import AgentError
from hotkit.agent.samples import Samples
from hotkit.agent.threads import cpu_ns, note_cpu, place, wanted_cpus
from hotkit.agent.tracing import Tracing, tracefs
from hotkit.agent.trackers.base import Probe, Setting, Settings, Target, Tracker
from hotkit.agent.trackers.flush import FLUSH, kernel_counts, set_mode, why_not
from hotkit.agent.undo import read_knob, write_knob

KDAMONDS = "/sys/kernel/mm/damon/admin/kdamonds/"
CONTEXT = KDAMONDS + "0/contexts/0/"
PAGE_BYTES = 4096
_OPTION = {"vaddr": "DAMON_VADDR", "fvaddr": "DAMON_VADDR", "paddr": "DAMON_PADDR"}
_SYMBOL = {"vaddr": "damon_va_check_accesses", "fvaddr": "damon_va_check_accesses",
           "paddr": "damon_pa_check_accesses"}  # fmt: skip


class Damon(Tracker):
    """One kdamond with one context and one target."""

    name = "damon"
    how = "checks the A bit of one page per region, adapts the regions"
    units = {"examined": "region check", "positive": "check that found an access"}
    settings = {
        "operations": Setting(
            "vaddr",
            "the process as it finds it, the workload's ranges, or all physical memory",
            choices=("vaddr", "fvaddr", "paddr"),
        ),
        "sample_us": Setting(5000, "us between two checks of a region", least=1),
        "aggr_us": Setting(100000, "us after which counts are recorded", least=1),
        "update_us": Setting(1000000, "us between two looks at the process's mappings", least=1),
        "min_regions": Setting(10, "regions at least", least=3),
        "max_regions": Setting(1000, "regions at most: what bounds its cost", least=3),
        "records": Setting(
            "tracepoint",
            "where its findings are read",
            choices=("tracepoint", "tried-regions"),
        ),
        "buffer_kib": Setting(4096, "KiB of trace buffer per CPU", least=64),
        "flush": FLUSH,
    }

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._count = Samples()
        self._cpu_ns = 0
        self._cpus: set[int] = set()
        self._source: Tracing | RegionPoller | None = None
        self._records = Records([], 0, 0, 0)
        self._started = False
        self._rest = ""

    def probe(self, settings: Settings) -> Probe:
        if not Path(KDAMONDS).is_dir():
            return Probe(
                False,
                f"there is no {KDAMONDS}",
                "a kernel of 5.18 or later with CONFIG_DAMON_SYSFS=y: hotkit kernel build",
            )
        why = refused(Path(KDAMONDS + "nr_kdamonds"), os.O_RDWR)
        if why:
            return Probe(False, *why)
        used = read_knob(KDAMONDS + "nr_kdamonds")
        if used != "0":
            return Probe(
                False,
                f"somebody else uses DAMON's sysfs files (nr_kdamonds is {used})",
                f"end it (damo stop), then echo 0 > {KDAMONDS}nr_kdamonds",
            )
        operations = settings["operations"]
        if kernel_has(_SYMBOL[operations]) is False:
            option = _OPTION[operations]
            return Probe(
                False,
                f"this kernel has no operations {operations} (CONFIG_{option} is not set)",
                f"a kernel with CONFIG_{option}=y: hotkit kernel build",
            )
        if settings["records"] == "tracepoint":
            why = no_tracefs()
            if why:
                return Probe(False, why[0], f"records: tried-regions, or {why[1]}")
            root = tracefs()
            if root is None or not (root / "events/damon/damon_aggregated").is_dir():
                return Probe(
                    False,
                    "there is no tracepoint damon:damon_aggregated",
                    "records: tried-regions, or a kernel with CONFIG_FTRACE=y",
                )
        elif kernel_has("damon_sysfs_scheme_region") is False:
            return Probe(
                False,
                "this kernel's DAMON shows no tried regions (6.2 and later do)",
                "records: tracepoint",
            )
        return why_not("damon", settings) or Probe(True)

    def start(self, target: Target, settings: Settings) -> None:
        if settings["min_regions"] > settings["max_regions"]:
            raise AgentError("damon: min_regions is more than max_regions")
        if settings["aggr_us"] < settings["sample_us"]:
            raise AgentError("damon: aggr_us is less than sample_us")
        cpus = wanted_cpus(settings, target)
        self._target, self._settings = target, settings
        self._per = settings["aggr_us"] // settings["sample_us"]
        set_mode(self.undo, "damon", settings)
        if read_knob(KDAMONDS + "nr_kdamonds") != "0":
            raise AgentError("somebody else uses DAMON's sysfs files", "damo stop")
        self._configure(target, settings)
        self._before = kernel_counts("damon")
        if settings["records"] == "tracepoint":
            tracing = Tracing(self.undo, ["damon/damon_aggregated"], settings["buffer_kib"])
            tracing.start(cpus, self._tell if self.recorder else None)
            self._source = tracing
            self._turn_on(cpus)
        else:
            self._turn_on(cpus)
            poller = RegionPoller(KDAMONDS + "0/", settings["aggr_us"] / 1e6)
            poller.start(cpus, self._tell_regions if self.recorder else None)
            self._source = poller

    def stop(self) -> None:
        if not self._started:
            return
        self._started = False
        pid = read_knob(KDAMONDS + "0/pid")
        self._cpu_ns = cpu_ns(pid)
        note_cpu(self._cpus, pid)
        died = read_knob(KDAMONDS + "0/state") != "on"
        if isinstance(self._source, RegionPoller):
            self._source.stop()  # it reads what a running kdamond holds
        if not died:
            write_knob(KDAMONDS + "0/state", "off")
        after = kernel_counts("damon")
        if isinstance(self._source, Tracing):
            self._source.stop()
        if self._source:
            self._cpu_ns += self._source.cpu_ns
            self._cpus |= self._source.cpus
        self._take(after)
        if died:
            raise AgentError("DAMON ended by itself during the run (did the workload exit?)")

    def samples(self) -> Samples:
        return self._count

    def self_cost(self) -> int:
        return self._cpu_ns

    def cpus(self) -> list[int]:
        return sorted(self._cpus)

    def hot(self) -> list[HeatRange]:
        """Mean over all aggregations of the share of checks that found the page's region accessed.

        The checks are those that were taken, where the kernel counts them and the trace has all of
        them: a busy machine takes fewer than its intervals promise. Tried regions are looked at now
        and then, and count as promised. A page between two regions counts as not accessed.
        """
        regions = self._records.regions
        checks_each = self._count.examined / max(1, len(regions))
        if isinstance(self._source, RegionPoller):
            checks_each = self._per
        most = max(1, round(checks_each * self._records.aggregations))
        if self._settings["operations"] == "paddr":
            counts = physical_counts(regions, self._target)
        else:
            counts = [
                (start, page_counts(regions, start, end)) for start, end in self._target["ranges"]
            ]
        return [
            HeatRange(start, PAGE_BYTES, scaled(found, most), min(255, most))
            for start, found in counts
        ]

    def _configure(self, target: Target, settings: Settings) -> None:
        self.undo.write(KDAMONDS + "nr_kdamonds", "1", back="0")
        self.undo.later(KDAMONDS + "0/state", "off")
        write_knob(KDAMONDS + "0/contexts/nr_contexts", "1")
        write_knob(CONTEXT + "operations", settings["operations"])
        intervals = CONTEXT + "monitoring_attrs/intervals/"
        for name in ("sample_us", "aggr_us", "update_us"):
            write_knob(intervals + name, str(settings[name]))
        # First the larger one: min may not pass max at any moment.
        write_knob(CONTEXT + "monitoring_attrs/nr_regions/max", str(settings["max_regions"]))
        write_knob(CONTEXT + "monitoring_attrs/nr_regions/min", str(settings["min_regions"]))
        write_knob(CONTEXT + "targets/nr_targets", "1")
        ranges = target["ranges"]
        if settings["operations"] != "paddr":
            write_knob(CONTEXT + "targets/0/pid_target", str(target["pid"]))
        else:
            ranges = iomem_ram()
        if settings["operations"] != "vaddr":
            # For vaddr the kernel does this itself (mm/damon/vaddr.c, __damon_va_init_regions()).
            ranges = evenly_split(ranges, settings["min_regions"])
            write_knob(CONTEXT + "targets/0/regions/nr_regions", str(len(ranges)))
            for number, (start, end) in enumerate(ranges):
                region = f"{CONTEXT}targets/0/regions/{number}/"
                write_knob(region + "start", str(start))
                write_knob(region + "end", str(end))
        if settings["records"] == "tried-regions":
            write_knob(CONTEXT + "schemes/nr_schemes", "1")
            RegionPoller.configure(CONTEXT + "schemes/0/")

    def _turn_on(self, cpus: set[int]) -> None:
        write_knob(KDAMONDS + "0/state", "on")
        self._started = True
        pid = int(read_knob(KDAMONDS + "0/pid"))
        place(pid, cpus)

    def _take(self, after: dict[str, int]) -> None:
        """From text to counts: the kernel's own where it counts, else what the intervals say."""
        source = self._source
        self._records = (
            parse_trace(source.text()) if isinstance(source, Tracing)
            else source.records if source else self._records
        )  # fmt: skip
        count, regions = self._count, self._records.regions
        count.rounds = self._records.aggregations
        count.lost = self._per * self._records.lost
        if after:
            count.examined = after["samples"] - self._before.get("samples", 0)
            count.positive = after["samples_positive"] - self._before.get("samples_positive", 0)
        else:
            count.examined = self._per * len(regions)
            count.positive = sum(region.accesses for region in regions)
            # A busy machine takes fewer checks than its intervals promise.
            count.extra["nominal"] = 1
        count.extra["regions_recorded"] = len(regions)
        count.extra["records_damaged"] = self._records.damaged

    def _tell(self, piece: bytes) -> None:
        whole, newline, self._rest = (self._rest + piece.decode(errors="replace")).rpartition("\n")
        self._tell_regions(parse_trace(whole + newline).regions)

    def _tell_regions(self, regions: list[Region]) -> None:
        """To the recorder: aggregations end where the time jumps by half of one."""
        assert self.recorder is not None
        if self._settings["operations"] == "paddr":
            return  # its addresses are not the workload's
        last = None
        for region in regions:
            if last is not None and region.at_ns - last > 500 * self._settings["aggr_us"]:
                self.recorder.round_ended(last)
            self.recorder.region(region.start, region.end, region.accesses / self._per)
            last = region.at_ns
        if last is not None:
            self.recorder.round_ended(last)


def evenly_split(ranges: list[Any], least: int) -> list[tuple[int, int]]:
    """The [start, end) ranges in pieces of about equal size, at least `least` where pages allow."""
    pages = sum(end - start for start, end in ranges) // PAGE_BYTES
    found: list[tuple[int, int]] = []
    for start, end in ranges:
        own = (end - start) // PAGE_BYTES
        pieces = max(1, min(own, -(-least * own // max(pages, 1))))
        borders = [start + own * number // pieces * PAGE_BYTES for number in range(pieces + 1)]
        found += [(borders[number], borders[number + 1]) for number in range(pieces)]
    return found


def page_counts(regions: list[Region], start: int, end: int) -> list[int]:
    """Accesses summed per page of [start, end): steps at regions' borders, then a running sum."""
    pages = (end - start) // PAGE_BYTES
    steps = [0] * (pages + 1)
    for region in regions:
        first = max(0, -(-(region.start - start) // PAGE_BYTES))
        last = min(pages, (region.end - start) // PAGE_BYTES)
        if region.accesses and first < last:
            steps[first] += region.accesses
            steps[last] -= region.accesses
    return list(accumulate(steps[:pages]))


def physical_counts(regions: list[Region], target: Target) -> list[tuple[int, list[int]]]:
    """Per range of the process the sums of its pages, whose frames are where they are now."""
    steps: dict[int, int] = {}
    for region in regions:
        if region.accesses:
            for address, by in ((region.start, 1), (region.end, -1)):
                steps[address] = steps.get(address, 0) + by * region.accesses
    wanted = []
    found: list[tuple[int, list[int]]] = []
    for start, end in target["ranges"]:
        frames = frames_of(target["pid"], start, end)
        counts = [0] * len(frames)
        found.append((start, counts))
        wanted += [(frame * PAGE_BYTES, counts, i) for i, frame in enumerate(frames) if frame]
    borders = sorted(steps.items())
    at = running = 0
    for address, counts, index in sorted(wanted, key=lambda item: item[0]):
        while at < len(borders) and borders[at][0] <= address:
            running += borders[at][1]
            at += 1
        counts[index] = running
    return found
