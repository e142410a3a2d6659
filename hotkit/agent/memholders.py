"""Who holds memory, by the names that the system has: processes, cgroups, tmpfs, trace buffers.

Every function takes the directory that stands for / and a list to which it adds a sentence for
what could not be read; it raises nothing for a machine that lacks something.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

from hotkit.agent.cpulist import online_cpus
from hotkit.agent.pagetrace import tracefs

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MOST_CGROUPS = 2000
_ROLLUP = re.compile(r"^(Pss|Anonymous): +(\d+) kB$", re.MULTILINE)
_OCTAL = re.compile(r"\\([0-7]{3})")


def processes(root: Path, seconds: float, problems: list[str]) -> list[dict[str, Any]]:
    """Every process with memory of its own (no kernel threads), the largest first.

    pss_bytes and anonymous_bytes come from smaps_rollup, which walks page tables: once `seconds`
    are over, what is left (the smallest) has rss_bytes only.
    """
    deadline = time.monotonic() + seconds
    found: list[dict[str, Any]] = []
    for folder in (root / "proc").glob("[0-9]*"):
        try:
            resident = int((folder / "statm").read_text().split()[1]) * _PAGE_BYTES
            name = (folder / "comm").read_text(errors="replace").rstrip("\n")
        except (OSError, ValueError, IndexError):
            continue  # it has ended
        if resident > 0 and folder.name.isdecimal():
            found.append({"pid": int(folder.name), "name": name, "rss_bytes": resident})
    found.sort(key=lambda item: -item["rss_bytes"])
    refused = late = 0
    for item in found:
        if time.monotonic() > deadline:
            late += 1
            continue
        try:
            text = (root / "proc" / str(item["pid"]) / "smaps_rollup").read_text()
        except PermissionError:
            refused += 1
            continue
        except OSError:
            continue  # it has ended, or the kernel is older than 4.14
        for key, number in _ROLLUP.findall(text):
            item["pss_bytes" if key == "Pss" else "anonymous_bytes"] = int(number) * 1024
    if refused:
        problems.append(
            f"smaps_rollup of {refused} of {len(found)} processes may not be read"
            f"{'' if os.geteuid() == 0 else ' (root may)'}: their RSS stands in, which counts "
            "shared pages in each"
        )
    if late:
        problems.append(
            f"smaps_rollup of the {late} smallest of {len(found)} processes was not read within "
            f"{seconds:g} s: their RSS stands in"
        )
    return found


def cgroups(root: Path, seconds: float, problems: list[str]) -> list[dict[str, Any]]:
    """The first two levels, cgroup v2 or the memory controller of v1: size_bytes, kernel_bytes.

    A cgroup's memory counts in its parent too.
    """
    deadline = time.monotonic() + seconds
    top = root / "sys/fs/cgroup"
    if (top / "cgroup.controllers").exists():
        names = ("memory.current", "memory.stat")
    elif (top / "memory").is_dir():
        top, names = top / "memory", ("memory.usage_in_bytes", "memory.kmem.usage_in_bytes")
    else:
        problems.append("no cgroup file system under /sys/fs/cgroup: services are not told apart")
        return []
    found: list[dict[str, Any]] = []
    for file in (*sorted(top.glob(f"*/{names[0]}")), *sorted(top.glob(f"*/*/{names[0]}"))):
        if len(found) == _MOST_CGROUPS or time.monotonic() > deadline:
            problems.append(f"there are more cgroups than the {len(found)} that were read")
            break
        try:
            size = int(file.read_text())
            kernel = _kernel_bytes(file.with_name(names[1]).read_text())
        except (OSError, ValueError):
            continue  # it has ended
        name = str(file.parent.relative_to(top))
        found.append({"name": name, "size_bytes": size, "kernel_bytes": kernel})
    return found


def _kernel_bytes(text: str) -> int | None:
    """`kernel` of memory.stat (since 5.18; its parts before), or v1's one number."""
    if text.strip().isdecimal():
        return int(text)
    fields = {key: int(number) for key, number in re.findall(r"^(\w+) (\d+)$", text, re.MULTILINE)}
    if "kernel" in fields:
        return fields["kernel"]
    parts = ("slab", "kernel_stack", "pagetables", "percpu", "vmalloc")
    return sum(fields.get(part, 0) for part in parts) if "slab" in fields else None


def tmpfs(root: Path, problems: list[str]) -> list[dict[str, Any]]:
    """What each tmpfs and devtmpfs seen from here holds; one that is mounted twice counts once."""
    try:
        text = (root / "proc/self/mountinfo").read_text(errors="replace")
    except OSError as error:
        problems.append(f"/proc/self/mountinfo cannot be read: {error.strerror}")
        return []
    found: dict[str, dict[str, Any]] = {}
    hidden = set()
    for line in text.splitlines():
        head, dash, tail = line.partition(" - ")
        fields, kind = head.split(" "), tail.split(" ")[0]
        if not dash or kind not in ("tmpfs", "devtmpfs") or len(fields) < 5:
            continue
        device = fields[2]
        where = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])
        path = root / where.lstrip("/")
        try:
            number = path.stat().st_dev
            usage = os.statvfs(path)
        except OSError:
            hidden.add(device)
            continue
        if f"{os.major(number)}:{os.minor(number)}" != device:
            hidden.add(device)  # something else is mounted over it
            continue
        used = (usage.f_blocks - usage.f_bfree) * usage.f_frsize
        if usage.f_blocks:
            found.setdefault(device, {"name": where, "size_bytes": used})
        else:
            hidden.add(device)  # mounted without a limit: it counts nothing
    unseen = len(hidden - set(found))
    if unseen:
        problems.append(f"what {unseen} tmpfs mounts hold cannot be seen: meminfo's Shmem has it")
    return sorted(found.values(), key=lambda item: -item["size_bytes"])


def trace_buffers(root: Path, problems: list[str]) -> list[dict[str, Any]]:
    """The ring buffers of tracing, as they are allocated: one page a CPU until they are used."""
    top = tracefs(root)
    if top is None:
        problems.append("tracefs is not mounted (or for root only): trace buffers are not seen")
        return []
    found = []
    online = online_cpus(root)
    instances = sorted((top / "instances").glob("*"))
    for name, folder in (("tracing", top), *((item.name, item) for item in instances)):
        kib = _buffer_kib(folder, online)
        if kib is not None:
            found.append({"name": name, "size_bytes": kib * 1024})
    return found


def _buffer_kib(instance: Path, online: set[int]) -> int | None:
    """Of the CPUs that are online: buffer_total_size_kb counts those too that never came up.

    They have no buffer (kernel/trace/ring_buffer.c, trace_rb_cpu_prepare()): with maxcpus= on a
    large machine that is most of the total.
    """
    each = [instance / "per_cpu" / f"cpu{cpu}" / "buffer_size_kb" for cpu in online]
    try:
        # "14 (expanded: 2816)": a buffer that nothing was written to yet.
        files = [file for file in each if file.exists()] or [instance / "buffer_total_size_kb"]
        return sum(int(file.read_text().split()[0]) for file in files)
    except (OSError, ValueError, IndexError):
        return None
