"""The interface of a tracker: a small file that says what it saw and what that cost itself."""

from __future__ import annotations

from typing import Any

from hotkit.agent.heat import HeatRange
from hotkit.agent.protocol import AgentError
from hotkit.agent.samples import Recorder, Samples
from hotkit.agent.undo import Undo

# What a tracker is pointed at (DESIGN.md): {"kind": "process" | "cgroup" | "node" | "vm", ...}.
# A vm is a process, has `slots` and `qmp` (a path or None) besides (guest/vm.py), and its `ranges`
# are the guest's RAM there.
# A process has "pid", "ranges" ([[start, end], ...] of the memory that the workload works on),
# "cpus" (where it may run), "cgroup" (a directory, None where there is no memory cgroup) and "uffd"
# (the number of a userfaultfd that the process has opened, -1 where it has none).
Target = dict[str, Any]
Settings = dict[str, Any]


class Probe:
    """Whether a tracker works on this machine, as the machine itself shows, never its version."""

    def __init__(self, available: bool, reason: str | None = None, fix: str | None = None):
        self.available = available
        self.reason = reason
        self.fix = fix

    def as_json(self) -> dict[str, Any]:
        return {"available": self.available, "reason": self.reason, "fix": self.fix}


class Setting:
    """One thing that a sweep may set: its default decides its type (bool, int, float or str).

    `least` bounds numbers, `choices` lists the words allowed. `help` is one line with the unit.
    """

    def __init__(
        self,
        default: Any,
        help: str,
        least: Any = None,
        choices: tuple[str, ...] = (),
    ):
        self.default = default
        self.help = help
        self.least = least
        self.choices = choices

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, None when it may be used."""
        kind = type(self.default)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            return f"{value!r} is not {kind.__name__}"
        if self.choices and value not in self.choices:
            return f"{value!r} is none of {', '.join(self.choices)}"
        if self.least is not None and value < self.least:
            return f"{value!r} is not at least {self.least}"
        return None


# Every tracker has these: where its threads may run. A spare CPU hides what a tracker costs.
PLACEMENT = {
    "placement": Setting(
        "shared",
        "CPUs of its threads: the workload's (shared), the others (spare), or one (pinned)",
        choices=("shared", "spare", "pinned"),
    ),
    "cpu": Setting(0, "the CPU of placement: pinned", least=0),
}
# And these when it looks at a VM from the host.
OVER_VM = {
    "watch": Setting(
        "vm",
        "all RAM of the VM, or the pages of the workload alone: those only the guest can tell",
        choices=("vm", "workload"),
    ),
}


def rules_of(kind: type[Tracker], scope: str = "") -> dict[str, Setting]:
    """All settings that a tracker has when it looks from there ("", guest or host)."""
    return {**kind.settings, **PLACEMENT, **(OVER_VM if scope == "host" else {})}


class Tracker:
    """One way to learn which memory is hot.

    The runner calls `probe(settings)` once, then for each run `start(target, settings)`, `stop()`
    and the readers below. Every knob that it touches goes through `undo`; `stop()` may be called
    twice and leaves the machine as `start` found it.
    """

    name = ""
    # One line: how it learns of an access.
    how = ""
    # Samples of different trackers are not the same thing: every figure carries these words.
    units = {"examined": "sample", "positive": "sample"}
    # Its own settings; those of PLACEMENT come with them.
    settings: dict[str, Setting] = {}
    # Why it cannot look at a VM from the host; "" when it can.
    not_over_vm = ""
    # Whether it may move, demote or swap pages. One that only collects and still did is no result.
    moves_pages = False

    def __init__(self, undo: Undo):
        self.undo = undo
        # Set by the runner before start() when somebody watches or records.
        self.recorder: Recorder | None = None
        # The path of trackers/src/scan.c, built; set by the runner too.
        self.scan_program = ""

    def probe(self, settings: Settings) -> Probe:
        """Whether it would work here with these (complete) settings."""
        raise NotImplementedError

    def start(self, target: Target, settings: Settings) -> None:
        """Begin to track; returns when tracking is in force. Raises AgentError."""
        raise NotImplementedError

    def stop(self) -> None:
        """End tracking and restore what was touched. Raises AgentError if tracking had failed."""
        raise NotImplementedError

    def samples(self) -> Samples:
        raise NotImplementedError

    def self_cost(self) -> int:
        """CPU time in ns of the tracker's own threads between start and stop ("direct cost")."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """What is to be known of how it worked in this run, by name; mostly nothing."""
        return {}

    def cpus(self) -> list[int]:
        """The CPUs its threads were seen on: a spare CPU hides a tracker's cost."""
        raise NotImplementedError

    def hot(self) -> list[HeatRange]:
        """What it believes to be hot."""
        raise NotImplementedError


def complete(kind: type[Tracker], given: Settings, scope: str = "") -> Settings:
    """All settings of a tracker: what was given, else the defaults. AgentError for a wrong one."""
    rules = rules_of(kind, scope)
    for name, value in given.items():
        if name not in rules:
            raise AgentError(
                f"{kind.name} has no setting {name!r}", "it has " + ", ".join(sorted(rules))
            )
        problem = rules[name].problem(value)
        if problem:
            raise AgentError(f"{kind.name}: {name}: {problem}", rules[name].help)
    found = {name: rule.default for name, rule in rules.items()}
    found.update(given)
    return found
