"""A trial boot whose page allocator is traced from the beginning: its kernel arguments, its cost.

trace_event= switches events on as soon as there is tracing (trace_init() in start_kernel(), after
boot code has taken its own); trace_buf_size= is per CPU, and a CPU that does not come up gets no
buffer (kernel/trace/ring_buffer.c, Linux 4.10 and later). hotkit/agent/pagetrace.py reads it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hotkit.core.units import GIB, MIB, format_size, kernel_size, parse_size
from hotkit.errors import HotkitError

# Two events tell all: see hotkit/agent/pagetrace.py. Frees first: what is freed between one and the
# other being switched on would count as held.
_EVENTS = "kmem:mm_page_free,kmem:mm_page_alloc"
# With its stack an event takes 172 bytes, without 38 (measured on 6.18): 128 MiB hold 0.8 million
# events with stacks, 64 MiB 1.7 million without.
_ALL_CPUS_BYTES, _LEAST_BYTES, _MOST_BYTES = 512 * MIB, 16 * MIB, 128 * MIB
_OF_TASKS = 2  # a trace by task gets so many times less


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceWish:
    """`buffer_bytes` for each of `cpus` CPUs; `tasks`: without stacks, by task, not by function."""

    buffer_bytes: int
    cpus: int
    tasks: bool = False

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the boot entry gets."""
        found = (f"trace_event={_EVENTS}", f"trace_buf_size={kernel_size(self.buffer_bytes)}")
        return found if self.tasks else (*found, "trace_options=stacktrace")

    @property
    def cost_bytes(self) -> int:
        """RAM that the buffers take."""
        return self.buffer_bytes * self.cpus

    @property
    def sentence(self) -> str:
        return (
            f"page_alloc is traced from boot, {format_size(self.cost_bytes)} of RAM for it "
            f"({format_size(self.buffer_bytes)} for each of {self.cpus} CPUs): hotkit memory "
            "capture reads it back; the next provision without --trace-memory boots without it"
        )


def trace_wish(variables: Mapping[str, Any], cpus: int) -> TraceWish | None:
    """What `hotkit_trace_memory` (true, or a size) and `hotkit_trace_tasks` ask for.

    By default all CPUs share 512 MiB, 16 to 128 MiB each; by task, half of it. HotkitError for what
    is no size.
    """
    wanted = str(variables.get("hotkit_trace_memory", "")).strip()
    tasks = _is_true(variables.get("hotkit_trace_tasks"))
    if wanted.lower() in ("", "false", "no", "0", "none"):
        return None
    if _is_true(wanted):
        share = _ALL_CPUS_BYTES // cpus // MIB * MIB
        size = min(max(share, _LEAST_BYTES), _MOST_BYTES) // (_OF_TASKS if tasks else 1)
    else:
        try:
            size = parse_size(wanted)
        except ValueError as error:
            raise HotkitError(f"hotkit_trace_memory: {error}") from error
    if not MIB <= size <= 4 * GIB:
        raise HotkitError(
            f"hotkit_trace_memory: {format_size(size)} for each CPU is not between 1 MiB and 4 GiB"
        )
    return TraceWish(buffer_bytes=size, cpus=cpus, tasks=tasks)


def _is_true(value: Any) -> bool:
    return str(value).lower() in ("true", "yes", "1")
