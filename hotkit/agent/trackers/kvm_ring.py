"""A VM whose pages KVM tells in dirty rings, not in a log: what KVM pushes is listened to.

The rings are the monitor's (Documentation/virt/kvm/api.rst, KVM_CAP_DIRTY_LOG_RING), which collects
and resets them. We see pages as they are pushed, by the tracepoint kvm_dirty_ring_push
(include/trace/events/kvm.h):
  CPU 0/KVM-412 [001] d..1. 12.345678: kvm_dirty_ring_push: ring 0: dirty 0x1 reset 0x0 slot 9 \
offset 0x3 (used 1)
The record is written by the vCPU's thread, which says whose VM it is. `slot` is the address space
(high 16 bits; 1 is system management mode) and the slot's id, `offset` the page in it. A page that
was pushed need not be pushed again until the monitor has reset it.
"""

from __future__ import annotations

import re
import time
from array import array
from pathlib import Path
from typing import Any, NamedTuple

from hotkit.agent.access import no_traced_pids, no_tracefs
from hotkit.agent.guest.qmp import Qmp
from hotkit.agent.protocol import AgentError
from hotkit.agent.tracing import tracefs

EVENT = "kvm/kvm_dirty_ring_push"
PAGE_BYTES = 4096
_PUSH = re.compile(
    r"-(?P<thread>\d+) +\[\d+\] .*?(?P<time>\d+\.\d+): kvm_dirty_ring_push: ring -?\d+: dirty \S+"
    r" reset \S+ slot (?P<slot>\d+) offset 0x(?P<offset>[0-9a-f]+) \(used \d+\)$"
)
# The kernel does not always know how many.
_LOST = re.compile(r"\[LOST (?:(\d+) )?EVENTS\]")
_MIGRATING = ("setup", "active", "device", "wait-unplug", "pre-switchover", "cancelling",
              "postcopy-active", "postcopy-paused", "postcopy-recover", "colo")  # fmt: skip
_MEASURED_S = 20.0


class Push(NamedTuple):
    """One page that a guest wrote: by whose thread, when, in which slot (with its space)."""

    thread: int
    at_ns: int
    slot: int
    page: int


class Pushes(NamedTuple):
    """All of a trace, in its order; `damaged` counts lines about pushes that could not be read."""

    pushes: list[Push]
    lost: int
    damaged: int


class Written(NamedTuple):
    """`rounds[k]` has the pages pushed in round k: indices over all ranges, in their order.

    `told` counts pushes of the ranges' pages, `elsewhere` those of other memory and of other VMs.
    """

    rounds: list[set[int]]
    told: int
    elsewhere: int


def parse_pushes(text: str) -> Pushes:
    """What trace_pipe said."""
    found: list[Push] = []
    lost = damaged = 0
    for line in text.splitlines():
        match = _PUSH.search(line)
        if match:
            seconds, _, fraction = match["time"].partition(".")
            at_ns = int(seconds) * 1000000000 + int(fraction.ljust(9, "0")[:9])
            page = int(match["offset"], 16)
            found.append(Push(int(match["thread"]), at_ns, int(match["slot"]), page))
            continue
        gone = _LOST.search(line)
        if gone:
            lost += int(gone[1] or 1)
        elif "kvm_dirty_ring_push" in line:
            damaged += 1
    return Pushes(found, lost, damaged)


def in_rounds(
    pushes: list[Push],
    threads: set[int],
    slots: list[list[int]],
    ranges: list[list[int]],
    began_ns: int,
    interval_ns: int,
    rounds: int,
) -> Written:
    """Sorts what the VM's `threads` pushed into rounds, the first of which begins at `began_ns`.

    `slots` are [id, gpa, size, hva] in bytes. What came before the first round belongs to it: a
    page pushed while logging began may not be pushed again for long. What came after the last
    whole round is left out.
    """
    starts = {number: (hva, size) for number, _, size, hva in slots}
    firsts, at = [], 0
    for start, end in ranges:
        firsts.append((start, end, at))
        at += (end - start) // PAGE_BYTES
    found: list[set[int]] = [set() for _ in range(rounds)]
    told = elsewhere = 0
    for push in pushes:
        hva, size = starts.get(push.slot, (0, 0))
        address = hva + push.page * PAGE_BYTES
        index = -1
        if push.thread in threads and push.page * PAGE_BYTES < size:
            for start, end, first in firsts:
                if start <= address < end:
                    index = first + (address - start) // PAGE_BYTES
        if index < 0:
            elsewhere += 1
            continue
        told += 1
        which = max(0, (push.at_ns - began_ns) // interval_ns)
        if which < rounds:
            found[which].add(index)
    return Written(found, told, elsewhere)


def heat_of(written: list[set[int]], pages: int) -> array[int]:
    """Per page, in how many rounds it was pushed."""
    counts = array("I", bytes(4 * pages))
    for one in written:
        for index in one:
            counts[index] += 1
    return counts


def no_pushes() -> tuple[str, str] | None:
    """Why the tracepoint cannot be listened to here; None when it can."""
    why = no_tracefs()
    if why:
        return why
    root = tracefs()
    if root is None or not (root / "events" / EVENT).is_dir():
        return (
            "there is no tracepoint kvm:kvm_dirty_ring_push",
            "a kernel of 5.11 or later with CONFIG_FTRACE=y, and KVM's module loaded",
        )
    return no_traced_pids()


def threads_of(pid: int) -> set[int]:
    """The threads of a process, its vCPUs among them."""
    return {int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()}


def make_collecting(target: dict[str, Any]) -> None:
    """Makes the monitor fit for pages in its rings that it did not ask for. Takes 1 s.

    QEMU marks each in the slot's bitmap, which it makes when it turns logging on itself, and keeps
    (accel/kvm/kvm-all.c, kvm_dirty_ring_mark_page()): without one it would crash. So it is made to
    log for a second, by a measurement of its own. AgentError where that cannot be had.
    """
    exe = Path(f"/proc/{target['pid']}/exe").readlink().name
    if not exe.startswith("qemu"):
        raise AgentError(f"by: ring is known to do no harm to QEMU alone, and this VM is of {exe}")
    if not target.get("qmp"):
        raise AgentError(
            "by: ring needs QEMU's control socket, or QEMU would crash", "qmp: of this guest"
        )
    with Qmp(Path(target["qmp"])) as qmp:
        if qmp.ask("query-migrate").get("status") in _MIGRATING:
            raise AgentError("the VM is being migrated: its dirty log is on")
        if qmp.ask("query-dirty-rate")["status"] == "measuring":
            raise AgentError("QEMU is measuring a dirty rate for another", "wait for its end")
        try:
            qmp.ask("calc-dirty-rate", **{"calc-time": 1, "mode": "dirty-ring"})
        except AgentError as error:
            raise AgentError(
                f"by: ring: {error.message}", "by: log, where the VM has no dirty ring"
            ) from error
        until = time.monotonic() + _MEASURED_S
        while qmp.ask("query-dirty-rate")["status"] != "measured":
            if time.monotonic() > until:
                raise AgentError("QEMU does not end its measurement of the dirty rate")
            time.sleep(0.05)
