"""Gates before and after each run: whether the machine was in a state in which a run may count.

They look at the machine, never at the run's time, so a block that is run again is not chosen by
its result. A run's problems are sentences with the figure and its bound; what happens then is the
runner's to decide (docs/sweep.md, "Re-run blocks").

Some trackers change knobs while they run and put them back at their end (undo.py). So `before()`
is called before a tracker starts, `after()` when what it changed is back: between the two nobody
compares knobs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotkit.agent.counters import cpu_ns
from hotkit.agent.gatesettings import complete_gates
from hotkit.agent.gather import line
from hotkit.agent.heatsensors import temperatures_c, throttled
from hotkit.agent.kmsg import LEVELS, KernelLog, Message
from hotkit.agent.platform import knobs

Facts = dict[str, Any]

_SAMPLE_RATE = "proc/sys/kernel/perf_event_max_sample_rate"
_LOOK_S = 0.5
_SHOWN = 2


class Gates:
    """The gates of one session on this machine.

    `settings`: gate -> bound, or False for off (gatesettings.py; AgentError for a wrong one).
    `session_knobs`: those found when the session began, if that was before this agent, as after a
    reboot; else they are read now. `root` is another place than / for tests. It keeps the kernel's
    log open: `close()` lets it go.
    """

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        session_knobs: Mapping[str, str] | None = None,
        root: Path = Path("/"),
    ):
        self.settings = complete_gates(settings)
        self._root = root
        self.knobs = dict(knobs(root) if session_knobs is None else session_knobs)
        self._sample_rate = line(str(root / _SAMPLE_RATE))
        watched = self.settings["kernel_messages"] is not False
        self._log = KernelLog(root / "dev/kmsg") if watched else None

    def close(self) -> None:
        """Let the kernel's log go."""
        if self._log is not None:
            self._log.close()

    def as_json(self) -> dict[str, Any]:
        """The fields of the event `gates`: what cannot be checked here, and every bound."""
        return {"unchecked": self.unchecked(), "bounds": dict(self.settings)}

    def unchecked(self) -> dict[str, str]:
        """Why a gate that is on checks nothing on this machine, by its name."""
        root = self._root
        vmstat = (root / "proc/vmstat").is_file() and "pswpin " in line(str(root / "proc/vmstat"))
        reasons = {
            "throttled": throttled(root) is None
            and "no cpu*/thermal_throttle: only Intel CPUs that are no guest's have it",
            "temperature_c": not temperatures_c(root) and "no sensor of a CPU",
            "kernel_messages": self._log is not None
            and self._log.refused
            and f"{self._log.refused}: reading the kernel's log takes root",
            "knobs": not self.knobs and "no knob can be read",
            "sample_rate": not self._sample_rate and f"no /{_SAMPLE_RATE}: a kernel without perf",
            "steal_percent": not cpu_ns(root) and "no steal time in /proc/stat",
            "swap_pages": not vmstat and "no pswpin in /proc/vmstat: a kernel without swap",
        }
        return {name: str(why) for name, why in reasons.items() if why and self._is_on(name)}

    def before(self) -> Facts:
        """Wait until the CPUs are cool enough, then say how the machine is.

        All of it is JSON; `problems` are those that forbid the run, the rest is for `after()`:
        `at_ns` (CLOCK_MONOTONIC), `waited_s`, `temperature_c` with its `sensor`, `throttled`,
        `kernel_sequence` (of the last message), `knobs`, `sample_rate`, `cpu_ns`.
        """
        began = time.monotonic()
        hottest = self._cooled(began + self.settings["temperature_wait_s"])
        found = knobs(self._root)
        problems = [
            *self._too_hot(hottest, time.monotonic() - began),
            *self._changed_knobs(found),
            *self._changed_rate("before the run"),
        ]
        return {
            "problems": problems,
            "at_ns": time.monotonic_ns(),
            "waited_s": round(time.monotonic() - began, 3),
            "temperature_c": hottest[1] if hottest else None,
            "sensor": hottest[0] if hottest else None,
            "throttled": throttled(self._root) or {},
            "kernel_sequence": self._log.mark() if self._log else -1,
            "knobs": found,
            "sample_rate": self._sample_rate,
            "cpu_ns": cpu_ns(self._root),
        }

    def after(
        self, before: Facts, deltas: Mapping[str, int], lost: int, examined: int
    ) -> list[str]:
        """Why a run may not count; empty when it may.

        `before`: what `before()` gave. `deltas`: growth of counters.py's counters in the timed
        part. `lost` and `examined`: samples of the tracker.
        """
        return [
            *self._throttled(before["throttled"]),
            *self._kernel_said(before["kernel_sequence"]),
            *self._changed_knobs(knobs(self._root)),
            *self._changed_rate("during the run"),
            *self._stolen(before["cpu_ns"]),
            *self._more_than("swap_pages", deltas.get("swap", 0), "pages were swapped in or out"),
            *self._lost(lost, examined),
        ]

    def _is_on(self, name: str) -> bool:
        return self.settings[name] is not False

    def _more_than(self, name: str, figure: int, what: str) -> list[str]:
        """The sentence of a gate whose bound is a plain count."""
        bound = self.settings[name]
        if not self._is_on(name) or figure <= bound:
            return []
        return [f"{figure} {what} during the run; the bound is {bound}"]

    def _cooled(self, until: float) -> tuple[str, float] | None:
        """The hottest sensor and its degrees, once they are within the bound or time is up."""
        while True:
            found = temperatures_c(self._root)
            if not found:
                return None
            hottest = max(found.items(), key=lambda item: item[1])
            hot = self._is_on("temperature_c") and hottest[1] > self.settings["temperature_c"]
            if not hot or time.monotonic() >= until:
                return hottest
            time.sleep(max(0.0, min(_LOOK_S, until - time.monotonic())))

    def _too_hot(self, hottest: tuple[str, float] | None, waited_s: float) -> list[str]:
        bound = self.settings["temperature_c"]
        if not self._is_on("temperature_c") or hottest is None or hottest[1] <= bound:
            return []
        return [
            f"{hottest[0]} is at {hottest[1]:.1f} C after {waited_s:.0f} s of waiting;"
            f" the bound is {bound:g} C"
        ]

    def _throttled(self, before: Mapping[str, int]) -> list[str]:
        now = throttled(self._root) or {}
        grown = {name: count - before.get(name, 0) for name, count in now.items()}
        name, times = max(grown.items(), key=lambda item: item[1], default=("", 0))
        others = sum(count > 0 for count in grown.values()) - 1
        more = f" (other counts that grew: {others})" if others > 0 else ""
        return self._more_than("throttled", times, f"times {name} was throttled for heat{more}")

    def _kernel_said(self, sequence: int) -> list[str]:
        if self._log is None or self._log.refused:
            return []
        messages, overrun = self._log.since(sequence)
        level = self.settings["kernel_messages"]
        bad = [message for message in messages if self._counts(message)]
        missed = ["kernel messages were lost during the run: more came than its log holds"]
        if not bad:
            return missed if overrun else []
        texts = "; ".join(
            f'"{message.text}"' + ("" if message.by_kernel else " (from user space)")
            for message in bad[:_SHOWN]
        )
        more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        said = f"kernel messages of level {level} or worse during the run: {texts}{more}"
        return [said, *(missed if overrun else [])]

    def _counts(self, message: Message) -> bool:
        ignored = self.settings["kernel_messages_ignore"]
        bad = message.level <= LEVELS.index(self.settings["kernel_messages"])
        return bad and not any(words in message.text for words in ignored)

    def _changed_knobs(self, now: Mapping[str, str]) -> list[str]:
        if not self._is_on("knobs"):
            return []
        return [
            f"knob {name} is {now.get(name, 'gone')!r}, and was {found!r} when the session began"
            for name, found in self.knobs.items()
            if now.get(name) != found
        ]

    def _changed_rate(self, when: str) -> list[str]:
        """Against the last look: each change is told once, then it is what the runs have."""
        found, self._sample_rate = self._sample_rate, line(str(self._root / _SAMPLE_RATE))
        if not self._is_on("sample_rate") or found == self._sample_rate:
            return []
        return [
            f"kernel.perf_event_max_sample_rate went from {found} to {self._sample_rate} {when}:"
            " the kernel lowers it when interrupts of perf take too long"
        ]

    def _stolen(self, before: Mapping[str, int]) -> list[str]:
        now = cpu_ns(self._root)
        if not self._is_on("steal_percent") or not now or not before:
            return []
        every = now["all"] - before["all"]
        # What one tick of each CPU can pretend is no steal: it would fail every short run.
        tick_ns = 1000000000 // os.sysconf("SC_CLK_TCK")
        stolen = now["steal"] - before["steal"]
        bound = self.settings["steal_percent"]
        if stolen - tick_ns * (os.cpu_count() or 1) <= bound / 100 * every:
            return []
        return [
            f"a hypervisor took {100 * stolen / max(every, 1):.1f} % of the CPU time (steal)"
            f" during the run; the bound is {bound:g} %"
        ]

    def _lost(self, lost: int, examined: int) -> list[str]:
        bound = self.settings["lost_percent"]
        share = 100 * lost / max(lost + examined, 1)
        if not self._is_on("lost_percent") or share <= bound:
            return []
        return [
            f"{lost} of {lost + examined} samples were lost ({share:.1f} %); the bound is"
            f" {bound:g} %"
        ]
