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
# 64 MiB hold 1.7 million events (38 bytes each, measured on 6.18), with stacks 0.4 million.
_ALL_CPUS_BYTES, _LEAST_BYTES, _MOST_BYTES = 256 * MIB, 8 * MIB, 64 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceWish:
    """`buffer_bytes` for each of `cpus` CPUs; `stacks`: by function instead of by task."""

    buffer_bytes: int
    cpus: int
    stacks: bool = False

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the boot entry gets."""
        found = (f"trace_event={_EVENTS}", f"trace_buf_size={kernel_size(self.buffer_bytes)}")
        return (*found, "trace_options=stacktrace") if self.stacks else found

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
    """What `hotkit_trace_memory` (true, or a size) and `hotkit_trace_stacks` ask for.

    By default all CPUs share 256 MiB, 8 to 64 MiB each. HotkitError for what is no size.
    """
    wanted = str(variables.get("hotkit_trace_memory", "")).strip()
    stacks = _is_true(variables.get("hotkit_trace_stacks", ""))
    if wanted.lower() in ("", "false", "no", "0", "none"):
        return None
    if _is_true(wanted):
        share = _ALL_CPUS_BYTES // cpus // MIB * MIB
        size = min(max(share, _LEAST_BYTES), _MOST_BYTES)
    else:
        try:
            size = parse_size(wanted)
        except ValueError as error:
            raise HotkitError(f"hotkit_trace_memory: {error}") from error
    if not MIB <= size <= 4 * GIB:
        raise HotkitError(
            f"hotkit_trace_memory: {format_size(size)} for each CPU is not between 1 MiB and 4 GiB"
        )
    return TraceWish(buffer_bytes=size, cpus=cpus, stacks=stacks)


def _is_true(value: Any) -> bool:
    return str(value).lower() in ("true", "yes", "1")
