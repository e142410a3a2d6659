"""What wakes up by itself beside the workload, or moves its memory: timers, watchdogs, ASLR."""

from __future__ import annotations

from pathlib import Path

from hotkit.agent.putback import systemctl
from hotkit.agent.quiesce.steps import Missing, Step, Timer, knob, value

# Lowered by the kernel itself when interrupts of perf take too long; never by us.
SAMPLE_RATE = "proc/sys/kernel/perf_event_max_sample_rate"
_WATCHDOGS = ("watchdog", "nmi_watchdog", "soft_watchdog")


def aslr(root: Path, wanted: str) -> list[Step]:
    return [knob(root, "proc/sys/kernel/randomize_va_space", wanted)]


def watchdog(root: Path, wanted: str) -> list[Step]:
    """The watchdogs of hard and soft lockups, and the switch over both.

    All three are put back, the switch last: in older kernels (6.1 is one) whoever reads one of
    them while the switch is off makes the kernel forget that it was on (kernel/watchdog.c,
    proc_watchdog_common).
    """
    names = [f"proc/sys/kernel/{name}" for name in _WATCHDOGS]
    there = [name for name in names if (root / name).exists()]
    if not there:
        raise Missing("there is no /proc/sys/kernel/watchdog: a kernel without lockup detector")
    return [knob(root, name, wanted) for name in there]


def timers(root: Path, wanted: str) -> list[Step]:
    """Active timer units are stopped, but for those that could not be started again (transient)."""
    if not (root / "run/systemd/system").is_dir():
        raise Missing("systemd does not run here")
    said = systemctl("show", "*.timer", "--property=Id,ActiveState,Transient")
    steps: list[Step] = []
    for block in said.split("\n\n"):
        unit = dict(row.split("=", 1) for row in block.splitlines() if "=" in row)
        if unit.get("ActiveState") == "active" and unit.get("Transient") != "yes":
            steps.append(Timer(unit["Id"], "active", "stopped"))
    return sorted(steps, key=lambda step: step.name)


def sample_rate(root: Path) -> str | None:
    """perf_event_max_sample_rate, in samples a second; None without perf."""
    return value(root / SAMPLE_RATE)
