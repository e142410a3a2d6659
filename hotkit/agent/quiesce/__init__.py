"""A machine made quiet for measuring: what was found is on disk first, then all is set.

`plan` looks and changes nothing, `apply` sets, `check` says what does not hold. What puts it back
is `undo()` of the notes that `apply` was given (undo.py): `Undo.session` for a session, which its
guard and the next agent see to; `Undo.kept` for what is to outlive every agent.

`settings` is what a person wrote: a flat mapping, item -> what it is set to, or "leave"; an item
that is not in it has its default (table.py). That a machine has not got an item matters only if the
person named it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hotkit.agent.protocol import AgentError
from hotkit.agent.quiesce.steps import ROOT, Act, Companion, Missing, Step
from hotkit.agent.quiesce.system import SAMPLE_RATE, sample_rate
from hotkit.agent.quiesce.table import ITEMS, LEAVE, complete
from hotkit.agent.undo import Notes

__all__ = ["ITEMS", "Change", "apply", "check", "complete", "plan"]


@dataclass(frozen=True)
class Change:
    """What would be set: from `found` to `wanted` at `places` places, the first being `name`.

    `why_not` is a sentence instead: this machine has not got it, or it must not be set
    (`refused`). `once` is an act, like dropping caches, that nothing puts back.
    """

    item: str
    name: str = ""
    found: str = ""
    wanted: str = ""
    places: int = 1
    why_not: str | None = None
    refused: bool = False
    once: bool = False

    def hinders(self, settings: Mapping[str, Any]) -> bool:
        """Whether `settings` cannot be had: an item that lacks matters to who named it only."""
        return self.refused or (self.why_not is not None and self.item in settings)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        if self.why_not:
            return f"{self.item}: {self.why_not}"
        more = f" and {self.places - 1} more" if self.places > 1 else ""
        if self.once:
            return f"{self.item}: {self.wanted} written to {self.name}"
        return f"{self.item}: {self.name}{more}: {self.found} -> {self.wanted}"


def plan(settings: Mapping[str, Any], root: Path = ROOT) -> list[Change]:
    """What `apply` would set, and what it would not and why; in the order of the table.

    Raises AgentError for settings that are none.
    """
    return [change for item in _look(complete(settings), root) for change in item.changes()]


def apply(notes: Notes, settings: Mapping[str, Any], root: Path = ROOT) -> list[str]:
    """Set what does not hold yet; a sentence for each. `notes` must be of an Undo that is open.

    All values found are in `notes`, fsynced, before the first is changed. Raises AgentError, before
    anything is changed, when an item must not be set or was named and is not there; or in the midst
    of it when the kernel refuses one: the caller then puts back what was set (`notes.undo()`).
    """
    wanted = complete(settings)
    not_possible = [str(change) for change in plan(settings, root) if change.hinders(settings)]
    if not_possible:
        raise AgentError("; ".join(not_possible), "set what cannot be had to leave")
    notes.begin(settings=wanted, sample_rate=sample_rate(root))
    said: list[str] = []
    # Threads alone first: what the others find depends on which CPUs are online.
    for part in ({"smt"}, set(ITEMS) - {"smt"}):
        items = list(_look({name: to for name, to in wanted.items() if name in part}, root))
        # The file is undone from its end: items in the order of the table, which is how the
        # driver takes them, and the steps of one item backwards.
        notes.note([entry for item in reversed(items) for entry in item.back()])
        for item in items:
            item.do()
            said += [str(change) for change in item.changes() if not change.why_not]
    return said


def check(settings: Mapping[str, Any], notes: Notes | None = None, root: Path = ROOT) -> list[str]:
    """What does not hold now, a sentence each; reads only, and needs no lock.

    With `notes` (those that `apply` wrote) also whether the kernel has lowered the highest rate of
    samples since. Raises AgentError for settings that are none.
    """
    problems = []
    for change in plan(settings, root):
        if change.hinders(settings):
            problems.append(str(change))
        if change.once or change.why_not:
            continue
        more = f" ({change.places} like it)" if change.places > 1 else ""
        problems.append(
            f"{change.item}: {change.name} is {change.found}, not {change.wanted}{more}"
        )
    header = notes.header() if notes is not None else None
    before, now = (header or {}).get("sample_rate"), sample_rate(root)
    if before is not None and now != before:
        problems.append(f"/{SAMPLE_RATE} was {before} and is {now}: perf takes fewer samples")
    return problems


@dataclass(frozen=True)
class _Looked:
    """What an item found on this machine."""

    name: str
    steps: tuple[Step, ...] = ()
    why_not: str | None = None
    refused: bool = False

    def changes(self) -> Iterator[Change]:
        if self.why_not:
            yield Change(self.name, why_not=self.why_not, refused=self.refused)
        alike: dict[tuple[str, str], list[Step]] = {}
        for step in self._to_do():
            alike.setdefault((step.found, step.wanted), []).append(step)
        for (found, wanted), steps in alike.items():
            once = isinstance(steps[0], Act)
            yield Change(self.name, steps[0].name, found, wanted, len(steps), once=once)

    def back(self) -> Iterable[dict[str, Any]]:
        """What undoes it; what the kernel moves along is put back only if something is set."""
        moved = self.steps if any(not step.holds for step in self.steps) else ()
        entries = [s.back() for s in moved if not s.holds or isinstance(s, Companion)]
        return [entry for entry in entries if entry is not None]

    def do(self) -> None:
        for step in self._to_do():
            step.do()

    def _to_do(self) -> list[Step]:
        return [step for step in self.steps if not step.holds or isinstance(step, Act)]


def _look(wanted: Mapping[str, str], root: Path) -> Iterator[_Looked]:
    """What each item that is not left alone finds."""
    for name, to in wanted.items():
        if to == LEAVE:
            continue
        try:
            yield _Looked(name, tuple(ITEMS[name].look(root, to)))
        except Missing as missing:
            yield _Looked(name, why_not=str(missing))
        except AgentError as error:
            yield _Looked(name, why_not=error.message, refused=True)
