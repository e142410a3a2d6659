"""What a trace of the page allocator leaves allocated: every allocation matched with its free.

Two events tell all: mm_page_alloc, and mm_page_free, which free_pages_prepare() sends for every way
to free (mm/page_alloc.c, Linux 4.19 to 6.18); mm_page_free_batched and mm_page_pcpu_drain only say
of the same pages where they go on to. Not seen: what was taken before the trace began (boot code:
before trace_init() in start_kernel()), and alloc_contig_range(), which sends no allocation.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from hotkit.agent.pagetable import Owners, PageTable
from hotkit.agent.stackname import asker

PLACES = ("sys/kernel/tracing", "sys/kernel/debug/tracing")
# In the order to switch them on: what is freed between one and the other would count as held.
EVENTS = ("kmem/mm_page_free", "kmem/mm_page_alloc")
_PAGE_BYTES = 4096
_CHUNK = 1 << 20
_MOST_HELD = 300
_MOST_ORDER = 20
_MOST_NAMES = 1 << 16
# trace_print_context() in kernel/trace/trace_output.c: the name takes 16 bytes, whatever is in it.
_LINE = re.compile(
    rb"^(?P<comm>[\s\S]{16})-(?P<pid>\d+) +(?:\([ \d-]*\) +)?\[(?P<cpu>\d+)\] +\S+ +"
    rb"(?P<time>\d+(?:\.\d+)?): "
    rb"(?:mm_page_(?P<what>alloc|free): page=\S+ pfn=(?P<pfn>0x[0-9a-f]+|\d+) order=(?P<order>\d+)"
    rb"(?: migratetype=-?\d+ gfp_flags=(?P<gfp>\S+))?"
    rb"|(?P<stack><stack trace>)\n(?P<frames>(?: => .*\n)*))",
    re.MULTILINE,
)
_NOW = re.compile(r"^now ts: +(\d+(?:\.\d+)?)", re.MULTILINE)
# Threads of the kernel of which each CPU has some: kworker/0:1, ksoftirqd/3.
_PER_CPU = re.compile(r"((?:kworker|ksoftirqd|migration|swapper|cpuhp|idle_inject|rcu\w*|irq)/).+")


def tracefs(root: Path) -> Path | None:
    """Where tracefs is mounted, None when it is nowhere (or not for us)."""
    for place in PLACES:
        try:
            if (root / place / "instances").is_dir():
                return root / place
        except OSError:
            continue
    return None


def is_on(trace: Path) -> bool:
    """Whether this instance (or all of tracefs) records both events."""
    try:
        return all((trace / "events" / name / "enable").read_text()[:1] == "1" for name in EVENTS)
    except OSError:
        return False


class Matching:
    """Takes the text of a trace piece by piece; `held()` is what it leaves.

    `since_s`: what was allocated before is doubtful, its free may be among what was lost.
    `until_s`: later events are left out. `comms` names the tasks that the trace only has by pid.
    """

    def __init__(
        self,
        *,
        since_s: float = 0.0,
        until_s: float | None = None,
        comms: dict[str, str] | None = None,
    ) -> None:
        self._since_s, self._until_s, self._comms = since_s, until_s, comms or {}
        self._pages, self._owners = PageTable(), Owners()
        self._names: dict[bytes, str] = {}
        # Of each CPU the events that wait for their stack: one in an interrupt comes in between.
        self._waiting: dict[bytes, list[tuple[int, int, bool, bool] | None]] = {}
        self._askers: dict[bytes, str | None] = {}
        self.allocations = self.frees = self.stacks = 0
        self.first_s: float | None = None
        self.last_s: float | None = None
        # Freed, and seen neither allocated nor free before: allocated before the trace began.
        self.older_pages = 0
        # Allocated twice with no free in between: a free was lost.
        self.missed_pages = 0

    def take(self, text: bytes) -> None:
        """Whole lines; a stack is not cut off from its first line."""
        for match in _LINE.finditer(text):
            if match["stack"]:
                self._name_by_stack(match["cpu"], match["frames"])
            else:
                self._event(match)

    def _event(self, match: re.Match[bytes]) -> None:
        comm, pid, cpu, moment, what, pfn_text, order_text, gfp, _, _ = match.groups()
        time_s, order = float(moment), int(order_text)
        if (self._until_s is not None and time_s > self._until_s) or order > _MOST_ORDER:
            return
        if self.first_s is None:
            self.first_s = time_s
        self.last_s = time_s
        # Decimal before Linux 5.16.
        pfn = int(pfn_text, 0) if pfn_text.startswith(b"0x") else int(pfn_text)
        waiting = self._waiting.setdefault(cpu, [])
        if len(waiting) > 64:  # no stacks come
            waiting.clear()
        if what == b"free":
            self.frees += 1
            self.older_pages += (1 << order) - self._pages.put(pfn, order, 0)
            waiting.append(None)
            return
        if pfn == 0:  # nothing was left
            waiting.append(None)
            return
        self.allocations += 1
        movable, doubtful = _movable(gfp), time_s < self._since_s
        owner = self._owners.number(self._task(comm, pid), movable, doubtful)
        self.missed_pages += self._pages.put(pfn, order, owner)
        waiting.append((pfn, order, movable, doubtful))

    def _name_by_stack(self, cpu: bytes, frames: bytes) -> None:
        self.stacks += 1
        waiting = self._waiting.get(cpu)
        event = waiting.pop() if waiting else None
        if event is None:
            return
        if frames not in self._askers:
            if len(self._askers) > _MOST_NAMES:
                self._askers.clear()
            self._askers[frames] = asker(frames.decode(errors="replace").splitlines())
        name = self._askers[frames]
        if name is not None:
            pfn, order, movable, doubtful = event
            self._pages.put(pfn, order, self._owners.number(name, movable, doubtful))

    def _task(self, comm: bytes, pid: bytes) -> str:
        name = self._names.get(comm)
        if name is None:
            if len(self._names) > _MOST_NAMES:
                self._names.clear()
            text = comm.decode(errors="replace").strip()
            name = self._names[comm] = _PER_CPU.sub(r"\1*", text)
        return self._comms.get(pid.decode(), "ended tasks") if name == "<...>" else name

    def held(self) -> list[dict[str, Any]]:
        """The largest first: name, size_bytes, of these movable_bytes and doubtful_bytes."""
        keys = self._owners.keys()
        found: dict[str, dict[str, Any]] = {}
        for number, pages in self._pages.tally().items():
            name, movable, doubtful = keys[number]
            item = found.setdefault(
                name, {"name": name, "size_bytes": 0, "movable_bytes": 0, "doubtful_bytes": 0}
            )
            item["size_bytes"] += pages * _PAGE_BYTES
            item["movable_bytes"] += pages * _PAGE_BYTES if movable else 0
            item["doubtful_bytes"] += pages * _PAGE_BYTES if doubtful else 0
        return largest(list(found.values()))


def _movable(gfp: bytes | None) -> bool:
    """Whether it is for a process or a file (GFP_TRANSHUGE has __GFP_MOVABLE in it, unwritten)."""
    return gfp is not None and (b"MOVABLE" in gfp or b"TRANSHUGE" in gfp)


def largest(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By size, and what comes after the first few hundred as one."""
    items.sort(key=lambda item: (-item["size_bytes"], item["name"]))
    rest = items[_MOST_HELD:]
    if not rest:
        return items
    sizes = [key for key in rest[0] if key.endswith("_bytes")]
    others = {key: sum(item[key] for item in rest) for key in sizes}
    return items[:_MOST_HELD] + [{"name": f"{len(rest)} others", **others}]


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """The text in pieces that end where an event, with its stack, ends."""
    rest = b""
    while True:
        chunk = file.read(_CHUNK)
        if not chunk:
            break
        rest += chunk
        end = rest.rfind(b"\n", 0, len(rest) - 1)
        while end > 0 and b" => ".startswith(rest[end + 1 : end + 5]):
            end = rest.rfind(b"\n", 0, end)
        if end > 0:
            yield rest[: end + 1]
            rest = rest[end + 1 :]
    yield rest


def lost(trace: Path) -> tuple[int, float]:
    """(events that were overwritten or dropped, from when on no CPU lost any, in its own clock)."""
    events, since_s = 0, 0.0
    for stats in trace.glob("per_cpu/cpu*/stats"):
        text = stats.read_text(errors="replace")
        fields = dict(re.findall(r"^([\w ]+): +(\d+(?:\.\d+)?)", text, re.MULTILINE))
        gone = sum(
            int(fields.get(key, 0)) for key in ("overrun", "commit overrun", "dropped events")
        )
        events += gone
        if gone:
            since_s = max(since_s, float(fields.get("oldest event ts", 0)))
    return events, since_s


def now_s(trace: Path) -> float | None:
    """The clock of this trace."""
    times = [
        float(item)
        for stats in trace.glob("per_cpu/cpu*/stats")
        for item in _NOW.findall(stats.read_text(errors="replace"))
    ]
    return max(times, default=None)


def read_trace(trace: Path, comms: dict[str, str], seconds: float) -> dict[str, Any]:
    """Match the whole trace of an instance, once; what is read stays where it is.

    `cut_off` says that `seconds` were not enough. Raises OSError.
    """
    deadline = time.monotonic() + seconds
    lost_events, since_s = lost(trace)
    matching = Matching(since_s=since_s, until_s=now_s(trace), comms=comms)
    cut_off = False
    with (trace / "trace").open("rb") as file:
        for piece in pieces(file):
            matching.take(piece)
            if time.monotonic() > deadline:
                cut_off = True
                break
    return {
        "held": matching.held(),
        "by": "function" if matching.stacks else "task",
        "allocations": matching.allocations,
        "frees": matching.frees,
        "older_pages": matching.older_pages,
        "missed_pages": matching.missed_pages,
        "lost_events": lost_events,
        "sure_since_s": since_s,
        "first_s": matching.first_s,
        "last_s": matching.last_s,
        "cut_off": cut_off,
    }
