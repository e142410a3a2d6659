"""Threads of a tracker: what they cost, where they run, where they may run."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from hotkit.agent.protocol import AgentError


def cpu_ns(task: str) -> int:
    """CPU time of a thread or process that has run, in ns; `task` is "PID" or "PID/task/TID".

    /proc/PID/schedstat where the kernel keeps it (sched_info: exact), else ticks of
    /proc/PID/stat (fields 14 and 15, proc(5)). 0 when the task is gone.
    """
    try:
        return int(Path(f"/proc/{task}/schedstat").read_text().split()[0])
    except (OSError, IndexError):
        pass
    try:
        fields = Path(f"/proc/{task}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) * (1000000000 // os.sysconf("SC_CLK_TCK"))


def start_ticks(pid: int) -> int | None:
    """When a process was started, in ticks since the boot: field 22 of its stat, proc(5).

    None when it is gone. A pid comes again, a pid with its start does not.
    """
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return None


def last_cpu(task: str) -> int | None:
    """The CPU that a task ran on last: field 39 of its stat, proc(5). None when it is gone."""
    try:
        # The name in field 2 may hold blanks.
        return int(Path(f"/proc/{task}/stat").read_text().rpartition(")")[2].split()[36])
    except OSError:
        return None


def note_cpu(seen: set[int], task: str = "thread-self") -> None:
    """Add the CPU that a task ran on last to those it was seen on."""
    cpu = last_cpu(task)
    if cpu is not None:
        seen.add(cpu)


def cpus_of(pid: int) -> list[int]:
    """The CPUs that any thread of a process may run on."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has ended
            found |= os.sched_getaffinity(int(task.name))
    return sorted(found)


def wanted_cpus(settings: dict[str, Any], target: dict[str, Any]) -> set[int]:
    """Where a tracker's threads may run by its `placement`. AgentError where there is no such."""
    online = os.sched_getaffinity(0)
    workload = set(target.get("cpus") or online)
    if settings["placement"] == "pinned":
        if settings["cpu"] not in online:
            raise AgentError(
                f"placement: pinned: there is no CPU {settings['cpu']} here",
                "cpu: one of " + ", ".join(map(str, sorted(online))),
            )
        return {settings["cpu"]}
    if settings["placement"] == "spare":
        spare = online - workload
        if not spare:
            raise AgentError(
                "placement: spare: the workload may run on every CPU",
                "give the workload fewer threads, with pin: true",
            )
        return spare
    return workload


def place(pid: int, cpus: set[int]) -> None:
    """Let a thread run on these CPUs only. AgentError when the kernel refuses."""
    try:
        os.sched_setaffinity(pid, cpus)
    except OSError as error:
        raise AgentError(
            f"thread {pid} cannot be put on CPU {sorted(cpus)}: {error.strerror}"
        ) from error
