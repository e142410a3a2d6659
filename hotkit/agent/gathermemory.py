"""Prints what a machine says of its memory, as one JSON object: {schema_version, texts, record}.

`hotkit memory capture` sends it, with the modules that it imports, as one text to `python3 -`
(hotkit/host/onescript.py). Python 3.9 or newer, root for full facts; reads only. Every source
fails by itself: what could not be read is a sentence in record["problems"].
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hotkit.agent import gather, memholders, memreserved, pageowner, pagetrace
from hotkit.agent.cpulist import parse_cpus

SCHEMA_VERSION = 1
_MOST_BYTES = 16 << 20
_LOG_LINES = 4000
# A machine with 144 CPUs and thousands of processes is done in less than 20 s all in all; a trace
# of page_alloc from boot, which somebody asked for, may take longer.
_PROCESS_S, _CGROUP_S, _OWNER_S, _TRACE_S = 8.0, 3.0, 10.0, 60.0
# Source -> file.
_FILES = {
    "meminfo": "proc/meminfo",
    "vmallocinfo": "proc/vmallocinfo",
    "slabinfo": "proc/slabinfo",
    "zoneinfo": "proc/zoneinfo",
    "buddyinfo": "proc/buddyinfo",
    "vmstat": "proc/vmstat",
    "cmdline": "proc/cmdline",
    "iomem": "proc/iomem",
}
# Not in every kernel: no problem when it is not there.
_OPTIONAL = {"allocinfo": "proc/allocinfo"}


class Capture:
    """One capture; `root` is another directory than / in tests."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self.problems: list[str] = []
        self.texts: dict[str, str] = {}

    def take(self) -> dict[str, Any]:
        """The whole document."""
        self._texts()
        record = self._record()
        record["problems"] = self.problems
        return {"schema_version": SCHEMA_VERSION, "texts": self.texts, "record": record}

    def _texts(self) -> None:
        for source, name in _FILES.items():
            self._text(source, self.root / name)
        for source, name in _OPTIONAL.items():
            if (self.root / name).exists():
                self._text(source, self.root / name)
        nodes = self.root / "sys/devices/system/node"
        for path in sorted(nodes.glob("node[0-9]*/meminfo")):
            self._text(f"{path.parent.name}-meminfo", path)
        if self.texts.get("iomem", "").startswith("00000000-00000000 "):
            self.problems.append("/proc/iomem has no addresses: they are for root only")
        if self.root == Path("/"):
            self._command("numactl", "numactl", "-H")
            log = gather.output("dmesg") or gather.text("/var/log/dmesg")
            if not log or "Linux version" not in log:  # the ring has gone round
                log = gather.output("journalctl", "-k", "-b", "-o", "short-monotonic") or log
            if log:
                self.texts["dmesg-boot"] = "".join(log.splitlines(keepends=True)[:_LOG_LINES])
            else:
                self.problems.append("the kernel's log cannot be read (dmesg, journalctl -k)")

    def _text(self, source: str, path: Path) -> None:
        name = "/" + str(path.relative_to(self.root))
        try:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
        except OSError as error:
            self.problems.append(f"{name} cannot be read: {error.strerror}")
            return
        if len(data) > _MOST_BYTES:
            data = data[: data.rfind(b"\n", 0, _MOST_BYTES) + 1]
            self.problems.append(f"{name} is longer than {_MOST_BYTES >> 20} MiB: its end is cut")
        self.texts[source] = data.decode("utf-8", "replace")

    def _command(self, source: str, *argv: str) -> None:
        said = gather.output(*argv)
        if said is None:
            why = "fails" if gather.which(argv[0]) else "is not installed"
            self.problems.append(f"{argv[0]} {why}: {' '.join(argv)} is missing")
        else:
            self.texts[source] = said

    def _try(self, what: str, function: Callable[..., Any], *args: Any) -> Any:
        """What `function` returns; None and a sentence when it fails, however it fails."""
        try:
            return function(*args)
        except Exception as error:  # one source must not cost the others
            why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            self.problems.append(f"{what} could not be read: {why}")
            return None

    def _record(self) -> dict[str, Any]:
        root, problems, take = self.root, self.problems, self._try
        cmdline = self.texts.get("cmdline", "").strip()
        release = platform.release()
        record: dict[str, Any] = {
            "hostname": platform.node(),
            "kernel_release": release,
            "arch": platform.machine(),
            "uid": os.geteuid(),
            "page_bytes": os.sysconf("SC_PAGE_SIZE"),
            "taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "uptime_s": take("uptime", lambda: float(self._first("proc/uptime"))),
            "cpus_online": take("CPUs online", self._cpus, "online"),
            "cpus_possible": take("CPUs possible", self._cpus, "possible"),
            "node_cpus": take("CPUs of nodes", self._node_cpus),
            "processes": take("processes", memholders.processes, root, _PROCESS_S, problems),
            "cgroups": take("cgroups", memholders.cgroups, root, _CGROUP_S, problems),
            "tmpfs": take("tmpfs mounts", memholders.tmpfs, root, problems),
            "trace_buffers": take("trace buffers", memholders.trace_buffers, root, problems),
            "page_owner": take("page_owner", self._page_owner),
            "pmem_spaces": take("PMEM namespaces", memreserved.pmem_spaces, root),
            "hugepages": take("huge pages", memreserved.hugepages, root),
            "crashkernel_bytes": memreserved.crashkernel_bytes(root),
            "initrd_bytes": memreserved.initrd_bytes(root, release, cmdline),
            "image_bytes": memreserved.image_bytes(self.texts.get("iomem", "")),
            "memmap_on_memory": self._memmap_on_memory(),
        }
        record.update(take("the platform", gather.machine_kind) or {})
        record.update(take("the page_alloc trace", self._traced, cmdline) or {})
        if root == Path("/"):
            record["topology"] = take("the topology", topology_facts)
        return record

    def _first(self, name: str) -> str:
        return (self.root / name).read_text().split()[0]

    def _cpus(self, which: str) -> int:
        return len(parse_cpus((self.root / f"sys/devices/system/cpu/{which}").read_text()))

    def _node_cpus(self) -> dict[str, int]:
        nodes = (self.root / "sys/devices/system/node").glob("node[0-9]*/cpulist")
        return {path.parent.name[4:]: len(parse_cpus(path.read_text())) for path in nodes}

    def _memmap_on_memory(self) -> str | None:
        name = "sys/module/memory_hotplug/parameters/memmap_on_memory"
        return memreserved.word(self.root / name) or None

    def _page_owner(self) -> list[dict[str, Any]] | None:
        found, problem = pageowner.page_owner(self.root, _OWNER_S)
        if problem:
            self.problems.append(problem)
        return found

    def _traced(self, cmdline: str) -> dict[str, Any]:
        """What the trace of page_alloc leaves allocated, when these events are on."""
        top = pagetrace.tracefs(self.root)
        if top is None or not pagetrace.is_on(top):
            if "mm_page_alloc" in cmdline:
                self.problems.append("page_alloc was traced from boot, and the trace is not on now")
            return {}
        found = pagetrace.read_trace(top, self._comms(), _TRACE_S)
        held = found.pop("held")
        found["from_boot"] = "kmem:mm_page_alloc" in cmdline
        self.problems += trace_problems(found)
        if found["by"] == "function":
            return {"traced": held, "trace": found}
        return {"traced_tasks": by_use(held), "trace": found}

    def _comms(self) -> dict[str, str]:
        """Names of the tasks that live: the trace keeps those of some hundred only."""
        found = {}
        for path in (self.root / "proc").glob("[0-9]*/comm"):
            try:
                found[path.parent.name] = path.read_text(errors="replace").rstrip("\n")
            except OSError:
                continue
        return found


def by_use(held: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each task apart: what the kernel took for itself, and what for processes and files."""
    found = []
    for item in held:
        movable = item["movable_bytes"]
        for use, size in (("kernel", item["size_bytes"] - movable), ("processes, files", movable)):
            if size:
                found.append({"name": f"{item['name']}: {use}", "size_bytes": size})
    return sorted(found, key=lambda item: -item["size_bytes"])


def trace_problems(trace: dict[str, Any]) -> list[str]:
    """A sentence for everything that makes the trace's answer less than the truth."""
    found = []
    if not trace["from_boot"]:
        found.append("page_alloc is traced, but not from boot: what was taken before is not in it")
    if trace["lost_events"]:
        found.append(
            f"the trace of page_alloc lost {trace['lost_events']} events (its buffer was full); "
            f"what was allocated before {trace['sure_since_s']:.3f} s is doubtful"
        )
    if trace["missed_pages"]:
        found.append(
            f"the trace of page_alloc missed the free of {trace['missed_pages']} pages that it "
            "saw allocated twice"
        )
    if trace["cut_off"]:
        found.append(
            f"the trace of page_alloc was read up to {trace['last_s']:.3f} s only, within "
            f"{_TRACE_S:g} s: what was freed later counts as held"
        )
    return found


def topology_facts() -> dict[str, Any]:
    """What the firmware and sysfs say of nodes, ranges and CPUs: facts as gather.py prints them."""
    tables = "/sys/firmware/acpi/tables/"
    return {
        "schema_version": gather.SCHEMA_VERSION,
        "hostname": platform.node(),
        "arch": platform.machine(),
        "kernel_release": platform.release(),
        "cmdline": gather.line("/proc/cmdline"),
        "firmware_memmap": gather.firmware_memmap(),
        "acpi": {name: gather.coded(tables + name) for name in ("SRAT", "APIC", "SLIT")},
        "nodes": gather.nodes(),
        "cpus": gather.cpus(),
        "pmem": gather.pmem(),
        "dmesg_memory": gather.dmesg_memory(),
    }


def main() -> None:
    json.dump(Capture().take(), sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
