"""The gates of a run by name, with their bounds, and what a sweep may say about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotkit.agent.kmsg import LEVELS
from hotkit.agent.protocol import AgentError

# The bound of each gate: a number is the most that passes, False switches the gate off.
DEFAULTS: dict[str, Any] = {
    # Times that a CPU was slowed down for heat while the run lasted.
    "throttled": 0,
    # Of the hottest CPU sensor before the run. Server CPUs throttle at 90 to 100.
    "temperature_c": 80.0,
    # A line of the kernel's log at this level or worse.
    "kernel_messages": "warning",
    # Every knob of platform.knobs() is what it was when the session began.
    "knobs": True,
    # kernel.perf_event_max_sample_rate is what it was at the last look.
    "sample_rate": True,
    # What a hypervisor took of the CPU time of all CPUs while the run lasted. This bound, swap and
    # lost are those beyond which a whole session is not trusted (core/analysis.py).
    "steal_percent": 5.0,
    # Pages swapped in or out in the timed part of the run.
    "swap_pages": 0,
    # Of the samples that the tracker should have had.
    "lost_percent": 1.0,
}
# What goes with a gate: no bound, and never False.
EXTRA: dict[str, Any] = {
    # How long a run waits for the CPUs to cool down.
    "temperature_wait_s": 60.0,
    # Kernel messages with one of these in them do not count. Both are said at counts 1, 2, 4, 8 ...
    # or only once, so that whether they appear in a run says nothing about that run.
    "kernel_messages_ignore": ("hogged CPU for >", "hrtimer: interrupt took"),
}


def complete_gates(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """All settings: what was given (True: the default), else the default. AgentError if wrong."""
    found = {**DEFAULTS, **EXTRA}
    for name, value in (given or {}).items():
        if name not in found:
            known = ", ".join([*DEFAULTS, *EXTRA])
            raise AgentError(f"gates: there is no gate {name!r}", f"gates are {known}")
        if value is True and name in DEFAULTS:
            continue
        problem = _problem(name, value)
        if problem:
            raise AgentError(f"gates: {name}: {problem}", f"the default is {found[name]!r}")
        found[name] = tuple(value) if isinstance(value, list) else value
    return found


def _problem(name: str, value: Any) -> str | None:
    """What is wrong with a value, None when it may be used."""
    if value is False and name in DEFAULTS:
        return None
    default = {**DEFAULTS, **EXTRA}[name]
    if default is True:
        return f"{value!r} is neither true nor false"
    if name == "kernel_messages":
        return None if value in LEVELS else f"{value!r} is none of {', '.join(LEVELS)}, false"
    if name == "kernel_messages_ignore":
        texts = isinstance(value, (list, tuple)) and all(isinstance(it, str) for it in value)
        # An empty text is in every message.
        return None if texts and all(value) else f"{value!r} is no list of texts"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"{value!r} is no number" + ("" if name in EXTRA else " and not false")
    if not 0 <= value < float("inf"):
        return f"{value!r} is not at least 0"
    if isinstance(default, int) and value != int(value):
        return f"{value!r} is no whole number"
    return None
